package eventbus_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

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
			subscribes(app.OnTx(func(_ context.Context, e MadeRead) error { tx.add(e); return nil })),
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
