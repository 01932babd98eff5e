package eventbus_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/eventbus/admin"
)

// leave stores an event and its delivery as crashed processes leave them. Crashes is the number of processes in a row that crashed with
// the delivery. In soloCrashes of them its handler had begun in quarantine.
func (r *rig) leave(subscription string, e Made, seq, crashes, soloCrashes int) {
	r.t.Helper()
	id := eventID(e.ID)
	payload := fmt.Sprintf(`{"id":%d,"group":"%s"}`, e.ID, e.Group)
	ctx := r.t.Context()
	require.NoError(r.t, r.db.InTx(ctx, func(ctx context.Context) error {
		if _, err := r.db.ExecContext(ctx, fmt.Sprintf(`INSERT INTO bus_events (id, topic, key, seq, emitter, parent, request_id, trace, headers, payload, published_at)
			VALUES ('%s', 'thing.made', '%s', %d, 'p0', '', '', '', '', '%s', 0) ON CONFLICT (id) DO NOTHING`, id, e.Group, seq, payload)); err != nil {
			return err
		}
		_, err := r.db.ExecContext(ctx, fmt.Sprintf(`INSERT INTO bus_deliveries (event_id, subscription, key, seq, state, owner, token, attempts, due_at, claimed_at, ends, alone)
			VALUES ('%s', '%s', '%s', %d, 'pending', '', %d, %d, 0, 0, %d, %d)`, id, subscription, e.Group, seq, crashes, crashes, crashes, soloCrashes))
		return err
	}))
}

// Two processes in a row crashed while they held a delivery. The run of such a delivery is counted before its handler begins, in every
// kind of subscription, and few of them run at a time. A delivery that was running when a process crashed runs alone, after the others.
func TestWhatEndedWithItsProcessesRunsByItself(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"On", "OnTx"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			eachSite(t, func(t *testing.T, at site) {
				const events = 20
				var r *rig
				var got seen[string]
				var running atomic.Int32
				handler := func(ctx context.Context, e Made) error {
					n := running.Add(1)
					defer running.Add(-1)
					if e.Group == "singly" {
						require.EqualValues(t, 1, n)
					}
					if kind == "On" {
						begun := r.begun()
						require.GreaterOrEqual(t, begun, 1) // itself
						require.LessOrEqual(t, begun, 16)
					}
					d, _ := app.DeliveryFrom(ctx)
					got.keep(ctx, fmt.Sprint(d.Subscription, d.EventID, d.Attempt))
					return nil
				}
				subscribe := app.On(handler)
				if kind == "OnTx" {
					subscribe = app.OnTx(handler)
				}
				r = prepare(t, at, settings(), publishes(Made{}), subscribes(subscribe), subscribes(subscribe))
				var want []string
				for i := range 2 * events {
					for _, subscription := range []string{"p1/thing.made", "p2/thing.made"} {
						if i%2 == 0 {
							r.leave(subscription, Made{ID: int64(i)}, 0, 2, 0)
						} else {
							r.leave(subscription, Made{ID: int64(i), Group: "singly"}, (i+1)/2, 3, 1)
						}
						want = append(want, fmt.Sprint(subscription, eventID(i), 3+i%2))
					}
				}
				require.NoError(t, r.bus.Start(t.Context()))
				r.idle()
				require.ElementsMatch(t, want, got.all())
				require.Zero(t, r.begun())
			})
		})
	}
}

// begun counts the quarantined deliveries whose handlers have begun, of those that were left with a begin in each crash from the
// third on.
func (r *rig) begun() (n int) {
	rows, err := r.db.QueryContext(r.t.Context(), `SELECT count(*) FROM bus_deliveries WHERE alone > 0 AND alone > ends - 2`)
	require.NoError(r.t, err)
	defer func() { require.NoError(r.t, rows.Close()) }()
	require.True(r.t, rows.Next())
	require.NoError(r.t, rows.Scan(&n))
	return n
}

// A delivery was running when four processes crashed, and in the last process it ran alone. It is dead, and its death is announced. Other
// deliveries in memory, also later ones of its key, are handled. After a replay its attempts count from the beginning.
func TestWhatEndsItsProcessByItselfIsDead(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"On", "OnTx"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			eachSite(t, func(t *testing.T, at site) {
				var got, died seen[int64]
				handler := func(ctx context.Context, e Made) error { got.keep(ctx, e.ID); return nil }
				subscribe := app.On(handler)
				if kind == "OnTx" {
					subscribe = app.OnTx(handler)
				}
				r := prepare(t, at, settings(), publishes(Made{}), subscribes(subscribe),
					subscribes(app.On(func(_ context.Context, _ madeDied) error { died.add(1); return nil })))
				const subscription = "p1/thing.made"
				r.leave(subscription, Made{ID: 1, Group: "a"}, 1, 6, 4)
				r.leave(subscription, Made{ID: 2, Group: "a"}, 2, 5, 0)
				r.leave(subscription, Made{ID: 3, Group: "a"}, 3, 0, 0)
				require.NoError(t, r.bus.Start(t.Context()))
				r.idle()
				require.Equal(t, []int64{2, 3}, got.all())
				require.Equal(t, []int64{1}, died.all())
				ops := r.bus.Admin("x")
				dead, err := ops.Deliveries(t.Context(), admin.Filter{State: "dead"})
				require.NoError(t, err)
				require.Len(t, dead, 1)
				require.Equal(t, "4 processes in a row ended, or hung, while its handler ran, at last by itself", dead[0].Error)
				n, err := ops.Replay(t.Context(), admin.Filter{})
				require.NoError(t, err)
				require.Equal(t, 1, n)
				r.idle()
				require.Equal(t, []int64{2, 3, 1}, got.all())
			})
		})
	}
}

// The runs of quarantined deliveries of one key are counted one by one, each in its turn.
func TestAQuarantinedDeliveryIsCountedWhenItIsItsTurn(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var r *rig
		var got seen[int64]
		r = prepare(t, at, settings(), publishes(Made{}), subscribes(app.On(func(_ context.Context, e Made) error {
			require.Equal(t, 1, r.begun())
			got.add(e.ID)
			return nil
		})))
		for i := range 5 {
			r.leave("p1/thing.made", Made{ID: int64(i), Group: "a"}, i+1, 2, 0)
		}
		require.NoError(t, r.bus.Start(t.Context()))
		r.idle()
		require.Equal(t, []int64{0, 1, 2, 3, 4}, got.all())
	})
}

// At most 16 quarantined deliveries run at a time, even if the subscription allows more.
func TestFewQuarantinedDeliveriesRunAtATime(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		const most = 16
		var running atomic.Int32
		gate := make(chan struct{})
		r := prepare(t, at, settings(), publishes(Made{}), subscribes(app.On(func(context.Context, Made) error {
			running.Add(1)
			<-gate
			return nil
		}), app.Concurrency(50)))
		for i := range 20 {
			r.leave("p1/thing.made", Made{ID: int64(i)}, 0, 2, 0)
		}
		require.NoError(t, r.bus.Start(t.Context()))
		require.Eventually(t, func() bool { return running.Load() == most }, 10*time.Second, time.Millisecond)
		require.Never(t, func() bool { return running.Load() > most }, 100*time.Millisecond, time.Millisecond)
		close(gate)
		r.idle()
		require.EqualValues(t, 20, running.Load())
	})
}

// A delivery that must run alone waits until the process has run for five polls. The deliveries with the fewest begun runs come first.
func TestQuarantinedDeliveriesRunAloneAfterSomePolls(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[int64]
		var first time.Time
		cfg := settings()
		cfg.Poll = 100 * time.Millisecond
		r := prepare(t, at, cfg, publishes(Made{}), subscribes(app.On(func(_ context.Context, e Made) error {
			if len(got.all()) == 0 {
				first = time.Now()
			}
			got.add(e.ID)
			return nil
		})))
		r.leave("p1/thing.made", Made{ID: 3}, 0, 5, 3)
		r.leave("p1/thing.made", Made{ID: 2}, 0, 4, 2)
		r.leave("p1/thing.made", Made{ID: 1}, 0, 3, 1)
		begin := time.Now()
		require.NoError(t, r.bus.Start(t.Context()))
		r.idle()
		require.GreaterOrEqual(t, first.Sub(begin), 5*cfg.Poll)
		require.Equal(t, []int64{1, 2, 3}, got.all())
	})
}

// madeDied is the announcement of a dead Made.
type madeDied struct {
	EventID string `json:"event_id"`
}

// Topic implements app.Event.
func (madeDied) Topic() string { return "_dlq.thing.made" }

// A quarantined delivery that fails is tried again like any other, and one that outlives its timeout does not hold up the others.
func TestAQuarantinedDeliveryMayFailAndHang(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[int64]
		var attempts seen[int]
		hang := make(chan struct{})
		r := prepare(t, at, settings(), publishes(Made{}), subscribes(app.On(func(ctx context.Context, e Made) error {
			switch e.ID {
			case 1:
				d, _ := app.DeliveryFrom(ctx)
				attempts.add(d.Attempt)
				return errBroken
			case 2:
				<-hang
			}
			got.add(e.ID)
			return nil
		}), app.Timeout(50*time.Millisecond)))
		for i := range 4 {
			r.leave("p1/thing.made", Made{ID: int64(i)}, 0, 2, 0)
		}
		require.NoError(t, r.bus.Start(t.Context()))
		require.Eventually(t, func() bool { return len(got.all()) == 2 }, 20*time.Second, time.Millisecond)
		require.ElementsMatch(t, []int64{0, 3}, got.all())
		close(hang)
		r.idle()
		dead, err := r.bus.Admin("x").Deliveries(t.Context(), admin.Filter{State: "dead"})
		require.NoError(t, err)
		require.Len(t, dead, 1)
		require.Equal(t, errBroken.Error(), dead[0].Error)
		require.Equal(t, []int{3, 4}, attempts.all())
	})
}

// A quarantined delivery that waits for its turn when the service stops is given back, and not counted.
func TestQuarantinedDeliveriesAreGivenBackAtTheStop(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		begun, end := make(chan struct{}), make(chan struct{})
		r := prepare(t, at, settings(), publishes(Made{}), subscribes(app.On(func(context.Context, Made) error {
			close(begun) // once only
			<-end
			return nil
		})))
		for i := range 5 {
			r.leave("p1/thing.made", Made{ID: int64(i)}, 0, 2, 1)
		}
		require.NoError(t, r.bus.Start(t.Context()))
		<-begun
		stopped := make(chan error, 1)
		go func() { stopped <- r.bus.Stop(context.WithoutCancel(t.Context())) }()
		require.Eventually(t, func() bool { return r.stopping() }, 10*time.Second, time.Millisecond)
		close(end)
		require.NoError(t, <-stopped)
		left, err := r.bus.Admin("x").Deliveries(t.Context(), admin.Filter{})
		require.NoError(t, err)
		require.Len(t, left, 4)
		for _, d := range left {
			require.Equal(t, "pending", d.State)
			require.Equal(t, 2, d.Attempts)
		}
		require.Zero(t, r.begun())
	})
}

// stopping reports whether the waiting deliveries have been given back.
func (r *rig) stopping() bool {
	running, err := r.bus.Admin("x").Deliveries(r.t.Context(), admin.Filter{State: "running"})
	require.NoError(r.t, err)
	return len(running) == 1
}

// A quarantined delivery that this version cannot read is left to other versions, and not counted.
func TestAQuarantinedDeliveryThatCannotBeReadIsParked(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		cfg := settings()
		cfg.Park = time.Hour
		r := prepare(t, at, cfg, publishes(Made{}), subscribes(app.On(func(context.Context, Made) error { return nil })))
		r.leave("p1/thing.made", Made{ID: 1}, 0, 2, 0)
		_, err := r.db.ExecContext(t.Context(), `UPDATE bus_events SET payload = '{"id":"x"}'`)
		require.NoError(t, err)
		require.NoError(t, r.bus.Start(t.Context()))
		require.Eventually(t, func() bool {
			parked, err := r.bus.Admin("x").Deliveries(t.Context(), admin.Filter{State: "pending"})
			require.NoError(t, err)
			return len(parked) == 1 && parked[0].Error != ""
		}, 10*time.Second, time.Millisecond)
		require.Zero(t, r.begun())
	})
}
