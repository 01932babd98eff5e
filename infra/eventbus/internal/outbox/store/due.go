package store

import (
	"context"
	"database/sql"
	"math"
)

// What waits is found by three small indexes. Bus_deliveries_due has the open deliveries without key, bus_deliveries_ready
// those with a key that may be the first of it, both by the time at which they are due. A poll that finds in the second one
// a delivery whose key has an unfinished one before it sets its column behind, so that it goes over to the third index,
// bus_deliveries_behind, and is not read again. Whoever finishes a delivery looks afterwards for the next one of the key.
//
// When that process dies or stops before it has looked, the others look at all that is behind, and so does each process at
// its start. Versions before this one never look: see behindCheck.

// waiting says when the next open deliveries of a subscription are due, in milliseconds from now, and whether it has a
// delivery behind another.
type NextDue struct {
	Unkeyed, Keyed sql.NullInt64
	Behind         bool
}

// waiting tells of each subscription what waits, in one query, and whether any has a delivery behind another. The query
// steps from one subscription that has something open to the next: it costs nothing for those that have not.
//
// Each part asks for the first row in the order of all columns of its index. Only that index gives this order, so Postgres
// takes it and stops after one row, whatever it believes to know about the table. With MIN, and with statistics from before
// many deliveries were noted as behind, it read all of these at each poll.
func (s Deliveries) NextDue(ctx context.Context) (all map[string]NextDue, behind bool, err error) {
	all = make(map[string]NextDue)
	err = s.Query(ctx, func(r *sql.Rows) error {
		var name, kind string
		var wait sql.NullInt64
		if err := r.Scan(&name, &kind, &wait); err != nil {
			return err
		}
		w := all[name]
		switch kind {
		case "behind":
			w.Behind, behind = true, true
		case "free":
			w.Unkeyed = wait
		default:
			w.Keyed = wait
		}
		all[name] = w
		return nil
	}, `WITH RECURSIVE free(name) AS (
			SELECT (SELECT subscription FROM bus_deliveries WHERE state = 'pending' AND key = '' ORDER BY subscription, due_at LIMIT 1)
			UNION ALL SELECT (SELECT subscription FROM bus_deliveries WHERE state = 'pending' AND key = '' AND subscription > free.name
				ORDER BY subscription, due_at LIMIT 1)
			FROM free WHERE name IS NOT NULL
		), keyed(name) AS (
			SELECT (SELECT subscription FROM bus_deliveries WHERE state = 'pending' AND key <> '' AND behind = 0 ORDER BY subscription, due_at LIMIT 1)
			UNION ALL SELECT (SELECT subscription FROM bus_deliveries WHERE state = 'pending' AND key <> '' AND behind = 0 AND subscription > keyed.name
				ORDER BY subscription, due_at LIMIT 1)
			FROM keyed WHERE name IS NOT NULL
		), behind(name) AS (
			SELECT (SELECT subscription FROM bus_deliveries WHERE behind = 1 ORDER BY subscription, key, seq LIMIT 1)
			UNION ALL SELECT (SELECT subscription FROM bus_deliveries WHERE behind = 1 AND subscription > behind.name
				ORDER BY subscription, key, seq LIMIT 1)
			FROM behind WHERE name IS NOT NULL
		)
		SELECT name, 'free', {greatest}(0, (SELECT due_at FROM bus_deliveries WHERE subscription = name AND state = 'pending' AND key = ''
			ORDER BY subscription, due_at LIMIT 1)) - {now}
		FROM free WHERE name IS NOT NULL
		UNION ALL
		SELECT name, 'keyed', {greatest}(0, (SELECT due_at FROM bus_deliveries WHERE subscription = name AND state = 'pending' AND key <> '' AND behind = 0
			ORDER BY subscription, due_at LIMIT 1)) - {now}
		FROM keyed WHERE name IS NOT NULL
		UNION ALL
		SELECT name, 'behind', 0 FROM behind WHERE name IS NOT NULL`)
	return all, behind, err
}

// ready is an open, due delivery that may be the first unfinished one of its key.
type Candidate struct{ ID, Key string }

// ready lists the due deliveries of subscription that may be the first of their keys, at most limit, those due for longest first.
func (s Deliveries) DueKeyed(ctx context.Context, subscription string, limit int) ([]Candidate, error) {
	var out []Candidate
	err := s.Query(ctx, func(r *sql.Rows) error {
		var d Candidate
		err := r.Scan(&d.ID, &d.Key)
		out = append(out, d)
		return err
	}, `SELECT event_id, key FROM bus_deliveries WHERE subscription = ? AND state = 'pending' AND key <> '' AND behind = 0
		AND due_at <= (SELECT {now}) ORDER BY due_at LIMIT ?`, subscription, limit)
	return out, err
}

// head is the first unfinished delivery of a key.
type KeyHead struct {
	ID     string
	Key    string
	Number int64
	State  string
	Wait   int64
	Behind bool
}

// firstOf selects what of the first unfinished delivery of a key of a subscription, both of which are put in. A dead one counts
// as finished unless block. Only the index of keys gives the order, see waiting.
func firstOf(what, key string, block bool) string {
	alive := "AND m.state <> 'dead'"
	if block {
		alive = ""
	}
	return `SELECT ` + what + ` FROM bus_deliveries m WHERE m.subscription = ? AND m.key = ` + key + ` AND m.key <> '' ` + alive + `
		ORDER BY m.subscription, m.key, m.seq LIMIT 1`
}

// heads lists the first unfinished delivery of each of the keys. On both databases it steps from key to key: SQLite keeps the
// order of a CROSS JOIN, Postgres that of a LATERAL one with a LIMIT.
func (s Deliveries) KeyHeads(ctx context.Context, subscription string, keys []string, block bool) ([]KeyHead, error) {
	first, args := `CROSS JOIN LATERAL (`+firstOf("m.*", "k.value", block)+`) d`, []any{List(keys), subscription}
	if !s.Postgres {
		first = `CROSS JOIN bus_deliveries d WHERE d.event_id = (` + firstOf("m.event_id", "k.value", block) + `) AND d.subscription = ?`
		args = append(args, subscription)
	}
	var out []KeyHead
	err := s.Query(ctx, func(r *sql.Rows) error {
		var h KeyHead
		err := r.Scan(&h.ID, &h.Key, &h.Number, &h.State, &h.Wait, &h.Behind)
		out = append(out, h)
		return err
	}, `SELECT d.event_id, d.key, d.seq, d.state, {greatest}(d.due_at, 0) - {now}, d.behind = 1 FROM {each} `+first, args...)
	return out, err
}

// setBehind notes of open deliveries that they are behind the heads of their keys, and returns of how many. On Postgres the
// heads are locked meanwhile: whoever finishes one finishes it after this, and then finds what is behind it. A head that
// somebody is about to finish is passed by.
func (s Deliveries) MarkBehind(ctx context.Context, subscription string, heads, ids []string, block bool) (int64, error) {
	alive, lockHead, lock := "AND state <> 'dead'", "", ""
	if block {
		alive = ""
	}
	if s.Postgres {
		lockHead, lock = "FOR UPDATE SKIP LOCKED", "FOR UPDATE OF d SKIP LOCKED"
	}
	return s.Exec(ctx, `WITH h AS MATERIALIZED (
			SELECT key, seq FROM bus_deliveries WHERE subscription = ? AND event_id {in list} `+alive+` `+lockHead+`
		), b AS MATERIALIZED (
			SELECT d.event_id FROM bus_deliveries d CROSS JOIN h WHERE d.subscription = ? AND d.event_id {in list}
			AND d.state = 'pending' AND d.behind = 0 AND d.key = h.key AND d.seq > h.seq `+lock+`
		)
		UPDATE bus_deliveries SET behind = 1 WHERE subscription = ? AND event_id IN (SELECT event_id FROM b)`,
		subscription, List(heads), subscription, List(ids), subscription)
}

// setReady notes of open deliveries that nothing is known to be before them, and returns of how many. Here, <> 0 keeps Postgres
// from looking for them in the index of all that is behind, where it would read all of it: they are found by their ids.
func (s Deliveries) UnmarkBehind(ctx context.Context, subscription string, ids []string) (int64, error) {
	return s.Exec(ctx, `UPDATE bus_deliveries SET behind = 0 WHERE subscription = ? AND event_id {in list} AND behind <> 0`, subscription, List(ids))
}

// setNextReady has polls look at the next delivery of key that is behind, if there is one.
func (s Deliveries) UnmarkNextBehind(ctx context.Context, subscription, key string) error {
	_, err := s.Exec(ctx, `UPDATE bus_deliveries SET behind = 0 WHERE subscription = ? AND behind <> 0 AND event_id =
		(SELECT event_id FROM bus_deliveries WHERE subscription = ? AND key = ? AND behind = 1 ORDER BY subscription, key, seq LIMIT 1)`, subscription, subscription, key)
	return err
}

// place is one in the index of what is behind.
type BehindCursor struct {
	Subscription, key string
	Number            int64
}

// freed lists by subscription, from the page after a place, those deliveries that are first of their keys although they are
// noted as behind. Blocking names the subscriptions in which a dead delivery counts as unfinished. It returns the last place
// of the page, and whether there may be more. Of a key that fills the page it leaves out the rest, which is behind its first.
func (s Deliveries) NoLongerBehind(ctx context.Context, after BehindCursor, blocking []string, limit int) (ids map[string][]string, last BehindCursor, more bool, err error) {
	ids, n := make(map[string][]string), 0
	err = s.Query(ctx, func(r *sql.Rows) error {
		var id string
		var p BehindCursor
		var before bool
		if err := r.Scan(&id, &p.Subscription, &p.key, &p.Number, &before); err != nil {
			return err
		}
		if n++; !before {
			ids[p.Subscription] = append(ids[p.Subscription], id)
		}
		last = p
		return nil
	}, `SELECT d.event_id, d.subscription, d.key, d.seq, EXISTS (SELECT 1 FROM bus_deliveries m WHERE m.subscription = d.subscription
			AND m.key = d.key AND m.key <> '' AND m.seq < d.seq AND (m.state <> 'dead' OR m.subscription {in list}))
		FROM bus_deliveries d WHERE d.behind = 1 AND (d.subscription, d.key, d.seq) > (?, ?, ?)
		ORDER BY d.subscription, d.key, d.seq LIMIT ?`, List(blocking), after.Subscription, after.key, after.Number, limit)
	last.Number = math.MaxInt64
	return ids, last, n == limit, err
}
