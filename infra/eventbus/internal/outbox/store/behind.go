package store

import (
	"context"
	"database/sql"
	"math"
)

// MarkBehind marks those of the pending deliveries ids that are behind the heads of their keys, and returns how many it marked.
// On Postgres it locks the heads meanwhile. So whoever finishes one of them does so afterwards, and then finds the marked
// deliveries. It leaves out a head that somebody is about to finish. It runs in a transaction.
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

// UnmarkBehind takes the mark off deliveries, and returns of how many. The condition <> 0 keeps Postgres from looking for them in
// the index of all marked deliveries, which it would read whole: it finds them by their ids.
func (s Deliveries) UnmarkBehind(ctx context.Context, subscription string, ids []string) (int64, error) {
	return s.Exec(ctx, `UPDATE bus_deliveries SET behind = 0 WHERE subscription = ? AND event_id {in list} AND behind <> 0`, subscription, JSONList(ids))
}

// UnmarkNextBehind takes the mark off the first delivery of a key that has it, so that polls look at it.
func (s Deliveries) UnmarkNextBehind(ctx context.Context, subscription, key string) error {
	return s.run(ctx, `UPDATE bus_deliveries SET behind = 0 WHERE subscription = ? AND behind <> 0 AND event_id =
		(SELECT event_id FROM bus_deliveries WHERE subscription = ? AND key = ? AND behind = 1 ORDER BY subscription, key, seq LIMIT 1)`, subscription, subscription, key)
}

// BehindCursor is a place in the order of the deliveries that are marked behind. Its zero value comes before all of them.
type BehindCursor struct {
	subscription, key string
	number            int64
}

// NoLongerBehind reads the page of marked deliveries after a cursor. It lists, by subscription, the ids of those that are first
// of their keys although they are marked. Blocking names the subscriptions in which a dead delivery counts as unfinished. It
// returns the cursor for the next page, and whether there may be one. That begins after the last key of this page, whose other
// deliveries are behind those of this page.
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
