package eventbus_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"plugboard/app"
)

// Made is the publisher's event, MadeRead the subscriber's own struct of it.
type Made struct {
	ID    int64    `json:"id"`
	Name  string   `json:"name"`
	Tags  []string `json:"tags"`
	Group string   `json:"group"`
}

func (Made) Topic() string { return "thing.made" }
func (m Made) Key() string { return m.Group }

type MadeRead struct {
	ID   int64    `json:"id"`
	Tags []string `json:"tags"`
}

func (MadeRead) Topic() string { return "thing.made" }

func publishes(events ...app.Event) func(b *app.Boot) {
	return func(b *app.Boot) { b.Publishes(events...) }
}

func subscribes(s app.Subscriber, opts ...app.SubscribeOption) func(b *app.Boot) {
	return func(b *app.Boot) { b.Subscribe(s, opts...) }
}

func TestEventsReachSubscribersOfTheirOwnStructs(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var durable, tx, volatile seen[MadeRead]
		r := start(t, at, settings(), publishes(Made{}),
			subscribes(app.On(func(_ context.Context, e MadeRead) error { durable.add(e); return nil })),
			subscribes(app.OnTx(func(ctx context.Context, e MadeRead) error { tx.keep(ctx, e); return nil })),
			subscribes(app.On(func(_ context.Context, e MadeRead) error { volatile.add(e); return nil }), app.Volatile()),
		)
		var want []MadeRead
		for i := range 200 {
			r.publish(Made{ID: int64(i), Name: "x", Tags: []string{"a", "b"}})
			want = append(want, MadeRead{ID: int64(i), Tags: []string{"a", "b"}})
		}
		r.idle()
		require.ElementsMatch(t, want, durable.all())
		require.ElementsMatch(t, want, tx.all())
		require.ElementsMatch(t, want, volatile.all())
	})
}

func TestARolledBackTransactionPublishesNothing(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[int64]
		r := start(t, at, settings(), publishes(Made{}),
			subscribes(app.On(func(_ context.Context, e MadeRead) error { got.add(e.ID); return nil })),
			subscribes(app.On(func(_ context.Context, e MadeRead) error { got.add(e.ID); return nil }), app.Volatile()))
		bus := r.bus.For("p0")
		undone := errors.New("undone")
		require.ErrorIs(t, r.db.InTx(t.Context(), func(ctx context.Context) error {
			require.NoError(t, bus.Publish(ctx, Made{ID: 1}))
			return undone
		}), undone)
		require.NoError(t, r.db.InTx(t.Context(), func(ctx context.Context) error {
			require.ErrorIs(t, r.db.InTx(ctx, func(ctx context.Context) error {
				require.NoError(t, bus.Publish(ctx, Made{ID: 2}))
				return undone
			}), undone)
			return bus.Publish(ctx, Made{ID: 3})
		}))
		r.idle()
		require.Equal(t, []int64{3, 3}, got.all())
	})
}

// What is published with another context than that of the savepoint would outlive its rollback.
func TestAnEventIsNotPublishedPastTheOpenTransaction(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[int64]
		handler := func(_ context.Context, e MadeRead) error { got.add(e.ID); return nil }
		r := start(t, at, settings(), publishes(Made{}, Note{}), subscribes(app.On(handler)), subscribes(app.On(handler), app.Volatile()),
			subscribes(app.On(func(_ context.Context, e Note) error { got.add(e.ID); return nil }), app.Volatile()))
		call := app.WithCall(t.Context(), &app.Call{Plugin: "p0"})
		refused := func(ctx context.Context) {
			for _, e := range []app.Event{Made{ID: 1}, Note{ID: 1}} {
				require.ErrorContains(t, r.bus.For("p0").Publish(ctx, e), "use the context that its function is given")
			}
		}
		require.NoError(t, r.db.InTx(call, func(ctx context.Context) error {
			refused(call)
			require.ErrorIs(t, r.db.InTx(ctx, func(context.Context) error {
				refused(ctx)
				return errBroken
			}), errBroken)
			require.ErrorIs(t, r.db.Gorm().WithContext(ctx).Transaction(func(*gorm.DB) error {
				refused(ctx)
				return errBroken
			}), errBroken)
			return r.bus.For("p0").Publish(ctx, Made{ID: 2})
		}))
		r.idle()
		require.Equal(t, []int64{2, 2}, got.all())
	})
}

func TestEventsOfAKeyAreHandledInOrder(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[Made]
		fails := 0
		r := start(t, at, settings(), publishes(Made{}),
			subscribes(app.On(func(_ context.Context, e Made) error {
				if e.Group == "0" && e.ID%17 == 3 && fails < 3 {
					fails++
					return errors.New("try again")
				}
				got.add(e)
				return nil
			})))
		done := make(chan struct{})
		for w := range 4 {
			go func() {
				defer func() { done <- struct{}{} }()
				for i := range 60 {
					r.publish(Made{ID: int64(i), Group: fmt.Sprint(w)})
				}
			}()
		}
		for range 4 {
			<-done
		}
		r.idle()
		next := map[string]int64{}
		for _, e := range got.all() {
			require.Equal(t, next[e.Group], e.ID, "group %s", e.Group)
			next[e.Group]++
		}
		require.Equal(t, map[string]int64{"0": 60, "1": 60, "2": 60, "3": 60}, next)
		require.Equal(t, 3, fails)
	})
}

func TestAHandlerMayKeepItsEventAndItsContext(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		type kept struct {
			ctx   context.Context //nolint:containedctx // what is tested
			event Made
		}
		var durable, volatile seen[kept]
		keep := func(list *seen[kept]) func(context.Context, Made) error {
			return func(ctx context.Context, e Made) error { list.add(kept{ctx, e}); return nil }
		}
		r := start(t, at, settings(), publishes(Made{}),
			subscribes(app.On(keep(&durable))), subscribes(app.On(keep(&volatile)), app.Volatile(), app.Concurrency(1)))
		event := func(i int64) Made {
			e := Made{ID: i, Group: fmt.Sprint(i % 7)}
			if i%2 == 0 {
				e.Name, e.Tags = fmt.Sprint(i), []string{fmt.Sprint(i)}
			}
			return e
		}
		for i := range int64(60) {
			r.publish(event(i), app.Header("n", fmt.Sprint(i)))
		}
		r.idle()
		for name, list := range map[string][]kept{"p1/thing.made": durable.all(), "p2/thing.made": volatile.all()} {
			require.Len(t, list, 60)
			ids := map[string]bool{}
			for _, k := range list {
				d, ok := app.DeliveryFrom(k.ctx)
				require.True(t, ok)
				require.Equal(t, event(k.event.ID), k.event)
				require.Equal(t, []any{name, k.event.Group, fmt.Sprint(k.event.ID), 1}, []any{d.Subscription, d.Key, d.Headers["n"], d.Attempt})
				call := app.CallFrom(k.ctx)
				require.Equal(t, name[:2], call.Plugin)
				require.Same(t, call, app.CallFrom(k.ctx), "a handler has one call")
				ids[d.EventID] = true
			}
			require.Len(t, ids, 60)
		}
	})
}

func TestAHandlerThatFailsWhileTheBusStopsDoesNotHoldItUp(t *testing.T) {
	t.Parallel()
	gate, running := make(chan struct{}), make(chan struct{})
	r := start(t, site{"sqlite", "sqlite:" + t.TempDir() + "/events.db"}, settings(), publishes(Made{}),
		subscribes(app.On(func(context.Context, MadeRead) error {
			close(running)
			<-gate
			return errors.New("never")
		}), app.Volatile(), app.Backoff(time.Hour, time.Hour)))
	r.publish(Made{ID: 1})
	<-running
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		stopped <- r.bus.Stop(ctx)
	}()
	for range 1000 { // most probably it stops by then
		runtime.Gosched()
	}
	close(gate)
	select {
	case err := <-stopped:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("the bus did not stop")
	}
}
