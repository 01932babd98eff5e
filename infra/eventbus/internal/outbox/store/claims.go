package store

import (
	"context"
	"database/sql"
	"time"

	"plugboard/infra/eventbus/internal/message"
)

// nextToken is a row's token plus one. A token at the maximum is not increased, so that a statement that changes many rows does not
// fail because of one row. The next claim of this row then fails.
const nextToken = `CASE WHEN token < 9223372036854775807 THEN token + 1 ELSE token END`

// oneMoreCrash counts a crash of a process that had claimed a row.
const oneMoreCrash = `CASE WHEN ends < 32767 THEN ends + 1 ELSE ends END`

// Claimed is a delivery that was just claimed.
type Claimed struct {
	EventID, Key string
	Number       int64
	// Attempts counts this attempt too.
	Attempts int
	Claim    message.Claim
}

func (c *Claimed) columns() []any {
	return []any{&c.EventID, &c.Key, &c.Number, &c.Claim.Token, &c.Attempts, &c.Claim.Crashes, &c.Claim.SoloCrashes}
}

// ClaimUnkeyed claims for owner up to n due deliveries of a subscription that have no key. It runs in a transaction.
func (s Deliveries) ClaimUnkeyed(ctx context.Context, owner, subscription string, n int) ([]Claimed, error) {
	// Without MATERIALIZED Postgres may run the selection several times, and so claim more than its limit.
	return List(ctx, s.Store, (*Claimed).columns, `WITH due AS MATERIALIZED (
			SELECT event_id FROM bus_deliveries WHERE subscription = ? AND state = 'pending' AND key = '' AND due_at <= (SELECT {now})
			ORDER BY due_at LIMIT ? {lock free})
		UPDATE bus_deliveries SET state = 'running', owner = ?, token = token + 1, attempts = attempts + 1, claimed_at = {now}
		WHERE subscription = ? AND state = 'pending' AND event_id IN (SELECT event_id FROM due)
		RETURNING event_id, key, seq, token, attempts, ends, alone`, subscription, n, owner, subscription)
}

// ClaimByID claims for owner the pending and due deliveries among ids. The caller has read them before: they have no key, or are the
// first unfinished deliveries of their keys, without a gap. They are still the first ones now, since new numbers are always higher.
// ClaimByID runs in a transaction.
func (s Deliveries) ClaimByID(ctx context.Context, owner, subscription string, ids []string) ([]Claimed, error) {
	return List(ctx, s.Store, (*Claimed).columns, `UPDATE bus_deliveries SET state = 'running', owner = ?, token = token + 1,
		attempts = attempts + 1, claimed_at = {now}, behind = 0 WHERE subscription = ? AND state = 'pending' AND due_at <= {now} AND event_id {in list}
		RETURNING event_id, key, seq, token, attempts, ends, alone`, owner, subscription, JSONList(ids))
}

// KeyBatch is how many deliveries of one key are claimed at a time.
const KeyBatch = 16

// ClaimKey claims for owner at most n deliveries of a key, if seq is still the key's first unfinished number. It claims from seq on,
// and stops at a gap in the numbers and at a delivery that is not pending or not due. It claims a quarantined delivery only as
// the first one, and then claims no other. ClaimKey runs in a transaction.
func (s Deliveries) ClaimKey(ctx context.Context, owner, subscription, key string, seq int64, n int, block bool) ([]Claimed, error) {
	var ids []string
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
		ids = append(ids, id)
		next++
		if claim.Quarantined() {
			next = 0 // so that no later delivery follows
		}
		return nil
	}, `SELECT event_id, seq, state, {greatest}(due_at, 0) - {now}, ends FROM bus_deliveries WHERE subscription = ? AND key = ? AND key <> '' AND seq >= ?
		ORDER BY seq LIMIT ? {lock}`, subscription, key, seq, n)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	first := int64(0)
	if _, err := s.QueryRow(ctx, []any{&first}, firstOf("m.seq", "?", block), subscription, key); err != nil || first != seq {
		return nil, err
	}
	return s.ClaimByID(ctx, owner, subscription, ids)
}

// Unclaim gives back deliveries that were claimed earlier in the transaction of ctx.
func (s Deliveries) Unclaim(ctx context.Context, owner, subscription string, ids []string) error {
	return s.run(ctx, `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = attempts - 1
		WHERE subscription = ? AND state = 'running' AND owner = ? AND event_id {in list}`, subscription, owner, JSONList(ids))
}

// HeldBy lists the claims of owner that are older than age.
func (s Deliveries) HeldBy(ctx context.Context, owner string, age time.Duration) ([]Held, error) {
	return List(ctx, s.Store, func(d *Held) []any { return []any{&d.EventID, &d.StoredAs, &d.Token} },
		`SELECT event_id, subscription, token FROM bus_deliveries WHERE state = 'running' AND owner = ? AND claimed_at < {now} - ?`,
		owner, age.Milliseconds())
}
