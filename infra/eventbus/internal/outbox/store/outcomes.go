package store

import (
	"context"
	"database/sql"
	"time"
)

// Deliveries has the statements of stored deliveries.
type Deliveries struct{ Store }

// Held names a delivery that this process has claimed. StoredAs is the name under which the subscription's deliveries are
// stored. When another process has claimed the delivery since, the row has another token, and the statements change nothing.
type Held struct {
	EventID, StoredAs string
	Token             int64
}

// ifHeld is true for a delivery while the row still has the token of this process's claim. [Held.after] gives its parameters.
const ifHeld = ` WHERE event_id = ? AND subscription = ? AND token = ?`

// after returns args followed by the arguments of ifHeld.
func (d Held) after(args ...any) []any { return append(args, d.EventID, d.StoredAs, d.Token) }

// Complete deletes a delivery that has been handled. Mine is false if the delivery was not this process's any more.
func (s Deliveries) Complete(ctx context.Context, d Held) (mine bool, err error) {
	//crash:point no fencing: ctx s.Exec d.EventID d.StoredAs
	return s.runOne(ctx, `DELETE FROM bus_deliveries`+ifHeld, d.after()...)
}

// CompleteAll deletes deliveries that have been handled, and returns how many were still this process's. On Postgres it takes one
// round trip. SQLite has no round trips, so one statement for each delivery costs no more there.
func (s Deliveries) CompleteAll(ctx context.Context, deliveries []Held) (n int64, err error) {
	//crash:point no fencing of many: ctx s.Complete deliveries
	if s.Postgres {
		return s.Exec(ctx, completeAllPostgres, completions(deliveries)...)
	}
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

const completeAllPostgres = `DELETE FROM bus_deliveries d USING unnest($1::text[], $2::text[], $3::bigint[]) AS c (id, name, token)
	WHERE d.event_id = c.id AND d.subscription = c.name AND d.token = c.token`

func completions(deliveries []Held) []any {
	ids, names, tokens := make([]string, len(deliveries)), make([]string, len(deliveries)), make([]int64, len(deliveries))
	for i, d := range deliveries {
		ids[i], names[i], tokens[i] = d.EventID, d.StoredAs, d.Token
	}
	return []any{ids, names, tokens}
}

// CompleteAtCommit deletes deliveries that have been handled, at the end of ctx's transaction. It does not check how many are still
// this process's. On Postgres the statement goes out with the commit.
func (s Deliveries) CompleteAtCommit(ctx context.Context, deliveries []Held) error {
	if s.Postgres {
		return s.ExecLast(ctx, "settle deliveries", completeAllPostgres, completions(deliveries)...)
	}
	_, err := s.CompleteAll(ctx, deliveries)
	return err
}

// The methods below give a delivery back or dead-letter it, and report whether it was still this process's. Their statements do not
// change the token, and change the delivery only while its state is running. When the answer to a commit was lost, the caller
// repeats the statement, and the second one changes nothing.

// Retry gives a delivery back, due after wait. Attempts is the number of attempts so far. A handler has tried the delivery, so this
// version can read it: Retry resets parked_at.
func (s Deliveries) Retry(ctx context.Context, d Held, attempts int, wait time.Duration, cause string) (mine bool, err error) {
	return s.runOne(ctx, `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = ?, due_at = {now} + ?, failed_at = {now},
		parked_at = 0, ends = 0, alone = 0, error = ?`+ifHeld+` AND state = 'running'`, d.after(attempts, wait.Milliseconds(), cause)...)
}

// Release gives a delivery back that no handler has tried, due after wait. With wait 0, the delivery keeps the time at which it was
// due.
func (s Deliveries) Release(ctx context.Context, d Held, wait time.Duration) (mine bool, err error) {
	return s.runOne(ctx, `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = attempts - 1, ends = 0, alone = 0,
		due_at = CASE WHEN CAST(? AS BIGINT) = 0 THEN due_at ELSE {now} + ? END`+ifHeld+` AND state = 'running'`,
		d.after(wait.Milliseconds(), wait.Milliseconds())...)
}

// Park gives a delivery back that this version cannot read, and leaves it to other versions for wait. Expired is true if Park changed
// nothing: the delivery has been parked for longer than limit, or is not this process's any more. DeadLetter then finds out which.
//
// The limit counts from the time at which the delivery was due. So the later events of a key, which wait for the first one, are not
// each parked for a whole limit of their own. A delivery that was due before this process began counts from that beginning, which was
// began ago: otherwise, after a long standstill, every delivery would expire at once.
func (s Deliveries) Park(ctx context.Context, d Held, wait, limit, began time.Duration, cause string) (expired bool, err error) {
	const since = "CASE WHEN parked_at = 0 THEN {greatest}(due_at, {now} - CAST(? AS BIGINT)) ELSE parked_at END"
	parked, err := s.runOne(ctx, `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = attempts - 1, ends = 0, alone = 0,
		due_at = {least}({now} + ?, `+since+` + ?), parked_at = `+since+`, failed_at = {now}, error = ?`+ifHeld+` AND state = 'running' AND `+since+` + ? > {now}`,
		append(d.after(wait.Milliseconds(), began.Milliseconds(), limit.Milliseconds(), began.Milliseconds(), cause), began.Milliseconds(), limit.Milliseconds())...)
	return !parked, err
}

const setDead = `UPDATE bus_deliveries SET state = 'dead', owner = '', failed_at = {now}, error = ?`

// DeadLetter makes a claimed delivery dead.
func (s Deliveries) DeadLetter(ctx context.Context, d Held, cause string) (mine bool, err error) {
	return s.runOne(ctx, setDead+ifHeld+` AND state = 'running'`, d.after(cause)...)
}

// IsDead reports whether a delivery became dead under the token of d.
func (s Deliveries) IsDead(ctx context.Context, d Held) (dead bool, err error) {
	err = s.Query(ctx, func(*sql.Rows) error { dead = true; return nil },
		`SELECT 1 FROM bus_deliveries`+ifDead+` AND token = ?`, d.EventID, d.StoredAs, d.Token)
	return dead, err
}

// DeadLetterUnclaimed makes a pending delivery dead. It is for a delivery whose row makes each claim fail.
func (s Deliveries) DeadLetterUnclaimed(ctx context.Context, id, subscription, cause string) (bool, error) {
	return s.runOne(ctx, setDead+` WHERE event_id = ? AND subscription = ? AND state = 'pending'`, cause, id, subscription)
}

// CountSoloRun counts, before the handler of a quarantined delivery begins, a crash of this handler. Every later outcome resets the
// count, unless the process crashes first.
func (s Deliveries) CountSoloRun(ctx context.Context, d Held) (mine bool, err error) {
	return s.runOne(ctx, `UPDATE bus_deliveries SET alone = alone + 1`+ifHeld, d.after()...)
}

// Unfinished reports whether a delivery of the subscriptions is neither done nor dead.
func (s Deliveries) Unfinished(ctx context.Context, subscriptions []string) (bool, error) {
	return s.QueryRow(ctx, []any{new(int)}, `SELECT 1 FROM bus_deliveries WHERE state <> 'dead' AND subscription {in list} LIMIT 1`, JSONList(subscriptions))
}
