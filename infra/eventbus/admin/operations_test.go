package admin

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	cron "plugboard/infra/eventbus/internal/schedule"
)

func TestReplayAndDiscardChangeTheDeadDeliveriesOfAFilter(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d desk) {
		d.name("mail", "t", "active", "")
		d.event("e1", "t")
		d.event("e2", "u")
		d.deliver("e1", "dead", "mail", "other")
		d.deliver("e2", "dead", "mail")
		d.deliver("e3", "pending", "mail")
		d.do("UPDATE bus_deliveries SET error = 'never' WHERE event_id = 'e1'")

		n, err := d.Replay(d.ctx(), Filter{EventID: "e1", Subscription: "mail", State: "pending"})
		require.NoError(t, err)
		require.Equal(t, 1, n, "replay is for dead deliveries, whatever the filter says")
		n, err = d.Discard(d.ctx(), Filter{Topic: "u"})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		n, err = d.Replay(d.ctx(), Filter{EventID: "e3"})
		require.NoError(t, err)
		require.Zero(t, n)
		require.Equal(t, []string{"mail/e1 pending", "other/e1 dead", "mail/e3 pending"}, d.left())
		require.Equal(t, []string{"replay|e1|mail|never", "discard|e2|mail|"}, d.done())
	})
}

// A replay of all dead deliveries did not end while the handler still failed: the replayed deliveries were dead again before the replay
// looked for the rest.
func TestAReplayGoesThroughAllBatchesOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d desk) {
		const deliveries = 2*changeBatch + 1
		for i := range deliveries {
			d.deliver(fmt.Sprintf("e%03d", i), "dead", "mail")
		}
		d.deliver("z", "pending", "mail")
		died := 0
		n, err := d.change(d.ctx(), "replay", Filter{State: "dead"}, func(ctx context.Context, id, _ string) (bool, error) {
			died++ // the handler fails again at once, and for another delivery for the first time
			_, err := d.store.Exec(ctx, "UPDATE bus_deliveries SET state = 'dead', failed_at = {now} + 3600000 WHERE event_id = ? OR event_id = 'z'", id)
			return true, err
		})
		require.NoError(t, err)
		require.Equal(t, []int{deliveries, deliveries}, []int{n, died}, "what dies meanwhile is left alone")
		n, err = d.Replay(d.ctx(), Filter{})
		require.NoError(t, err)
		require.Equal(t, deliveries+1, n, "deaths that a clock dated later are replayed too")
	})
}

// Two operators change the same delivery. Only the faster one records an action.
func TestAChangeThatCameTooLateIsNotRecorded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d desk) {
		d.deliver("e1", "dead", "mail")
		n, err := d.change(d.ctx(), "replay", Filter{State: "dead"}, func(context.Context, string, string) (bool, error) { return false, nil })
		require.NoError(t, err)
		require.Zero(t, n)
		require.Empty(t, d.done())
		_, err = d.change(d.ctx(), "replay", Filter{State: "dead"}, func(context.Context, string, string) (bool, error) { return false, context.Canceled })
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "replay deliveries: ")
	})
}

// An operator discards a delivery. The next delivery of its key was marked as behind, and the next poll must read it.
func TestAChangeHasPollsLookAtTheNextOfTheKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d desk) {
		d.deliver("e1", "dead", "mail")
		d.deliver("e2", "pending", "mail")
		d.do("UPDATE bus_deliveries SET behind = 1, seq = 2 WHERE event_id = 'e2'")
		_, err := d.Discard(d.ctx(), Filter{})
		require.NoError(t, err)
		var behind int
		_, err = d.store.QueryRow(d.ctx(), []any{&behind}, "SELECT behind FROM bus_deliveries WHERE event_id = 'e2'")
		require.NoError(t, err)
		require.Zero(t, behind)
	})
}

// A discard of pending deliveries by a former name checked only whether this name was in use. When deliveries were still stored under
// the former name, the discard also deleted the deliveries of the subscription in use.
func TestPendingDeliveriesOfASubscriptionInUseAreNotDiscarded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d desk) {
		d.name("letters", "t", "active", "")
		d.name("former", "t", "retired", "letters")
		d.name("gone", "t", "active", "")
		d.name("seen", "t", "active", "")
		d.do("UPDATE bus_subscriptions SET seen_at = {now} WHERE name = 'seen'")
		d.deliver("e1", "pending", "letters", "former", "gone", "seen", "only deliveries")
		for name, want := range map[string]app.Code{
			"letters": app.Conflict, "former": app.Conflict, "seen": app.Conflict, "none": app.NotFound, "": app.NotFound,
		} {
			_, err := d.Discard(d.ctx(), Filter{Subscription: name, State: "pending"})
			require.Equal(t, want, app.CodeOf(err), "%s: %v", name, err)
		}
		require.ErrorContains(t, d.CheckUnused(d.ctx(), "seen"), "stop that one, and wait for 30s")
		require.Empty(t, d.done())
		for _, name := range []string{"gone", "only deliveries"} {
			n, err := d.Discard(d.ctx(), Filter{Subscription: name, State: "pending"})
			require.NoError(t, err, name)
			require.Equal(t, 1, n, name)
		}
		require.Equal(t, []string{"former/e1 pending", "letters/e1 pending", "seen/e1 pending"}, d.left())
	})
}

func TestRetireIsForSubscriptionsThatThisBuildDoesNotHave(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d desk) {
		d.name("mail", "t", "active", "")
		d.name("former", "t", "retired", "mail")
		d.name("gone", "t", "active", "")
		d.name("gone too", "t", "retired", "gone")
		require.Equal(t, app.Conflict, app.CodeOf(d.Retire(d.ctx(), "mail")))
		require.Equal(t, app.Conflict, app.CodeOf(d.Retire(d.ctx(), "former")))
		require.Equal(t, app.NotFound, app.CodeOf(d.Retire(d.ctx(), "none")))
		require.NoError(t, d.store.Schedules().Register(d.ctx(), "gone", "@daily"))
		require.NoError(t, d.Retire(d.ctx(), "gone too"))
		names, err := d.store.Subscriptions().Names(d.ctx())
		require.NoError(t, err)
		require.Equal(t, "retired", names["gone"].State)
		schedules, _, err := d.store.Schedules().All(d.ctx())
		require.NoError(t, err)
		require.Empty(t, schedules)
		require.Equal(t, []string{"retire||gone too|"}, d.done())
	})
}

func TestAdoptMovesWhatWaits(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d desk) {
		d.name("mail", "t", "active", "")
		d.name("gone", "t", "active", "")
		d.event("e1", "t", "gone", "only deliveries")
		d.event("e2", "t")
		d.deliver("e2", "dead", "gone")
		require.NoError(t, d.Adopt(d.ctx(), "gone", "mail"))
		require.Equal(t, []string{"mail/e1 pending", "only deliveries/e1 pending", "mail/e2 dead"}, d.left())
		d.do("DELETE FROM bus_deliveries WHERE subscription = 'mail'")
		require.NoError(t, d.Adopt(d.ctx(), "only deliveries", "mail"))
		require.Equal(t, []string{"mail/e1 pending"}, d.left())

		d.deliver("e3", "pending", "gone") // by a process that does not know of the adoption
		require.NoError(t, d.Adopt(d.ctx(), "gone", "mail"))
		require.Equal(t, []string{"mail/e1 pending", "mail/e3 pending"}, d.left())
		require.Equal(t, []string{"adopt||mail|from gone", "adopt||mail|from only deliveries", "adopt||mail|from gone"}, d.done())
	})
}

func TestAdoptRefusesWhatWouldLoseEvents(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d desk) {
		d.name("mail", "t", "active", "")
		d.name("letters", "t", "active", "")
		d.name("former", "t", "retired", "letters")
		d.name("gone", "t", "active", "")
		d.name("elsewhere", "u", "active", "")
		for _, c := range []struct {
			from, to string
			code     app.Code
		}{
			{"gone", "gone", app.Invalid},
			{"gone", "elsewhere", app.Invalid},
			{"mail", "letters", app.Conflict},
			{"former", "mail", app.Conflict},
			{"none", "mail", app.NotFound},
			{"gone", "none", app.NotFound},
		} {
			require.Equal(t, c.code, app.CodeOf(d.Adopt(d.ctx(), c.from, c.to)), "%s to %s", c.from, c.to)
		}
		require.Empty(t, d.done())
		require.NoError(t, d.Adopt(d.ctx(), "gone", "former"), "by any name of the other")
	})
}

// hourly is due at each full hour.
type hourly struct{ cron.Timetable }

func (hourly) Next(after time.Time) time.Time { return after.Truncate(time.Hour).Add(time.Hour) }

func TestSchedulesAreListedAndRun(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d desk) {
		d.schedules = []KnownSchedule{{"report", "@hourly", "p", hourly{}}, {"new", "@hourly", "p", hourly{}}, {"renamed", "@hourly", "p", hourly{}}}
		d.name("first", "t", "active", "")
		d.name("renamed", "t", "retired", "first")
		for _, name := range []string{"report", "first"} {
			require.NoError(t, d.store.Schedules().Register(d.ctx(), name, "@hourly"))
		}
		d.do("UPDATE bus_schedules SET passed_at = 1000, due_at = 1000, event_id = 'e1' WHERE name = 'report'")
		d.deliver("e1", "running", "report")

		require.Equal(t, app.NotFound, app.CodeOf(d.Run(d.ctx(), "none")))
		require.ErrorContains(t, d.Run(d.ctx(), "new"), `schedule "new" has not been registered yet`)
		require.NoError(t, d.Run(d.ctx(), "renamed"))
		require.Equal(t, []string{"run||renamed|"}, d.done())

		all, err := d.Schedules(d.ctx())
		require.NoError(t, err)
		require.Len(t, all, 3)
		next := time.Now().UTC().Truncate(time.Hour).Add(time.Hour)
		require.WithinDuration(t, next, all[0].Next, time.Hour, "a time that has passed is not the next")
		require.Equal(t, []any{"report", "running", "e1", time.UnixMilli(1000).UTC()}, []any{all[0].Name, all[0].State, all[0].EventID, all[0].Last})
		require.Equal(t, Schedule{Name: "new", Spec: "@hourly", Plugin: "p"}, all[1])
		require.WithinDuration(t, time.Now(), all[2].Asked, time.Minute)
	})
}
