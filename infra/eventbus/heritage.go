package eventbus

import (
	"context"
	"fmt"
)

// register notes a subscription as active and moves what waits under its former names.
func (s store) register(ctx context.Context, g *Group) error {
	_, err := s.exec(ctx, `INSERT INTO bus_subscriptions (name, topic, plugin, state, created_at, seen_at) VALUES (?, ?, ?, 'active', {now}, {now})
		ON CONFLICT (name) DO UPDATE SET topic = excluded.topic, plugin = excluded.plugin, state = 'active', seen_at = excluded.seen_at`,
		g.Name, g.Topic, g.Plugin)
	if err != nil {
		return err
	}
	return s.inheritNames(ctx, g)
}

// inheritNames moves what waits under the group's former names.
func (s store) inheritNames(ctx context.Context, g *Group) error {
	for _, old := range g.Formerly {
		if err := s.rename(ctx, old, g.Name); err != nil {
			return fmt.Errorf("take over from %s: %w", old, err)
		}
	}
	return nil
}

// rename moves the deliveries of subscription from to subscription to, and forgets from. What a process is at work on
// stays with it.
func (s store) rename(ctx context.Context, from, to string) error {
	if from == to {
		return nil // what is below would take all for what to has already
	}
	if _, err := s.exec(ctx, `DELETE FROM bus_deliveries WHERE subscription = ? AND event_id IN
		(SELECT event_id FROM bus_deliveries WHERE subscription = ?)`, from, to); err != nil {
		return err
	}
	if _, err := s.exec(ctx, `UPDATE bus_deliveries SET token = token + 1, subscription = ? WHERE subscription = ? AND state <> 'running'`, to, from); err != nil {
		return err
	}
	if _, err := s.exec(ctx, `DELETE FROM bus_subscriptions WHERE name = ?`, from); err != nil {
		return err
	}
	return s.renameSchedule(ctx, from, to)
}
