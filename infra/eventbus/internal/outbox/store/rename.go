package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// rename moves the pending deliveries of name from to name to and marks from as retired. Processes that do not know of it yet may
// still store deliveries under from; the registry moves those later.
func (s Subscriptions) Rename(ctx context.Context, from, to string) error {
	if from == to {
		return nil
	}
	if err := s.MoveDeliveries(ctx, from, to); err != nil {
		return err
	}
	if _, err := s.Exec(ctx, `UPDATE bus_subscriptions SET state = 'retired', adopted_by = ?, adopted_at = {now}
		WHERE (name = ? AND (state = 'active' OR adopted_by <> ?) OR adopted_by = ?) AND name <> ?`, to, from, to, from, to); err != nil {
		return err
	}
	// To stands for itself, also where a version before this one had it stand for another.
	if _, err := s.Exec(ctx, `UPDATE bus_subscriptions SET state = 'active', adopted_by = '', adopted_at = 0 WHERE name = ? AND adopted_by <> ''`, to); err != nil {
		return err
	}
	return Schedules{s.Store}.renameSchedule(ctx, from, to)
}

// moveDeliveries moves the deliveries of subscription from to subscription to, in the transaction of ctx. Those of events that to has
// a delivery of are deleted. Those that a process is at work on stay.
func (s Subscriptions) MoveDeliveries(ctx context.Context, from, to string) error {
	if from == to {
		return nil // otherwise the first statement would delete every delivery as a duplicate of itself
	}
	waits, err := s.waits(ctx, from)
	if err != nil || !waits {
		return err
	}
	if _, err := s.Exec(ctx, `DELETE FROM bus_deliveries WHERE subscription = ? AND event_id IN
		(SELECT event_id FROM bus_deliveries WHERE subscription = ?)`, from, to); err != nil {
		return err
	}
	_, err = s.Exec(ctx, `UPDATE bus_deliveries SET token = `+nextToken+`, subscription = ?, behind = 0 WHERE subscription = ? AND state <> 'running' AND NOT EXISTS
		(SELECT 1 FROM bus_deliveries o WHERE o.event_id = bus_deliveries.event_id AND o.subscription = ?)`, to, from, to)
	return err
}

// waitsUnder is the condition that deliveries under a name, which is put in, wait that no process is at work on. It asks each
// index by itself: one question for all of them reads the whole table.
const waitsUnder = `(EXISTS (SELECT 1 FROM bus_deliveries WHERE subscription = %[1]s AND state = 'pending' AND key = '') OR
	EXISTS (SELECT 1 FROM bus_deliveries WHERE subscription = %[1]s AND key <> '' AND state <> 'running') OR
	EXISTS (SELECT 1 FROM bus_deliveries WHERE subscription = %[1]s AND state = 'dead'))`

func (s Subscriptions) waits(ctx context.Context, name string) (found bool, err error) {
	err = s.Query(ctx, func(r *sql.Rows) error { return r.Scan(&found) }, `SELECT `+fmt.Sprintf(waitsUnder, "?"), name, name, name)
	return found, err
}

// forgetAfter is how long a name that stands for another, and that no process had since, is remembered: longer than anybody
// waits with the rollback of a rename.
const forgetAfter = 90 * 24 * time.Hour

// forget forgets the names that stand for others and have not been in use for long.
func (s Subscriptions) forget(ctx context.Context) error {
	age := forgetAfter.Milliseconds()
	_, err := s.Exec(ctx, `DELETE FROM bus_subscriptions WHERE state = 'retired' AND adopted_by <> '' AND adopted_at < {now} - ? AND seen_at < {now} - ?
		AND NOT EXISTS (SELECT 1 FROM bus_deliveries d WHERE d.subscription = bus_subscriptions.name)`, age, age)
	return err
}
