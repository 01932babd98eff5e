package eventbus_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/eventbus/admin"
)

// storedDelivery is a row of bus_deliveries with its event.
type storedDelivery struct {
	id, key, headers, payload   string
	seq, token, attempts, dueAt int64
	withoutEvent                bool
}

func (d storedDelivery) insert(t *testing.T, r *rig, subscription string) {
	t.Helper()
	do := func(statement string) {
		_, err := r.db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	if !d.withoutEvent {
		do(fmt.Sprintf(`INSERT INTO bus_events (id, topic, key, seq, emitter, parent, request_id, trace, headers, payload, published_at)
			VALUES ('%s', 'thing.made', '%s', %d, 'x', '', '', '', '%s', '%s', 1)`, d.id, d.key, d.seq, d.headers, d.payload))
	}
	do(fmt.Sprintf(`INSERT INTO bus_deliveries (event_id, subscription, key, seq, state, owner, token, attempts, due_at, claimed_at)
		VALUES ('%s', '%s', '%s', %d, 'pending', '', %d, %d, %d, 0)`, d.id, subscription, d.key, d.seq, d.token, d.attempts, d.dueAt))
}

// When one row could not be read or claimed, no other delivery of its subscription was ever claimed, not even after a restart.
func TestABadRowDiesAloneAndItsSubscriptionGoesOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bad  storedDelivery
		says string // "": it is handled
		// replayed is true if the delivery is handled after a replay.
		replayed bool
	}{
		"headers that are no JSON":   {storedDelivery{headers: "{bad", payload: "{}"}, "headers of the event cannot be read", false},
		"a payload that is no JSON":  {storedDelivery{payload: "{bad"}, "unreadable payload", false},
		"the highest token":          {storedDelivery{payload: "{}", token: math.MaxInt64}, "the stored row of this delivery is invalid", false},
		"the highest attempts":       {storedDelivery{payload: "{}", attempts: math.MaxInt64}, "the stored row of this delivery is invalid", true},
		"no event":                   {storedDelivery{withoutEvent: true}, "the event of this delivery is missing in the database", false},
		"due at the lowest of times": {storedDelivery{payload: `{"id":5}`, dueAt: math.MinInt64}, "", false},
	} {
		for _, keyed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, keyed %t", name, keyed), func(t *testing.T) {
				t.Parallel()
				eachSite(t, func(t *testing.T, at site) {
					var on, tx seen[int64]
					r := prepare(t, at, settings(), publishes(Made{}),
						subscribes(app.On(func(_ context.Context, e Made) error { on.add(e.ID); return nil })),
						subscribes(app.OnTx(func(ctx context.Context, e Made) error { tx.keep(ctx, e.ID); return nil })))
					want := []int64{1, 2, 3, 4}
					for _, subscription := range []string{"p1/thing.made", "p2/thing.made"} {
						for i := range int64(5) {
							d := storedDelivery{payload: fmt.Sprintf(`{"id":%d}`, i+1)}
							if i == 2 {
								d = c.bad
							} else if i > 2 {
								d.payload = fmt.Sprintf(`{"id":%d}`, i)
							}
							if d.id = fmt.Sprintf("%s-%d", subscription, i); keyed {
								d.key, d.seq = "k", i+1
							}
							d.insert(t, r, subscription)
						}
					}
					if c.says == "" {
						want = append(want, 5)
					}
					require.NoError(t, r.bus.Start(t.Context()))
					r.idle()
					require.ElementsMatch(t, want, on.all())
					require.ElementsMatch(t, want, tx.all())
					dead, err := r.bus.Admin("x").Deliveries(t.Context(), admin.Filter{State: "dead"})
					require.NoError(t, err)
					if c.says == "" {
						require.Empty(t, dead)
						return
					}
					require.Len(t, dead, 2)
					for _, d := range dead {
						require.Contains(t, d.Error, c.says)
					}
					n, err := r.bus.Admin("x").Replay(t.Context(), admin.Filter{})
					require.NoError(t, err)
					require.Equal(t, 2, n)
					r.idle()
					n, err = r.bus.Admin("x").Discard(t.Context(), admin.Filter{})
					require.NoError(t, err)
					require.Equal(t, map[bool]int{true: 0, false: 2}[c.replayed], n)
					require.NoError(t, r.bus.Claiming())
				})
			})
		}
	}
}

// A claim with the highest token cannot be counted up: the start on SQLite, and a take-over on Postgres, must not fail with it.
func TestAClaimWithTheHighestTokenIsTakenOver(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		r := prepare(t, at, settings(), publishes(Made{}), subscribes(app.On(func(context.Context, Made) error { return nil })))
		storedDelivery{id: "e", payload: "{}", token: math.MaxInt64}.insert(t, r, "p1/thing.made")
		_, err := r.db.ExecContext(t.Context(), `UPDATE bus_deliveries SET state = 'running', owner = 'gone', ends = 32767`)
		require.NoError(t, err)
		require.NoError(t, r.bus.Start(t.Context()))
		r.idle()
		require.EqualValues(t, 1, number(t, r.db, `SELECT COUNT(*) FROM bus_deliveries WHERE state = 'dead'`))
	})
}

// New events were answered 201 and never handled while the service said that it was ready.
func TestClaimsThatFailAgainAndAgainAreTold(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		cfg := settings()
		cfg.Lease = 2 * time.Second
		var got seen[int64]
		r := start(t, at, cfg, publishes(Note{}), subscribes(app.On(func(_ context.Context, e Note) error { got.add(e.ID); return nil })))
		r.publish(Note{ID: 1}, app.Delay(time.Hour))
		require.NoError(t, r.bus.Claiming())
		for _, statement := range []string{`ALTER TABLE bus_events RENAME TO away`, `UPDATE bus_deliveries SET due_at = 0`} {
			_, err := r.db.ExecContext(t.Context(), statement)
			require.NoError(t, err)
		}
		require.Eventually(t, func() bool { return r.bus.Claiming() != nil }, 20*time.Second, 10*time.Millisecond)
		require.ErrorContains(t, r.bus.Claiming(), "subscription p1/note.taken has not been able to claim its events since")
		_, err := r.db.ExecContext(t.Context(), `ALTER TABLE away RENAME TO bus_events`)
		require.NoError(t, err)
		r.idle()
		require.Equal(t, []int64{1}, got.all())
		require.Eventually(t, func() bool { return r.bus.Claiming() == nil }, 20*time.Second, 10*time.Millisecond)
	})
}
