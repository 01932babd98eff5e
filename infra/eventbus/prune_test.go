package eventbus_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// After the retention, the sequence of a key is deleted, unless deliveries of the key are stored. The next event starts a new sequence,
// and the order of the key holds.
func TestUnusedSequencesAreDeleted(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		handled := &seen[int64]{}
		plugin := func(b *app.Boot) {
			b.Publishes(Made{})
			b.Subscribe(app.On(func(_ context.Context, e Made) error {
				if e.Group == "dead" {
					return app.Permanent(errors.New("never"))
				}
				handled.add(e.ID)
				return nil
			}))
		}
		first := start(t, at, settings(), plugin)
		first.publish(Made{Group: "a", ID: 1})
		first.publish(Made{Group: "a", ID: 2})
		first.publish(Made{Group: "dead", ID: 1})
		first.idle()
		first.stop()
		require.NoError(t, first.db.Close(t.Context()))

		cfg := settings()
		cfg.Retention = time.Nanosecond
		second := start(t, at, cfg, plugin)
		keys := func() (all []string) {
			rows, err := second.db.QueryContext(t.Context(), "SELECT key FROM bus_sequences ORDER BY key")
			require.NoError(t, err)
			defer func() { _ = rows.Close() }()
			for rows.Next() {
				var key string
				require.NoError(t, rows.Scan(&key))
				all = append(all, key)
			}
			return all
		}
		require.Eventually(t, func() bool { return len(keys()) == 1 }, 20*time.Second, 5*time.Millisecond)
		require.Equal(t, []string{"dead"}, keys())
		for n := range int64(8) {
			if n == 4 { // delete the sequence while the process remembers the key
				_, err := second.db.ExecContext(t.Context(), "DELETE FROM bus_sequences WHERE key = 'a'")
				require.NoError(t, err)
			}
			second.publish(Made{Group: "a", ID: 3 + n})
			if n == 3 {
				second.idle()
			}
		}
		second.idle()
		require.Equal(t, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, handled.all())
	})
}

// A process remembers the last number of a key. When a new sequence begins, the process must not take its numbers for the successors of
// this number. Otherwise it would begin in the middle when another process has the first events of the new sequence.
func TestANewSequenceDoesNotContinueTheOldOne(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var handled seen[int64]
		var hold atomic.Pointer[chan struct{}]
		plugin := func(b *app.Boot) {
			b.Publishes(Made{})
			b.Subscribe(app.On(func(_ context.Context, e Made) error {
				if wait := hold.Load(); wait != nil && e.ID == 4 {
					<-*wait
				}
				handled.add(e.ID)
				return nil
			}))
		}
		here := start(t, at, settings(), plugin)
		there := here
		if at.name == "postgres" {
			there = start(t, at, settings(), plugin)
		}
		publish := func(r *rig, ids ...int64) {
			require.NoError(t, r.db.InTx(t.Context(), func(ctx context.Context) (err error) {
				for _, id := range ids {
					err = errors.Join(err, r.bus.For("p0").Publish(ctx, Made{Group: "k", ID: id}))
				}
				return err
			}))
		}
		publish(here, 1, 2, 3)
		here.idle()
		_, err := here.db.ExecContext(t.Context(), "DELETE FROM bus_sequences") // as the janitor does after the retention
		require.NoError(t, err)
		wait := make(chan struct{})
		hold.Store(&wait)
		publish(there, 4, 5, 6)
		publish(here, 7, 8)
		require.Equal(t, []int64{1, 2, 3}, handled.all())
		close(wait)
		here.idle()
		there.idle()
		require.Equal(t, []int64{1, 2, 3, 4, 5, 6, 7, 8}, handled.all())

		_, err = here.db.ExecContext(t.Context(), "DELETE FROM bus_sequences")
		require.NoError(t, err)
		publish(here, 9, 10)
		here.idle()
		require.Equal(t, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, handled.all())
	})
}

// The janitor needs a while to delete many finished events. Meanwhile due events are delivered. The janitor keeps old events that have a
// delivery.
func TestDueEventsAreDeliveredDuringALongDeletion(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		const old, kept = 20_000, 1_500
		first := start(t, at, settings(), publishes(Note{}))
		id := "printf('00000000-0000-7000-8000-%012d', i)"
		if at.name == "postgres" {
			id = "'00000000-0000-7000-8000-' || lpad(i::text, 12, '0')"
		}
		numbers := func(n int) string {
			return fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) ", n)
		}
		for _, fill := range []string{
			numbers(old) + `INSERT INTO bus_events (id, topic, key, seq, emitter, parent, request_id, trace, headers, payload, published_at)
				SELECT ` + id + `, 'note.taken', '', 0, 'p0', '', '', '', '', '{"id":1}', 0 FROM n`,
			numbers(kept) + `INSERT INTO bus_deliveries (event_id, subscription, key, seq, state, owner, token, attempts, due_at, claimed_at)
				SELECT ` + id + `, 'gone', '', 0, 'pending', '', 0, 0, 0, 0 FROM n`,
		} {
			_, err := first.db.ExecContext(t.Context(), fill)
			require.NoError(t, err)
		}
		leave(t, first)

		left := func(r *rig) int64 {
			return number(t, r.db, "SELECT COUNT(*) FROM bus_events WHERE published_at = 0")
		}
		handled := make(chan struct{})
		r := start(t, at, settings(), publishes(Note{}), subscribes(app.On(func(context.Context, Note) error { close(handled); return nil })))
		r.publish(Note{ID: 1}, app.Delay(10*time.Millisecond))
		receive(t, handled)
		require.Greater(t, left(r), int64(kept))
		require.Eventually(t, func() bool { return left(r) == kept }, 60*time.Second, 50*time.Millisecond)
	})
}
