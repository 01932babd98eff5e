package eventbus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest/pgrelay"
	"plugboard/infra/database"
	"plugboard/infra/eventbus/admin"
	"plugboard/infra/eventbus/internal/message"
)

// Each poll sent two statements for each subscription, and each replica tried the lock of each other replica. So the statements of an
// idle service grew with the number of subscriptions, and with the square of the number of replicas.
func TestAnIdleServiceSendsFewStatements(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	few := idleStatements(t, 2, 1)
	require.Less(t, idleStatements(t, 60, 1), 2*few, "60 subscriptions against 2")
	require.Less(t, idleStatements(t, 2, 6), 2*few, "each of 6 replicas against one")
}

// idleStatements starts replicas with subscriptions, and returns how many round trips the first replica makes for each of its ticks while
// no event is published.
func idleStatements(t *testing.T, subscriptions, replicas int) float64 {
	t.Helper()
	at := newSchema(t)
	cfg := settings()
	cfg.Poll = 50 * time.Millisecond
	plugins := []func(b *app.Boot){publishes(Note{})}
	for i := range subscriptions {
		plugins = append(plugins, subscribes(app.On(func(context.Context, Note) error { return nil }), app.Named(fmt.Sprintf("s%d", i))))
	}
	relay, through, err := pgrelay.Through(at.url)
	require.NoError(t, err)
	t.Cleanup(relay.Close)
	measured := start(t, site{at.name, through}, cfg, plugins...)
	for range replicas - 1 {
		start(t, at, cfg, plugins...)
	}
	conn := openAt(t, at)
	lastTick := func() int64 { // the time of the first replica's last tick: at each tick, it runs a statement on its own session
		return number(t, conn, `SELECT (extract(epoch FROM a.query_start) * 1000000)::bigint FROM bus_processes p
			JOIN pg_locks l ON l.locktype = 'advisory' AND ((l.classid::bigint << 32) | l.objid::bigint) = p.lock_key
			JOIN pg_stat_activity a ON a.pid = l.pid ORDER BY p.id LIMIT 1`)
	}
	before := relay.Sent.Load()
	ticks := 0
	for last := lastTick(); ticks < 20; {
		if now := lastTick(); now != last {
			last = now
			ticks++
		}
	}
	sent := relay.Sent.Load() - before
	measured.stop()
	return float64(sent) / float64(ticks)
}

// Each poll read the waiting deliveries of blocked keys again: with 100,000 of them, it never did anything else. Now a poll marks such a
// delivery as behind the first one, and later polls do not read it. When the first one ends in any way, the next one is found at once.
func TestTheNextDeliveryOfAKeyIsFoundAfterTheFirstEnds(t *testing.T) {
	t.Parallel()
	const waiting = 40
	for name, end := range map[string]func(t *testing.T, r *rig, repair func()){
		"discarded": func(t *testing.T, r *rig, _ func()) {
			n, err := r.bus.Admin("x").Discard(t.Context(), admin.Filter{})
			require.NoError(t, err)
			require.Equal(t, 1, n)
		},
		"replayed": func(t *testing.T, r *rig, repair func()) {
			repair()
			n, err := r.bus.Admin("x").Replay(t.Context(), admin.Filter{})
			require.NoError(t, err)
			require.Equal(t, 1, n)
		},
		"running under an old name, while the others were adopted": func(t *testing.T, r *rig, _ func()) {
			owner := "'x'"
			if r.db.Dialect() == database.Postgres {
				owner = "(SELECT MIN(id) FROM bus_processes)"
			}
			_, err := r.db.ExecContext(t.Context(), `UPDATE bus_deliveries SET subscription = 'former', owner = `+owner+`,
				state = CASE state WHEN 'dead' THEN 'running' ELSE state END`)
			require.NoError(t, err)
			require.NoError(t, r.bus.Admin("x").Adopt(t.Context(), "former", "p1/thing.made"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachSite(t, func(t *testing.T, at site) {
				var handled seen[int64]
				broken := make(chan struct{})
				r := start(t, at, settings(), publishes(Made{}), subscribes(app.On(func(_ context.Context, e Made) error {
					select {
					case <-broken:
						handled.add(e.ID)
						return nil
					default:
						return app.Permanent(errors.New("broken"))
					}
				}), app.Block()))
				for i := range int64(waiting + 1) {
					r.publish(Made{ID: i, Group: "k"})
				}
				require.Eventually(t, func() bool {
					return number(t, r.db, "SELECT COUNT(*) FROM bus_deliveries WHERE behind = 1") == waiting
				}, 20*time.Second, 5*time.Millisecond)
				first := int64(1)
				repaired := false
				end(t, r, func() { close(broken); first, repaired = 0, true })
				if !repaired {
					close(broken)
				}
				requireHandled(t, &handled, first, waiting)
			})
		})
	}
}

// requireHandled waits until the events from first to last have been handled, and checks their order.
func requireHandled(t *testing.T, handled *seen[int64], first, last int64) {
	t.Helper()
	var want []int64
	for i := first; i <= last; i++ {
		want = append(want, i)
	}
	require.Eventually(t, func() bool { return len(handled.all()) >= len(want) }, 20*time.Second, 5*time.Millisecond)
	require.Equal(t, want, handled.all())
}

// When a delivery has ended, its process looks for the next one of the key, which is marked as behind. If the process is killed before it
// looks, or is of a version that does not look, the next one would wait for ever. Others must find it.
func TestForgottenDeliveriesOfAKeyAreFound(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		next := 0
		fill := func(r *rig) {
			for range 5 {
				next++
				for _, statement := range []string{
					fmt.Sprintf(`INSERT INTO bus_events (id, topic, key, seq, emitter, parent, request_id, trace, headers, payload, published_at)
						VALUES ('%s', 'thing.made', 'k', %d, 'x', '', '', '', '', '{"id":%[2]d}', 1)`, eventID(next), next),
					fmt.Sprintf(`INSERT INTO bus_deliveries (event_id, subscription, key, seq, state, owner, token, attempts, due_at, claimed_at, behind)
						VALUES ('%s', 'p1/thing.made', 'k', %d, 'pending', '', 0, 0, 0, 0, 1)`, eventID(next), next),
				} {
					_, err := r.db.ExecContext(t.Context(), statement)
					require.NoError(t, err)
				}
			}
		}
		var handled seen[int64]
		handler := subscribes(app.On(func(_ context.Context, e Made) error { handled.add(e.ID); return nil }))
		r := prepare(t, at, settings(), publishes(Made{}), handler)
		fill(r)
		require.NoError(t, r.bus.Start(t.Context()))
		requireHandled(t, &handled, 1, 5)
		if at.name == "sqlite" {
			return // there are no other processes
		}
		r.idle()

		t.Run("another process died", func(t *testing.T) {
			fill(r)
			_, err := r.db.ExecContext(t.Context(), "INSERT INTO bus_processes (id, lock_key, seen_at, lease_until, keeps_behind) VALUES ('dead', 1, 0, 0, TRUE)")
			require.NoError(t, err)
			requireHandled(t, &handled, 1, 10)
			r.idle()
		})
		t.Run("a process of the version before runs", func(t *testing.T) {
			db := openAt(t, at)
			conn, err := db.Conn(t.Context())
			require.NoError(t, err)
			defer func() { require.NoError(t, conn.Close()) }()
			key := time.Now().UnixNano()
			_, err = conn.ExecContext(t.Context(), "SELECT pg_advisory_lock($1)", key)
			require.NoError(t, err)
			_, err = r.db.ExecContext(t.Context(), fmt.Sprintf("INSERT INTO bus_processes (id, lock_key, seen_at, lease_until) VALUES ('old', %d, 0, %d)",
				key, time.Now().Add(time.Hour).UnixMilli()))
			require.NoError(t, err)
			fill(r)
			requireHandled(t, &handled, 1, 15)
		})
	})
}

// One replica finishes a delivery while another one is marking the next delivery of the key as behind. One of them must continue the key;
// it must not happen that each leaves this to the other.
func TestReplicasHandleOneKeyInOrder(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	cfg := settings()
	var handled seen[int64]
	handler := subscribes(app.On(func(_ context.Context, e Made) error { handled.add(e.ID); return nil }))
	replicas := []*rig{start(t, at, cfg, publishes(Made{}), handler), start(t, at, cfg, publishes(Made{}), handler), start(t, at, cfg, publishes(Made{}), handler)}
	const events = 300
	for i := range int64(events) {
		replicas[i%3].publish(Made{ID: i, Group: "k"})
	}
	for _, r := range replicas {
		r.idle()
	}
	requireHandled(t, &handled, 0, events-1)
}

// A replica was stopped while it handled an event, and another replica had published the next event of the key. The first replica wrote
// its outcome and did not look for the next event any more. So this event waited for the check that runs once a minute.
func TestAnotherReplicaContinuesTheKeyOfAStoppedOne(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	var handled seen[int64]
	begun, goOn := make(chan struct{}), make(chan struct{})
	stopping := start(t, at, settings(), publishes(Made{}), subscribes(app.On(func(_ context.Context, e Made) error {
		if e.ID == 1 {
			close(begun)
			<-goOn
			handled.add(e.ID)
		}
		return nil
	})))
	other := start(t, at, settings(), publishes(Made{}), subscribes(app.On(func(_ context.Context, e Made) error {
		if e.ID == 2 {
			handled.add(e.ID)
		}
		return nil
	})))
	stopping.publish(Made{ID: 1, Group: "k"})
	<-begun
	other.publish(Made{ID: 2, Group: "k"})
	behind := "SELECT COUNT(*) FROM bus_deliveries WHERE behind = 1"
	require.Eventually(t, func() bool { return number(t, other.db, behind) == 1 }, 20*time.Second, 5*time.Millisecond)
	stopped := make(chan error, 1)
	go func() { stopped <- stopping.bus.Stop(context.WithoutCancel(t.Context())) }()
	for i := int64(3); ; i++ { // until the replica claims no new event, which shows that it is stopping
		stopping.publish(Made{ID: i})
		if number(t, other.db, "SELECT COUNT(*) FROM bus_deliveries WHERE key = '' AND owner = '' AND token = 0") > 0 {
			break
		}
	}
	close(goOn)
	require.NoError(t, <-stopped)
	requireHandled(t, &handled, 1, 2)
}

// The janitor deleted at most 500 sequences a minute. With more new keys than this, the table grew for ever.
func TestManyUnusedSequencesAreDeleted(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		cfg := settings()
		cfg.Retention = time.Nanosecond
		r := prepare(t, at, cfg, publishes(Made{}), subscribes(app.On(func(context.Context, Made) error { return nil })))
		_, err := r.db.ExecContext(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
			INSERT INTO bus_sequences (topic, key, used_at, last) SELECT CASE i % 3 WHEN 0 THEN 'a' ELSE 'thing.made' END, 'k' || i, 0, i FROM n`)
		require.NoError(t, err)
		require.NoError(t, r.bus.Start(t.Context()))
		require.Eventually(t, func() bool { return number(t, r.db, "SELECT COUNT(*) FROM bus_sequences") == 0 }, 30*time.Second, 20*time.Millisecond)
		require.EqualValues(t, 3999, number(t, r.db, "SELECT last FROM bus_floors WHERE topic = 'a'"))
		require.EqualValues(t, 4000, number(t, r.db, "SELECT last FROM bus_floors WHERE topic = 'thing.made'"))
	})
}

// A new sequence of a key began at the time of the process. When a process with a fast clock had made the old sequence, the new numbers
// were lower. A reader that had noted the last number then missed the new events.
func TestNumbersOnlyGrow(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		r := start(t, at, settings(), publishes(Made{}), subscribes(app.On(func(context.Context, Made) error { return nil })))
		last := func(key string) int64 {
			return number(t, r.db, "SELECT MAX(seq) FROM bus_events WHERE key = '"+key+"'")
		}
		r.publish(Made{Group: "a"})
		begin := last("a")
		require.InDelta(t, time.Now().UnixMilli()<<16, begin, float64(time.Hour.Milliseconds()<<16))
		const fast = 1 << 50
		for _, statement := range []string{
			fmt.Sprintf("UPDATE bus_sequences SET last = last + %d", fast), // a clock that is days fast
			"DELETE FROM bus_sequences",                                    // after the retention, by any version
		} {
			_, err := r.db.ExecContext(t.Context(), statement)
			require.NoError(t, err)
		}
		r.publish(Made{Group: "a"})
		r.publish(Made{Group: "b"})
		require.Equal(t, begin+fast+1, last("a"))
		require.Equal(t, begin+fast+1, last("b"))
		r.publish(Made{Group: "b"})
		require.Equal(t, begin+fast+2, last("b"))
	})
}

// The janitor used the clock of its process: a process whose clock was days fast deleted all history.
func TestRetentionUsesTheDatabasesClock(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	at.url += ",pg_catalog" // behind the schema, so that its clock_timestamp hides the one of Postgres
	cfg := settings()
	cfg.Retention = 24 * time.Hour
	r := prepare(t, at, cfg, publishes(Note{}))
	_, err := r.db.ExecContext(t.Context(), `CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
		$$ SELECT pg_catalog.clock_timestamp() - interval '8 days' $$`)
	require.NoError(t, err)
	for _, age := range []time.Duration{3 * 24 * time.Hour, 20 * 24 * time.Hour} {
		id := fmt.Sprintf("%012x", time.Now().Add(-age).UnixMilli())
		_, err := r.db.ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO bus_events (id, topic, key, seq, emitter, parent, request_id, trace, headers, payload, published_at)
			VALUES ('%s-%s-7000-8000-000000000001', 'note.taken', '', 0, 'x', '', '', '', '', '{}', 0)`, id[:8], id[8:]))
		require.NoError(t, err)
	}
	require.NoError(t, r.bus.Start(t.Context()))
	require.Eventually(t, func() bool { return number(t, r.db, "SELECT COUNT(*) FROM bus_events") < 2 }, 20*time.Second, 5*time.Millisecond)
	r.stop()
	require.EqualValues(t, 1, number(t, openAt(t, at), "SELECT COUNT(*) FROM bus_events"), "an event from three days ago: for the database, whose clock is eight days slow, it is not old")
}

// Unreadable events of one key were parked one after the other, and each for the whole time. Readable events behind them waited for days.
func TestUnreadableEventsOfAKeyAreParkedTogether(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	eachSite(t, func(t *testing.T, at site) {
		cfg := settings()
		cfg.Park = 5 * time.Second
		const unreadable = 8
		handled := make(chan struct{})
		r := start(t, at, cfg, publishes(Made{}), subscribes(app.On(func(_ context.Context, e Made) error {
			if e.ID < unreadable {
				return fmt.Errorf("v1: %w", message.ErrUnreadable)
			}
			close(handled)
			return nil
		})))
		begin := time.Now()
		for i := range int64(unreadable + 1) {
			r.publish(Made{ID: i, Group: "k"})
		}
		ops := r.bus.Admin("x")
		var parked []admin.Delivery
		require.Eventually(t, func() bool {
			all, err := ops.Deliveries(t.Context(), admin.Filter{State: "pending"})
			require.NoError(t, err)
			parked = slices.DeleteFunc(all, func(d admin.Delivery) bool { return d.ParkedUntil.IsZero() })
			return len(parked) == 1
		}, 4*time.Second, time.Millisecond)
		require.WithinDuration(t, begin.Add(cfg.Park), parked[0].ParkedUntil, 3*time.Second)
		all, err := ops.Subscriptions(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, all[0].Parked)
		require.Equal(t, parked[0].ParkedUntil, all[0].ParkedUntil)
		receive(t, handled)
		require.EqualValues(t, unreadable, number(t, r.db, "SELECT COUNT(*) FROM bus_deliveries WHERE state = 'dead'"))
		require.Less(t, number(t, r.db, "SELECT MAX(failed_at) - MIN(failed_at) FROM bus_deliveries WHERE state = 'dead'"), cfg.Park.Milliseconds())
	})
}
