package store

import (
	"context"
	"database/sql"
)

// Waiting deliveries are found by three small indexes. bus_deliveries_due has the pending deliveries without key,
// bus_deliveries_ready those with a key that may be the first of it, both by the time at which they are due. When a poll finds
// in the second one a delivery whose key has an unfinished one before it, it sets the column behind. The delivery then moves to
// the third index, bus_deliveries_behind, and polls do not read it again. Whoever finishes a delivery looks afterwards for the
// next one of the key.
//
// When that process dies or stops before it has looked, the others look at all deliveries that are marked behind, and so does
// each process at its start. Older versions never look: see the outbox's behindCheck.

// NextDue says when the next pending deliveries of a subscription are due, in milliseconds from now, and whether it has a
// delivery that is marked behind.
type NextDue struct {
	Unkeyed, Keyed sql.NullInt64
	Behind         bool
}

const (
	pendingUnkeyed = `state = 'pending' AND key = ''`
	pendingKeyed   = `state = 'pending' AND key <> '' AND behind = 0`
)

// subscriptionsWith is a table of the subscriptions that have deliveries under a condition. It steps from one subscription to
// the next in the order of an index.
func subscriptionsWith(table, condition, order string) string {
	first := `(SELECT subscription FROM bus_deliveries WHERE ` + condition
	rest := ` ORDER BY ` + order + ` LIMIT 1)`
	return table + `(name) AS (SELECT ` + first + rest + ` UNION ALL SELECT ` + first + ` AND subscription > ` + table + `.name` + rest +
		` FROM ` + table + ` WHERE name IS NOT NULL)`
}

// firstDue selects when the first delivery of each subscription of a table is due.
func firstDue(table, condition string) string {
	return `SELECT name, '` + table + `', {greatest}(0, (SELECT due_at FROM bus_deliveries WHERE subscription = name AND ` + condition + `
		ORDER BY subscription, due_at LIMIT 1)) - {now} FROM ` + table + ` WHERE name IS NOT NULL`
}

// nextDue asks in each part for the first row in the order of all columns of an index. Only that index gives this order, so
// Postgres takes it and stops after one row, whatever its statistics say. With MIN, and with statistics from before many
// deliveries were marked behind, it read all of these at each poll.
var nextDue = `WITH RECURSIVE ` + subscriptionsWith("free", pendingUnkeyed, "subscription, due_at") + `,
	` + subscriptionsWith("keyed", pendingKeyed, "subscription, due_at") + `,
	` + subscriptionsWith("behind", "behind = 1", "subscription, key, seq") + `
	` + firstDue("free", pendingUnkeyed) + ` UNION ALL ` + firstDue("keyed", pendingKeyed) + `
	UNION ALL SELECT name, 'behind', 0 FROM behind WHERE name IS NOT NULL`

// NextDue says of each subscription that has pending deliveries when the next are due, in one query, and whether any
// subscription has a delivery that is marked behind. It costs nothing for subscriptions without pending deliveries.
func (s Deliveries) NextDue(ctx context.Context) (all map[string]NextDue, behind bool, err error) {
	all = make(map[string]NextDue)
	err = s.Query(ctx, func(r *sql.Rows) error {
		var name, table string
		var wait sql.NullInt64
		if err := r.Scan(&name, &table, &wait); err != nil {
			return err
		}
		next := all[name]
		switch table {
		case "behind":
			next.Behind, behind = true, true
		case "free":
			next.Unkeyed = wait
		default:
			next.Keyed = wait
		}
		all[name] = next
		return nil
	}, nextDue)
	return all, behind, err
}

// DueUnkeyed lists due deliveries of a subscription that have no key, at most limit, those due for longest first. Only their
// ids are set.
func (s Deliveries) DueUnkeyed(ctx context.Context, subscription string, limit int) ([]KeyHead, error) {
	return List(ctx, s.Store, func(h *KeyHead) []any { return []any{&h.ID} },
		`SELECT event_id FROM bus_deliveries WHERE subscription = ? AND state = 'pending' AND key = '' AND due_at <= (SELECT {now})
			ORDER BY due_at LIMIT ?`, subscription, limit)
}

// Candidate is a due delivery that may be the first unfinished one of its key.
type Candidate struct{ ID, Key string }

// DueKeyed lists due deliveries of a subscription that may be the first of their keys, at most limit, those due for longest
// first.
func (s Deliveries) DueKeyed(ctx context.Context, subscription string, limit int) ([]Candidate, error) {
	return List(ctx, s.Store, func(c *Candidate) []any { return []any{&c.ID, &c.Key} },
		`SELECT event_id, key FROM bus_deliveries WHERE subscription = ? AND state = 'pending' AND key <> '' AND behind = 0
			AND due_at <= (SELECT {now}) ORDER BY due_at LIMIT ?`, subscription, limit)
}

// KeyHead is the first unfinished delivery of a key.
type KeyHead struct {
	ID, Key string
	Number  int64
	// State is "pending", "running" or, in a blocking subscription, "dead".
	State string
	// Wait is in how many milliseconds it is due; not above 0 when it is due.
	Wait int64
	// Behind tells that it is marked behind although it is the first.
	Behind bool
}

// firstOf selects columns of the first unfinished delivery of a key of a subscription; both are put in. A dead delivery counts
// as finished unless block is set. Only the index of keys gives the order, as for nextDue.
func firstOf(columns, key string, block bool) string {
	return `SELECT ` + columns + ` FROM bus_deliveries m WHERE m.subscription = ? AND m.key = ` + key + ` AND m.key <> '' ` + unfinished("m.state", block) + `
		ORDER BY m.subscription, m.key, m.seq LIMIT 1`
}

func unfinished(state string, block bool) string {
	if block {
		return ""
	}
	return "AND " + state + " <> 'dead'"
}

// KeyHeads lists the first unfinished delivery of each of the keys. On both databases it steps from key to key: SQLite keeps the
// order of a CROSS JOIN, Postgres that of a LATERAL one with a LIMIT.
func (s Deliveries) KeyHeads(ctx context.Context, subscription string, keys []string, block bool) ([]KeyHead, error) {
	first, args := `CROSS JOIN LATERAL (`+firstOf("m.*", "k.value", block)+`) d`, []any{JSONList(keys), subscription}
	if !s.Postgres {
		first = `CROSS JOIN bus_deliveries d WHERE d.event_id = (` + firstOf("m.event_id", "k.value", block) + `) AND d.subscription = ?`
		args = append(args, subscription)
	}
	return List(ctx, s.Store, func(h *KeyHead) []any { return []any{&h.ID, &h.Key, &h.Number, &h.State, &h.Wait, &h.Behind} },
		`SELECT d.event_id, d.key, d.seq, d.state, {greatest}(d.due_at, 0) - {now}, d.behind = 1 FROM {each} `+first, args...)
}
