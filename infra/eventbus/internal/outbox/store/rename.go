package store

import (
	"context"
	"fmt"
	"time"
)

// Rename moves the waiting deliveries of oldName to newName, and marks oldName as retired. Older processes may still store
// deliveries under oldName; the outbox's registry moves those later. It runs in a transaction.
func (s Subscriptions) Rename(ctx context.Context, oldName, newName string) error {
	if oldName == newName {
		return nil
	}
	if err := s.MoveDeliveries(ctx, oldName, newName); err != nil {
		return err
	}
	if err := s.run(ctx, `UPDATE bus_subscriptions SET state = 'retired', adopted_by = ?, adopted_at = {now}
		WHERE (name = ? AND (state = 'active' OR adopted_by <> ?) OR adopted_by = ?) AND name <> ?`, newName, oldName, newName, oldName, newName); err != nil {
		return err
	}
	// Deliveries to newName are stored under newName, even if an older version had stored them under another name.
	if err := s.run(ctx, `UPDATE bus_subscriptions SET state = 'active', adopted_by = '', adopted_at = 0 WHERE name = ? AND adopted_by <> ''`, newName); err != nil {
		return err
	}
	return s.Schedules().rename(ctx, oldName, newName)
}

// MoveDeliveries moves the deliveries of oldName to newName. It deletes those of events that newName has a delivery of, and
// leaves those that a process has claimed. It runs in a transaction.
func (s Subscriptions) MoveDeliveries(ctx context.Context, oldName, newName string) error {
	if oldName == newName {
		return nil // otherwise the first statement would delete every delivery as a duplicate of itself
	}
	waiting := false
	if _, err := s.QueryRow(ctx, []any{&waiting}, `SELECT `+fmt.Sprintf(waitsUnder, "?"), oldName, oldName, oldName); err != nil || !waiting {
		return err
	}
	if err := s.run(ctx, `DELETE FROM bus_deliveries WHERE subscription = ? AND event_id IN
		(SELECT event_id FROM bus_deliveries WHERE subscription = ?)`, oldName, newName); err != nil {
		return err
	}
	return s.run(ctx, `UPDATE bus_deliveries SET token = `+nextToken+`, subscription = ?, behind = 0 WHERE subscription = ? AND state <> 'running' AND NOT EXISTS
		(SELECT 1 FROM bus_deliveries o WHERE o.event_id = bus_deliveries.event_id AND o.subscription = ?)`, newName, oldName, newName)
}

// waitsUnder is the condition that a name, which is put in, has deliveries that no process has claimed. It asks each index by
// itself, since one question for all of them reads the whole table.
const waitsUnder = `(EXISTS (SELECT 1 FROM bus_deliveries WHERE subscription = %[1]s AND state = 'pending' AND key = '') OR
	EXISTS (SELECT 1 FROM bus_deliveries WHERE subscription = %[1]s AND key <> '' AND state <> 'running') OR
	EXISTS (SELECT 1 FROM bus_deliveries WHERE subscription = %[1]s AND state = 'dead'))`

// forgetAfter is how long a former name is remembered that no process uses: longer than anybody waits before rolling a rename back.
const forgetAfter = 90 * 24 * time.Hour

// forgetOldNames forgets former names that have not been in use for long and have no deliveries.
func (s Subscriptions) forgetOldNames(ctx context.Context) error {
	age := forgetAfter.Milliseconds()
	return s.run(ctx, `DELETE FROM bus_subscriptions WHERE state = 'retired' AND adopted_by <> '' AND adopted_at < {now} - ? AND seen_at < {now} - ?
		AND NOT EXISTS (SELECT 1 FROM bus_deliveries d WHERE d.subscription = bus_subscriptions.name)`, age, age)
}
