package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"
)

// now returns the database's time. What is compared with times in the tables is counted from it: the clock of one process may
// be days off.
func (s Retention) Now(ctx context.Context) (time.Time, error) {
	var ms int64
	err := s.Query(ctx, func(r *sql.Rows) error { return r.Scan(&ms) }, `SELECT {now}`)
	return time.UnixMilli(ms), err
}

// Retention has the statements that delete what is finished.
type Retention struct{ Store }

// eventsBefore lists the next limit events after one that were published before cutoff, and those of them that have no
// deliveries left. The ids begin with their time.
func (s Retention) EventsBefore(ctx context.Context, cutoff time.Time, after string, limit int) (page, finished []string, err error) {
	before := fmt.Sprintf("%012x", max(0, cutoff.UnixMilli()))
	before = before[:8] + "-" + before[8:]
	err = s.Query(ctx, func(r *sql.Rows) error {
		var id string
		var left bool
		err := r.Scan(&id, &left)
		page = append(page, id)
		if !left {
			finished = append(finished, id)
		}
		return err
	}, `SELECT id, EXISTS (SELECT 1 FROM bus_deliveries d WHERE d.event_id = e.id) FROM bus_events e WHERE id > ? AND id < ? ORDER BY id LIMIT ?`,
		after, before, limit)
	return page, finished, err
}

// prune deletes those of the events that have no deliveries left.
func (s Retention) DeleteEvents(ctx context.Context, ids []string) error {
	_, err := s.Exec(ctx, `DELETE FROM bus_events WHERE id {in list} AND NOT EXISTS
		(SELECT 1 FROM bus_deliveries d WHERE d.event_id = bus_events.id)`, List(ids))
	return err
}

// unusedSequences reads the limit sequences after one, and lists those that were not used since cutoff, sorted. It returns the last it read, and whether there may be more.
func (s Retention) UnusedSequences(ctx context.Context, after Sequence, cutoff time.Time, limit int) (unused []Sequence, last Sequence, more bool, err error) {
	n := 0
	err = s.Query(ctx, func(r *sql.Rows) error {
		var at int64
		if err := r.Scan(&last.Topic, &last.Key, &at); err != nil {
			return err
		}
		if n++; at < cutoff.UnixMilli() {
			unused = append(unused, last)
		}
		return nil
	}, `SELECT topic, key, used_at FROM bus_sequences WHERE (topic, key) > (?, ?) ORDER BY topic, key LIMIT ?`, after.Topic, after.Key, limit)
	slices.SortFunc(unused, Sequence.Compare) // the database's order of topics is another one, if its collation is
	return unused, last, n == limit, err
}

// pruneSequences deletes those sequences of a topic that were not used since cutoff and have no deliveries left, dead ones
// included. Whoever takes a number from one at the same time comes before, and it stays, or after, and begins anew.
func (s Retention) DeleteSequences(ctx context.Context, topic string, keys []string, cutoff time.Time) error {
	found, lock := "", ""
	if s.Postgres { // what a publisher has locked is in use
		found, lock = "MATERIALIZED", "FOR UPDATE SKIP LOCKED"
	}
	_, err := s.Exec(ctx, `WITH unused AS `+found+` (SELECT key FROM bus_sequences WHERE topic = ? AND key {in list} AND used_at < ? `+lock+`)
		DELETE FROM bus_sequences WHERE topic = ? AND key IN (SELECT key FROM unused) AND NOT EXISTS
		(SELECT 1 FROM bus_subscriptions s JOIN bus_deliveries d ON d.subscription = s.name
			WHERE s.topic = bus_sequences.topic AND d.key = bus_sequences.key AND d.key <> '')`,
		topic, List(keys), cutoff.UnixMilli(), topic)
	return err
}
