package store

import (
	"context"

	"github.com/google/uuid"
)

// Operations has the statements of operators.
type Operations struct{ Store }

// notOpen is that state is 'dead', in a form in which Postgres does not look for one delivery in the index of all dead ones,
// which it may read to the end.
const notOpen = ` WHERE event_id = ? AND subscription = ? AND state NOT IN ('pending', 'running')`

// Replay makes a dead delivery pending again, with fresh attempts, and reports whether it was dead.
func (s Operations) Replay(ctx context.Context, id, subscription string) (bool, error) {
	return s.runOne(ctx, `UPDATE bus_deliveries SET state = 'pending', owner = '', attempts = 0, ends = 0, alone = 0, due_at = {now}, token = `+nextToken+`,
		parked_at = 0`+notOpen, id, subscription)
}

// DiscardDead deletes a dead delivery, and reports whether there was one.
func (s Operations) DiscardDead(ctx context.Context, id, subscription string) (bool, error) {
	return s.runOne(ctx, `DELETE FROM bus_deliveries`+notOpen, id, subscription)
}

// DiscardPending deletes a pending delivery, and reports whether there was one.
func (s Operations) DiscardPending(ctx context.Context, id, subscription string) (bool, error) {
	return s.runOne(ctx, `DELETE FROM bus_deliveries WHERE event_id = ? AND subscription = ? AND state = 'pending'`, id, subscription)
}

// LastDeath returns, in Unix milliseconds, the later of now and of the latest death of a delivery. That can be later than now
// when the clock was set back.
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

// AddRetired gives a name that only deliveries have a row of its own.
func (s Operations) AddRetired(ctx context.Context, name, topic string) error {
	return s.run(ctx, `INSERT INTO bus_subscriptions (name, topic, plugin, state, created_at, seen_at)
		VALUES (?, ?, '', 'retired', {now}, 0) ON CONFLICT (name) DO NOTHING`, name, topic)
}

// Record notes what an operator did.
func (s Operations) Record(ctx context.Context, action, actor, event, subscription, detail string) error {
	return s.run(ctx, `INSERT INTO bus_actions (id, at, action, actor, event_id, subscription, detail) VALUES (?, {now}, ?, ?, ?, ?, ?)`,
		uuid.Must(uuid.NewV7()).String(), action, actor, event, subscription, detail)
}
