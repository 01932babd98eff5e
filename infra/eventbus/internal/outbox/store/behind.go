package store

import (
	"context"
	"database/sql"
	"math"
)

// MarkBehind marks as behind the pending deliveries among ids whose keys have a delivery with a lower number among heads, and
// returns how many it marked. Heads are first unfinished deliveries of their keys.
//
// On Postgres it locks the heads until the transaction ends. So a process that finishes a head does this after the marks are
// committed, and then finds the marked deliveries. MarkBehind skips a head that another transaction has locked, since this may be
// the transaction that finishes the head. It runs in a transaction.
func (s Deliveries) MarkBehind(ctx context.Context, subscription string, heads, ids []string, block bool) (int64, error) {
	return s.Exec(ctx, `WITH h AS MATERIALIZED (
			SELECT key, seq FROM bus_deliveries WHERE subscription = ? AND event_id {in list} `+unfinished("state", block)+` {lock free}
		), b AS MATERIALIZED (
			SELECT d.event_id FROM bus_deliveries d CROSS JOIN h WHERE d.subscription = ? AND d.event_id {in list}
			AND d.state = 'pending' AND d.behind = 0 AND d.key = h.key AND d.seq > h.seq {lock free d}
		)
		UPDATE bus_deliveries SET behind = 1 WHERE subscription = ? AND event_id IN (SELECT event_id FROM b)`,
		subscription, JSONList(heads), subscription, JSONList(ids), subscription)
}

// UnmarkBehind takes the mark off deliveries, and returns how many had it. With the condition behind <> 0 Postgres finds the rows by
// their ids. With behind = 1 it could read the whole index of marked deliveries instead.
func (s Deliveries) UnmarkBehind(ctx context.Context, subscription string, ids []string) (int64, error) {
	return s.Exec(ctx, `UPDATE bus_deliveries SET behind = 0 WHERE subscription = ? AND event_id {in list} AND behind <> 0`, subscription, JSONList(ids))
}

// UnmarkNextBehind takes the mark off the first marked delivery of a key, so that polls read this delivery again.
func (s Deliveries) UnmarkNextBehind(ctx context.Context, subscription, key string) error {
	return s.run(ctx, `UPDATE bus_deliveries SET behind = 0 WHERE subscription = ? AND behind <> 0 AND event_id =
		(SELECT event_id FROM bus_deliveries WHERE subscription = ? AND key = ? AND behind = 1 ORDER BY subscription, key, seq LIMIT 1)`, subscription, subscription, key)
}

// BehindCursor is a place in the order of the deliveries that are marked behind. Its zero value comes before all of them.
type BehindCursor struct {
	subscription, key string
	number            int64
}

// NoLongerBehind reads the page of marked deliveries after a cursor. Ids lists, by subscription, the deliveries that are the first
// unfinished ones of their keys although they are marked. Blocking names the subscriptions in which a dead delivery counts as
// unfinished. More is true if there may be a next page, and next is its cursor. The next page begins with another key: the other
// deliveries of this page's last key are behind the deliveries that were read.
func (s Deliveries) NoLongerBehind(ctx context.Context, after BehindCursor, blocking []string, limit int) (ids map[string][]string, next BehindCursor, more bool, err error) {
	ids, n := make(map[string][]string), 0
	err = s.Query(ctx, func(r *sql.Rows) error {
		var id string
		var behind bool
		if err := r.Scan(&id, &next.subscription, &next.key, &next.number, &behind); err != nil {
			return err
		}
		if n++; !behind {
			ids[next.subscription] = append(ids[next.subscription], id)
		}
		return nil
	}, `SELECT d.event_id, d.subscription, d.key, d.seq, EXISTS (SELECT 1 FROM bus_deliveries m WHERE m.subscription = d.subscription
			AND m.key = d.key AND m.key <> '' AND m.seq < d.seq AND (m.state <> 'dead' OR m.subscription {in list}))
		FROM bus_deliveries d WHERE d.behind = 1 AND (d.subscription, d.key, d.seq) > (?, ?, ?)
		ORDER BY d.subscription, d.key, d.seq LIMIT ?`, JSONList(blocking), after.subscription, after.key, after.number, limit)
	next.number = math.MaxInt64
	return ids, next, n == limit, err
}
