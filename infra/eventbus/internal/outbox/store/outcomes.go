package store

import (
	"context"
	"database/sql"
	"time"
)

// Deliveries has the statements of stored deliveries.
type Deliveries struct{ Store }

// Held names a stored delivery that this process has claimed. StoredAs is the name under which the subscription's deliveries are
// stored. A statement for it changes nothing when another process has claimed the delivery since, and its token is another.
type Held struct {
	EventID, StoredAs string
	Token             int64
}

// complete deletes a delivery, if it is still this holder's.
func (s Deliveries) Complete(ctx context.Context, d Held) (bool, error) {
	//crash:point no fencing: ctx s.Exec d.EventID d.StoredAs
	n, err := s.Exec(ctx, `DELETE FROM bus_deliveries WHERE event_id = ? AND subscription = ? AND token = ?`,
		d.EventID, d.StoredAs, d.Token)
	return n == 1, err
}

// completeAll deletes deliveries that are still this holder's, and returns how many were. On Postgres it is one round
// trip; on SQLite there are none to save.
func (s Deliveries) CompleteAll(ctx context.Context, deliveries []Held) (n int64, err error) {
	//crash:point no fencing of many: ctx s.Complete deliveries
	if !s.Postgres {
		for _, d := range deliveries {
			mine, err := s.Complete(ctx, d)
			if err != nil {
				return n, err
			}
			if mine {
				n++
			}
		}
		return n, nil
	}
	result, err := s.DB.ExecContext(ctx, completeAllPostgres, completions(deliveries)...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

const completeAllPostgres = `DELETE FROM bus_deliveries d USING unnest($1::text[], $2::text[], $3::bigint[]) AS c (id, name, token)
	WHERE d.event_id = c.id AND d.subscription = c.name AND d.Token = c.token`

func completions(deliveries []Held) []any {
	ids, names, tokens := make([]string, len(deliveries)), make([]string, len(deliveries)), make([]int64, len(deliveries))
	for i, d := range deliveries {
		ids[i], names[i], tokens[i] = d.EventID, d.StoredAs, d.Token
	}
	return []any{ids, names, tokens}
}

// settleAll is completeAll at the end of ctx's transaction, whatever the number. On Postgres it goes out with the commit.
func (s Deliveries) CompleteAtCommit(ctx context.Context, deliveries []Held) error {
	if s.Postgres {
		return s.ExecLast(ctx, "settle deliveries", completeAllPostgres, completions(deliveries)...)
	}
	_, err := s.CompleteAll(ctx, deliveries)
	return err
}

// The statements below give a delivery back or make it dead. They leave the token as it is, and change the delivery only while
// its state is running. So one that is written again, after a commit whose answer was lost, changes nothing.

// retry gives a delivery back, due after wait. Attempts is what it has counted so far. Who tried it has read it: it is not
// parked any more.
func (s Deliveries) Retry(ctx context.Context, d Held, attempts int, wait time.Duration, cause string) (bool, error) {
	n, err := s.Exec(ctx, `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = ?, due_at = {now} + ?, failed_at = {now},
		parked_at = 0, ends = 0, alone = 0, error = ? WHERE event_id = ? AND subscription = ? AND token = ? AND state = 'running'`,
		attempts, wait.Milliseconds(), cause, d.EventID, d.StoredAs, d.Token)
	return n == 1, err
}

// release gives a delivery back untried, due after wait. Without one it stays due since when it was.
func (s Deliveries) Release(ctx context.Context, d Held, wait time.Duration) (bool, error) {
	n, err := s.Exec(ctx, `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = attempts - 1, ends = 0, alone = 0,
		due_at = CASE WHEN CAST(? AS BIGINT) = 0 THEN due_at ELSE {now} + ? END
		WHERE event_id = ? AND subscription = ? AND token = ? AND state = 'running'`,
		wait.Milliseconds(), wait.Milliseconds(), d.EventID, d.StoredAs, d.Token)
	return n == 1, err
}

// park leaves a delivery to other versions for wait, or reports that it has been left for longer than limit. That counts from
// when it was first due, or from when this process began, the given time ago, if that was later: the events of a key, which
// are read one after the other, all have the same time, and not each the time after that of the one before.
func (s Deliveries) Park(ctx context.Context, d Held, wait, limit, began time.Duration, cause string) (expired bool, err error) {
	const since = "CASE WHEN parked_at = 0 THEN {greatest}(due_at, {now} - CAST(? AS BIGINT)) ELSE parked_at END"
	n, err := s.Exec(ctx, `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = attempts - 1, ends = 0, alone = 0,
		due_at = {least}({now} + ?, `+since+` + ?), parked_at = `+since+`, failed_at = {now}, error = ?
		WHERE event_id = ? AND subscription = ? AND token = ? AND state = 'running' AND `+since+` + ? > {now}`,
		wait.Milliseconds(), began.Milliseconds(), limit.Milliseconds(), began.Milliseconds(), cause,
		d.EventID, d.StoredAs, d.Token, began.Milliseconds(), limit.Milliseconds())
	return n == 0, err
}

// bury makes a delivery dead.
func (s Deliveries) DeadLetter(ctx context.Context, d Held, cause string) (bool, error) {
	n, err := s.Exec(ctx, `UPDATE bus_deliveries SET state = 'dead', owner = '', failed_at = {now}, error = ?
		WHERE event_id = ? AND subscription = ? AND token = ? AND state = 'running'`, cause, d.EventID, d.StoredAs, d.Token)
	return n == 1, err
}

// condemn makes an open delivery dead that cannot be claimed.
func (s Deliveries) DeadLetterUnclaimed(ctx context.Context, id, subscription, cause string) (bool, error) {
	n, err := s.Exec(ctx, `UPDATE bus_deliveries SET state = 'dead', owner = '', failed_at = {now}, error = ?
		WHERE event_id = ? AND subscription = ? AND state = 'pending'`, cause, id, subscription)
	return n == 1, err
}

// countBegin notes that a delivery is begun as a suspect, if it is still this holder's.
func (s Deliveries) CountSoloRun(ctx context.Context, d Held) (bool, error) {
	n, err := s.Exec(ctx, `UPDATE bus_deliveries SET alone = alone + 1 WHERE event_id = ? AND subscription = ? AND token = ?`,
		d.EventID, d.StoredAs, d.Token)
	return n == 1, err
}

// unfinished reports whether a delivery of the subscriptions is neither done nor dead.
func (s Deliveries) Unfinished(ctx context.Context, subscriptions []string) (bool, error) {
	found := false
	err := s.Query(ctx, func(*sql.Rows) error { found = true; return nil },
		`SELECT 1 FROM bus_deliveries WHERE state <> 'dead' AND subscription {in list} LIMIT 1`, List(subscriptions))
	return found, err
}

const (
	ReplayDead = `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = 0, ends = 0, alone = 0, due_at = {now}, token = ` + nextToken + `,
		parked_at = 0 WHERE event_id = ? AND subscription = ? AND ` + stillDead
	DiscardDead = `DELETE FROM bus_deliveries WHERE event_id = ? AND subscription = ? AND ` + stillDead
	// stillDead is that state is 'dead', said such that Postgres does not look for one delivery in the index of all dead ones,
	// which it may read to the end.
	stillDead = `state NOT IN ('pending', 'running')`
)
