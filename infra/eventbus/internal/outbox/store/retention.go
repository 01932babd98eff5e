package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"
)

// Retention has the statements that delete finished events.
type Retention struct{ Store }

// EventsBefore lists the ids of the next limit events after the event after, if they were published before cutoff. Finished lists
// the ids among them without a stored delivery. An id begins with the time at which its event was published, so the ids alone tell
// which events are old.
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

// DeleteEvents deletes the events that have no stored delivery any more.
func (s Retention) DeleteEvents(ctx context.Context, ids []string) error {
	return s.run(ctx, `DELETE FROM bus_events WHERE id {in list} AND NOT EXISTS
		(SELECT 1 FROM bus_deliveries d WHERE d.event_id = bus_events.id)`, JSONList(ids))
}

// UnusedSequences reads the next limit sequences after the sequence after. Unused lists the sequences that nobody has used since
// cutoff, in the order of Compare. Last is the last sequence that was read. More is true if there may be others behind it.
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
	slices.SortFunc(unused, Sequence.Compare) // the database may order topics by another collation
	return unused, last, n == limit, err
}

// DeleteSequences deletes the sequences of the given keys of a topic, unless somebody has used them since cutoff, or deliveries of
// the key are stored (dead deliveries count too). If a publisher is using a sequence, the statement does not delete it: on Postgres
// it skips locked rows. If a publisher comes after the delete, it starts a new sequence.
func (s Retention) DeleteSequences(ctx context.Context, topic string, keys []string, cutoff time.Time) error {
	return s.run(ctx, `WITH unused AS MATERIALIZED (SELECT key FROM bus_sequences WHERE topic = ? AND key {in list} AND used_at < ? {lock free})
		DELETE FROM bus_sequences WHERE topic = ? AND key IN (SELECT key FROM unused) AND NOT EXISTS
		(SELECT 1 FROM bus_subscriptions s JOIN bus_deliveries d ON d.subscription = s.name
			WHERE s.topic = bus_sequences.topic AND d.key = bus_sequences.key AND d.key <> '')`,
		topic, JSONList(keys), cutoff.UnixMilli(), topic)
}
