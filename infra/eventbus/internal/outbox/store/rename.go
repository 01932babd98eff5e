package store

import (
	"context"
	"fmt"
	"time"
)

// Rename moves the waiting deliveries of oldName to newName, and marks oldName, and every name whose deliveries were stored under
// oldName, as other names of newName. Older processes may still store deliveries under oldName; the outbox's registry moves these
// later. Rename runs in a transaction.
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
	// From now on deliveries to newName are stored under newName, even if an older version stored them under another name.
	if err := s.run(ctx, `UPDATE bus_subscriptions SET state = 'active', adopted_by = '', adopted_at = 0 WHERE name = ? AND adopted_by <> ''`, newName); err != nil {
		return err
	}
	return s.Schedules().rename(ctx, oldName, newName)
}

// MoveDeliveries moves the deliveries of oldName to newName. First it deletes each delivery of oldName whose event newName has a
// delivery of too, even if a process has claimed the deleted one. Then it moves the deliveries that no process has claimed. The claimed
// ones stay. MoveDeliveries runs in a transaction.
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

// waitsUnder is true if deliveries that no process has claimed are stored under a name. %[1]s is an SQL expression for the name. Each
// part reads one index; a single EXISTS for all states would read the whole table.
const waitsUnder = `(EXISTS (SELECT 1 FROM bus_deliveries WHERE subscription = %[1]s AND state = 'pending' AND key = '') OR
	EXISTS (SELECT 1 FROM bus_deliveries WHERE subscription = %[1]s AND key <> '' AND state <> 'running') OR
	EXISTS (SELECT 1 FROM bus_deliveries WHERE subscription = %[1]s AND state = 'dead'))`

// forgetAfter is how long the database keeps a former name that no process uses. Nobody rolls a rename back after such a time.
const forgetAfter = 90 * 24 * time.Hour

// forgetOldNames deletes former names that no process has used for forgetAfter, if no deliveries are stored under them.
func (s Subscriptions) forgetOldNames(ctx context.Context) error {
	age := forgetAfter.Milliseconds()
	return s.run(ctx, `DELETE FROM bus_subscriptions WHERE state = 'retired' AND adopted_by <> '' AND adopted_at < {now} - ? AND seen_at < {now} - ?
		AND NOT EXISTS (SELECT 1 FROM bus_deliveries d WHERE d.subscription = bus_subscriptions.name)`, age, age)
}
