package store

import (
	"context"
	"database/sql"
	"time"

	"plugboard/infra/eventbus/internal/message"
)

// nextToken is the token after a row's own. The highest stays: a statement that changes many rows must not fail because of
// one. The claim of that row fails, see badRow.
const nextToken = `CASE WHEN token < 9223372036854775807 THEN token + 1 ELSE token END`

// oneMoreEnd counts one more end of a process that had claimed a row.
const oneMoreEnd = `CASE WHEN ends < 32767 THEN ends + 1 ELSE ends END`

// dueFree lists the due deliveries of subscription that have no key, at most limit, those due for longest first.
func (s Deliveries) DueUnkeyed(ctx context.Context, subscription string, limit int) ([]KeyHead, error) {
	var out []KeyHead
	err := s.Query(ctx, func(r *sql.Rows) error {
		var h KeyHead
		err := r.Scan(&h.ID)
		out = append(out, h)
		return err
	}, `SELECT event_id FROM bus_deliveries WHERE subscription = ? AND state = 'pending' AND key = '' AND due_at <= (SELECT {now})
		ORDER BY due_at LIMIT ?`, subscription, limit)
	return out, err
}

// Claimed is a delivery just claimed.
type Claimed struct {
	EventID, Key string
	Number       int64
	Attempts     int
	Claim        message.Claim
}

func scanClaimed(out *[]Claimed) func(*sql.Rows) error {
	return func(r *sql.Rows) error {
		var c Claimed
		err := r.Scan(&c.EventID, &c.Key, &c.Number, &c.Claim.Token, &c.Attempts, &c.Claim.Crashes, &c.Claim.SoloCrashes)
		*out = append(*out, c)
		return err
	}
}

// claim takes up to n due deliveries of subscription that have no key. It runs in a transaction.
func (s Deliveries) ClaimUnkeyed(ctx context.Context, owner, subscription string, n int) ([]Claimed, error) {
	lock := ""
	if s.Postgres {
		lock = "FOR UPDATE SKIP LOCKED"
	}
	var out []Claimed
	// Without MATERIALIZED Postgres may run the selection several times, and so take more than its limit.
	err := s.Query(ctx, scanClaimed(&out), `WITH due AS MATERIALIZED (
			SELECT event_id FROM bus_deliveries WHERE subscription = ? AND state = 'pending' AND key = '' AND due_at <= (SELECT {now})
			ORDER BY due_at LIMIT ? `+lock+`)
		UPDATE bus_deliveries SET state = 'running', owner = ?, token = token + 1, attempts = attempts + 1, claimed_at = {now}
		WHERE subscription = ? AND state = 'pending' AND event_id IN (SELECT event_id FROM due)
		RETURNING event_id, key, seq, token, attempts, ends, alone`, subscription, n, owner, subscription)
	return out, err
}

// claimHeads takes the deliveries ids, which were the first unfinished ones of their keys. As long as such a delivery is
// open it stays the first: numbers before it are done, and new ones are higher. It runs in a transaction.
func (s Deliveries) ClaimByID(ctx context.Context, owner, subscription string, ids []string) ([]Claimed, error) {
	var out []Claimed
	err := s.Query(ctx, scanClaimed(&out), `UPDATE bus_deliveries SET state = 'running', owner = ?, token = token + 1,
		attempts = attempts + 1, claimed_at = {now}, behind = 0 WHERE subscription = ? AND state = 'pending' AND due_at <= {now} AND event_id {in list}
		RETURNING event_id, key, seq, token, attempts, ends, alone`, owner, subscription, List(ids))
	return out, err
}

// chain is how many deliveries of one key are Claimed at a time.
const KeyBatch = 16

// claimKey takes at most n due deliveries of key from seq on, up to the first that is not due, if seq is still its first
// unfinished one. A quarantined delivery is taken alone, when it is the first. It runs in a transaction.
func (s Deliveries) ClaimKey(ctx context.Context, owner, subscription, key string, seq int64, n int, block bool) ([]Claimed, error) {
	lock := ""
	if s.Postgres {
		lock = "FOR UPDATE"
	}
	var found []string
	next := seq
	err := s.Query(ctx, func(r *sql.Rows) error {
		var id, state string
		var number, wait int64
		var claim message.Claim
		if err := r.Scan(&id, &number, &state, &wait, &claim.Crashes); err != nil {
			return err
		}
		if number != next || state != "pending" || wait > 0 || claim.Quarantined() && number > seq {
			return nil
		}
		found = append(found, id)
		next++
		if claim.Quarantined() {
			next = 0 // none behind it
		}
		return nil
	}, `SELECT event_id, seq, state, {greatest}(due_at, 0) - {now}, ends FROM bus_deliveries WHERE subscription = ? AND key = ? AND key <> '' AND seq >= ?
		ORDER BY seq LIMIT ? `+lock, subscription, key, seq, n)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	if first, err := s.first(ctx, subscription, key, block); err != nil || first != seq {
		return nil, err
	}
	return s.ClaimByID(ctx, owner, subscription, found)
}

// first returns the number of the first unfinished delivery of key, or 0.
func (s Deliveries) first(ctx context.Context, subscription, key string, block bool) (seq int64, err error) {
	err = s.Query(ctx, func(r *sql.Rows) error { return r.Scan(&seq) }, firstOf("m.seq", "?", block), subscription, key)
	return seq, err
}

// unclaim gives deliveries back that the transaction has Claimed itself.
func (s Deliveries) Unclaim(ctx context.Context, owner, subscription string, ids []string) error {
	_, err := s.Exec(ctx, `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = attempts - 1
		WHERE subscription = ? AND state = 'running' AND owner = ? AND event_id {in list}`, subscription, owner, List(ids))
	return err
}

// owned lists the claims of owner that are older than age.
func (s Deliveries) HeldBy(ctx context.Context, owner string, age time.Duration) ([]Held, error) {
	var out []Held
	err := s.Query(ctx, func(r *sql.Rows) error {
		var d Held
		err := r.Scan(&d.EventID, &d.StoredAs, &d.Token)
		out = append(out, d)
		return err
	}, `SELECT event_id, subscription, token FROM bus_deliveries WHERE state = 'running' AND owner = ? AND claimed_at < {now} - ?`,
		owner, age.Milliseconds())
	return out, err
}
