package store

import (
	"context"

	"github.com/google/uuid"
)

// Operations has the statements of operators.
type Operations struct{ Store }

// ifDead selects a delivery by its id if its state is 'dead'. It does not say state = 'dead': then Postgres could choose the index of
// all dead deliveries, and read that to its end.
const ifDead = ` WHERE event_id = ? AND subscription = ? AND state NOT IN ('pending', 'running')`

// Replay makes a dead delivery pending again, with fresh attempts, and reports whether it was dead.
func (s Operations) Replay(ctx context.Context, id, subscription string) (bool, error) {
	return s.runOne(ctx, `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = 0, ends = 0, alone = 0, due_at = {now}, token = `+nextToken+`,
		parked_at = 0`+ifDead, id, subscription)
}

// DiscardDead deletes a dead delivery, and reports whether it found one.
func (s Operations) DiscardDead(ctx context.Context, id, subscription string) (bool, error) {
	return s.runOne(ctx, `DELETE FROM bus_deliveries`+ifDead, id, subscription)
}

// DiscardPending deletes a pending delivery, and reports whether it found one.
func (s Operations) DiscardPending(ctx context.Context, id, subscription string) (bool, error) {
	return s.runOne(ctx, `DELETE FROM bus_deliveries WHERE event_id = ? AND subscription = ? AND state = 'pending'`, id, subscription)
}

// LastDeath returns the later of two times, in Unix milliseconds: the database's time, and the latest death of a delivery. The death
// is the later one when the clock was set back since.
func (s Operations) LastDeath(ctx context.Context) (at int64, err error) {
	_, err = s.QueryRow(ctx, []any{&at},
		`SELECT MAX(t) FROM (SELECT {now} AS t UNION ALL SELECT MAX(failed_at) FROM bus_deliveries WHERE state = 'dead') died`)
	return at, err
}

// Retire marks a subscription as retired, and deletes its schedule if it has one.
func (s Operations) Retire(ctx context.Context, storedAs string) error {
	if err := s.run(ctx, `UPDATE bus_subscriptions SET state = 'retired' WHERE name = ?`, storedAs); err != nil {
		return err
	}
	return s.Schedules().Delete(ctx, storedAs)
}

// AddRetired adds a retired row for a name that so far occurs only in deliveries.
func (s Operations) AddRetired(ctx context.Context, name, topic string) error {
	return s.run(ctx, `INSERT INTO bus_subscriptions (name, topic, plugin, state, created_at, seen_at)
		VALUES (?, ?, '', 'retired', {now}, 0) ON CONFLICT (name) DO NOTHING`, name, topic)
}

// Record stores an operator's action.
func (s Operations) Record(ctx context.Context, action, actor, event, subscription, detail string) error {
	return s.run(ctx, `INSERT INTO bus_actions (id, at, action, actor, event_id, subscription, detail) VALUES (?, {now}, ?, ?, ?, ?, ?)`,
		uuid.Must(uuid.NewV7()).String(), action, actor, event, subscription, detail)
}
