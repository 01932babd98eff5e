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
	"plugboard/infra/eventbus/admin"
)

// clinic is a bus with a subscription whose handler refuses what it cannot mend, and one that takes everything.
type clinic struct {
	sick atomic.Bool
	got  seen[int64]
}

func (c *clinic) plugins() []func(b *app.Boot) {
	return []func(b *app.Boot){
		publishes(Made{}),
		subscribes(app.On(func(_ context.Context, e MadeRead) error {
			if c.sick.Load() {
				return app.Permanent(errors.New("out of paper"))
			}
			c.got.add(e.ID)
			return nil
		}), app.Named("printer")),
		subscribes(app.On(func(context.Context, MadeRead) error { return nil }), app.Named("shredder")),
	}
}

func TestDeadDeliveriesAreReplayedAndDiscarded(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var c clinic
		c.sick.Store(true)
		r := start(t, at, settings(), c.plugins()...)
		for id := range int64(5) {
			r.publish(Made{ID: id}, app.Header("colour", "red"))
		}
		r.idle()
		ops := r.bus.Admin("ann@desk")
		ctx := t.Context()

		dead, err := ops.Deliveries(ctx, admin.Filter{State: "dead", Limit: 3})
		require.NoError(t, err)
		require.Len(t, dead, 3)
		first := dead[0]
		require.Equal(t, []any{"thing.made", "printer", "dead", 1, "out of paper", "p0", map[string]string{"colour": "red"}},
			[]any{first.Topic, first.Subscription, first.State, first.Attempts, first.Error, first.Emitter, first.Headers})
		require.Equal(t, `{"id":0,"name":"","tags":[],"group":""}`, first.Payload)
		n, err := ops.Count(ctx, admin.Filter{State: "dead", Topic: "thing.made", Limit: 1})
		require.NoError(t, err)
		require.Equal(t, 5, n)

		c.sick.Store(false)
		n, err = ops.Replay(ctx, admin.Filter{EventID: first.EventID, Subscription: "shredder"})
		require.NoError(t, err)
		require.Zero(t, n, "what is not dead")
		n, err = ops.Replay(ctx, admin.Filter{EventID: first.EventID})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		n, err = ops.Discard(ctx, admin.Filter{EventID: dead[1].EventID})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		r.idle()
		require.Equal(t, []int64{0}, c.got.all())
		n, err = ops.Replay(ctx, admin.Filter{Topic: "thing.made"})
		require.NoError(t, err)
		require.Equal(t, 3, n)
		r.idle()
		require.ElementsMatch(t, []int64{0, 2, 3, 4}, c.got.all())

		event, err := ops.Event(ctx, first.EventID)
		require.NoError(t, err)
		require.Empty(t, event.Deliveries)
		require.Equal(t, first.Payload, event.Payload)
		require.Len(t, event.Actions, 1)
		require.Equal(t, []string{"replay", "ann@desk", first.EventID, "printer", "out of paper"}, told(event.Actions[0]))
		actions, err := ops.Actions(ctx, "", 4)
		require.NoError(t, err)
		require.Len(t, actions, 4)
		require.Equal(t, "discard", actions[3].Action)
		_, err = ops.Event(ctx, "0198c0de-0000-7000-8000-000000000001")
		require.Equal(t, app.NotFound, app.CodeOf(err))
	})
}

func told(a admin.Action) []string {
	return []string{a.Action, a.Actor, a.EventID, a.Subscription, a.Detail}
}

// A replay of all dead deliveries did not end while the handler still failed: the replayed deliveries were dead again before the replay
// looked for the rest.
//
// When the clock had been set back, the replay did nothing, since all deaths were later than its begin. Deliveries that die again are
// then dead earlier than the others.
func TestAReplayLeavesAloneWhatDiesAgain(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var c clinic
		c.sick.Store(true)
		r := start(t, at, settings(), c.plugins()...)
		const events = 450 // more than two batches
		require.NoError(t, r.db.InTx(t.Context(), func(ctx context.Context) error {
			for id := range int64(events) {
				if err := r.bus.For("p0").Publish(ctx, Made{ID: id}); err != nil {
					return err
				}
			}
			return nil
		}))
		r.idle()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		n, err := r.bus.Admin("ann@desk").Replay(ctx, admin.Filter{})
		require.NoError(t, err)
		require.Equal(t, events, n)
		r.idle()
		n, err = r.bus.Admin("ann@desk").Count(t.Context(), admin.Filter{State: "dead"})
		require.NoError(t, err)
		require.Equal(t, events, n)

		_, err = r.db.ExecContext(ctx, "UPDATE bus_deliveries SET failed_at = failed_at + 3600000")
		require.NoError(t, err)
		n, err = r.bus.Admin("ann@desk").Replay(ctx, admin.Filter{})
		require.NoError(t, err)
		require.Equal(t, events, n)
		r.idle()
	})
}

// A build does not have a subscription any more. Its deliveries wait, the subscription is listed as an orphan, and another one can adopt
// the deliveries.
func TestOrphansAreRetiredAndAdopted(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var c clinic
		c.sick.Store(true)
		old := start(t, at, settings(), c.plugins()...)
		old.publish(Made{ID: 1})
		old.idle()
		old.stop()
		require.NoError(t, old.db.Close(t.Context()))

		var heir seen[int64]
		takes := subscribes(app.On(func(_ context.Context, e MadeRead) error { heir.add(e.ID); return nil }), app.Named("plotter"))
		other := subscribes(app.On(func(context.Context, OtherRead) error { return nil }), app.Named("other"))
		r := start(t, at, settings(), publishes(Made{}, Other{}), takes, other)
		r.publish(Made{ID: 2})
		r.idle()
		ops := r.bus.Admin("ann@desk")
		ctx := t.Context()
		require.Equal(t, map[string]string{"printer": "active orphan 1/0/1", "shredder": "active orphan 1/0/0", "plotter": "active 0/0/0", "other": "active 0/0/0"},
			subscriptions(t, ops))

		require.NoError(t, ops.Retire(ctx, "shredder"))
		require.NoError(t, ops.Adopt(ctx, "printer", "plotter"))
		_, err := ops.Replay(ctx, admin.Filter{Subscription: "plotter"})
		require.NoError(t, err)
		r.idle()
		require.ElementsMatch(t, []int64{2, 1, 2}, heir.all(), "the second event was for both, and comes again")
		require.Equal(t, map[string]string{"shredder": "retired 1/0/0", "plotter": "active 0/0/0", "other": "active 0/0/0"}, subscriptions(t, ops))

		for _, refused := range []struct {
			err  error
			code app.Code
		}{
			{ops.Retire(ctx, "plotter"), app.Conflict},
			{ops.Retire(ctx, "nobody"), app.NotFound},
			{ops.Adopt(ctx, "plotter", "other"), app.Conflict},
			{ops.Adopt(ctx, "shredder", "other"), app.Invalid},
			{ops.Adopt(ctx, "shredder", "shredder"), app.Invalid},
			{ops.Adopt(ctx, "shredder", "nobody"), app.NotFound},
			{ops.Adopt(ctx, "nobody", "plotter"), app.NotFound},
		} {
			require.Equal(t, refused.code, app.CodeOf(refused.err), "%v", refused.err)
		}
		actions, err := ops.Actions(ctx, "", 10)
		require.NoError(t, err)
		require.Len(t, actions, 3)
		require.Equal(t, []string{"adopt", "ann@desk", "", "plotter", "from printer"}, told(actions[1]))
	})
}

// Other is an event of another topic.
type Other struct {
	ID int64 `json:"id"`
}

func (Other) Topic() string { return "other.made" }

// OtherRead is how it is read.
type OtherRead struct {
	ID int64 `json:"id"`
}

func (OtherRead) Topic() string { return "other.made" }

// subscriptions describes each subscription: its state, and its pending, running and dead deliveries.
func subscriptions(t *testing.T, ops *admin.Admin) map[string]string {
	t.Helper()
	all, err := ops.Subscriptions(t.Context())
	require.NoError(t, err)
	out := map[string]string{}
	for _, s := range all {
		orphan := ""
		if s.Orphan {
			orphan = " orphan"
		}
		out[s.Name] = fmt.Sprintf("%s%s %d/%d/%d", s.State, orphan, s.Pending, s.Running, s.Dead)
		require.Equal(t, s.Pending+s.Running > 0, !s.Oldest.IsZero(), s.Name)
	}
	return out
}
