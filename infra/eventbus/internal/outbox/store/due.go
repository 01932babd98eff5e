package store

import (
	"context"
	"database/sql"
)

// Polls find pending deliveries by three small indexes. bus_deliveries_due has the deliveries without key, ordered by the time
// at which they are due. bus_deliveries_ready has, in the same order, the deliveries with a key that may be the first unfinished
// ones of their keys. When a poll finds there a delivery whose key has an earlier unfinished delivery, it marks the delivery as
// behind: it sets the column behind. The delivery then moves to the third index, bus_deliveries_behind, and polls do not read it
// again. The process that finishes the earlier delivery looks afterwards for the next delivery of the key.
//
// A process can die or stop before it has looked. The other processes then look at all deliveries that are marked behind, and each
// process does so at its start. Versions before this column never look: see the outbox's behindCheck.

// NextDue says in how many milliseconds the next pending deliveries of a subscription are due: the next one without key, and the next
// one with a key that is not marked behind. Behind is true if the subscription has a delivery that is marked behind.
type NextDue struct {
	Unkeyed, Keyed sql.NullInt64
	Behind         bool
}

const (
	pendingUnkeyed = `state = 'pending' AND key = ''`
	pendingKeyed   = `state = 'pending' AND key <> '' AND behind = 0`
)

// subscriptionsWith returns a table of the subscriptions that have a delivery for which condition is true. The recursive query
// jumps through the index with the given order from one subscription to the next, and reads one row for each. A DISTINCT would
// read all rows.
func subscriptionsWith(table, condition, order string) string {
	first := `(SELECT subscription FROM bus_deliveries WHERE ` + condition
	rest := ` ORDER BY ` + order + ` LIMIT 1)`
	return table + `(name) AS (SELECT ` + first + rest + ` UNION ALL SELECT ` + first + ` AND subscription > ` + table + `.name` + rest +
		` FROM ` + table + ` WHERE name IS NOT NULL)`
}

// firstDue selects, for each subscription of a table, in how many milliseconds its first delivery is due.
func firstDue(table, condition string) string {
	return `SELECT name, '` + table + `', {greatest}(0, (SELECT due_at FROM bus_deliveries WHERE subscription = name AND ` + condition + `
		ORDER BY subscription, due_at LIMIT 1)) - {now} FROM ` + table + ` WHERE name IS NOT NULL`
}

// nextDue is the statement of NextDue. Each of its parts asks for the first row in the order of all columns of one index. Only
// this index has the order, so Postgres always uses it and stops after one row. With MIN instead, Postgres chose by its statistics:
// when they were older than the marks of many deliveries, each poll read all of these deliveries.
var nextDue = `WITH RECURSIVE ` + subscriptionsWith("unkeyed", pendingUnkeyed, "subscription, due_at") + `,
	` + subscriptionsWith("keyed", pendingKeyed, "subscription, due_at") + `,
	` + subscriptionsWith("behind", "behind = 1", "subscription, key, seq") + `
	` + firstDue("unkeyed", pendingUnkeyed) + ` UNION ALL ` + firstDue("keyed", pendingKeyed) + `
	UNION ALL SELECT name, 'behind', 0 FROM behind WHERE name IS NOT NULL`

// NextDue returns, in one query, the NextDue of each subscription that has pending deliveries. Behind is true if any subscription
// has a delivery that is marked behind. The query reads nothing for subscriptions without pending deliveries.
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
		case "unkeyed":
			next.Unkeyed = wait
		default:
			next.Keyed = wait
		}
		all[name] = next
		return nil
	}, nextDue)
	return all, behind, err
}

// DueUnkeyed lists at most limit due deliveries of a subscription that have no key, and begins with the delivery that was due first.
// It sets only the field ID.
func (s Deliveries) DueUnkeyed(ctx context.Context, subscription string, limit int) ([]KeyHead, error) {
	return List(ctx, s.Store, func(h *KeyHead) []any { return []any{&h.ID} },
		`SELECT event_id FROM bus_deliveries WHERE subscription = ? AND state = 'pending' AND key = '' AND due_at <= (SELECT {now})
			ORDER BY due_at LIMIT ?`, subscription, limit)
}

// Candidate is a due delivery that may be the first unfinished one of its key.
type Candidate struct{ ID, Key string }

// DueKeyed lists at most limit due deliveries of a subscription that have a key and are not marked behind, and begins with the
// delivery that was due first.
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
	// Wait is the number of milliseconds until the delivery is due. 0 or less means that it is due now.
	Wait int64
	// Behind is true if the delivery is marked behind although it is the first.
	Behind bool
}

// firstOf returns a query for columns of the first unfinished delivery of a key of a subscription. Key is an SQL expression, and the
// subscription is a parameter. A dead delivery counts as finished, unless block is set. The query is ordered by all columns of the
// index of keys, so that Postgres uses this index; see nextDue.
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

// KeyHeads lists the first unfinished delivery of each of the keys. The join makes both databases take one key after the other and
// look its delivery up in the index: SQLite never changes the order of a CROSS JOIN, and Postgres never changes the order of
// a LATERAL join with a LIMIT.
func (s Deliveries) KeyHeads(ctx context.Context, subscription string, keys []string, block bool) ([]KeyHead, error) {
	first, args := `CROSS JOIN LATERAL (`+firstOf("m.*", "k.value", block)+`) d`, []any{JSONList(keys), subscription}
	if !s.Postgres {
		first = `CROSS JOIN bus_deliveries d WHERE d.event_id = (` + firstOf("m.event_id", "k.value", block) + `) AND d.subscription = ?`
		args = append(args, subscription)
	}
	return List(ctx, s.Store, func(h *KeyHead) []any { return []any{&h.ID, &h.Key, &h.Number, &h.State, &h.Wait, &h.Behind} },
		`SELECT d.event_id, d.key, d.seq, d.state, {greatest}(d.due_at, 0) - {now}, d.behind = 1 FROM {each} `+first, args...)
}
