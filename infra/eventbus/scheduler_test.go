package eventbus_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/eventbus/admin"
)

const p0Schedule = "p0/schedule"

func schedules(spec string, s app.Subscriber, opts ...app.SubscribeOption) func(*app.Boot) {
	return func(b *app.Boot) { b.Schedule(spec, s, opts...) }
}

// sends returns a handler that sends its events to a channel, as long as the channel has room.
func sends(to chan<- app.Due) func(context.Context, app.Due) error {
	return func(_ context.Context, due app.Due) error {
		select {
		case to <- due:
		default:
		}
		return nil
	}
}

// receive returns the next value, which must come within seconds.
func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		require.FailNow(t, "nothing came")
		panic("not reached")
	}
}

// longAgo changes a schedule's row so that its times count from long ago, as if no process had run since.
func longAgo(t *testing.T, db *database.DB, since time.Time) {
	t.Helper()
	n, err := db.ExecContext(t.Context(), "UPDATE bus_schedules SET passed_at = $1", since.UnixMilli())
	require.NoError(t, err)
	changed, err := n.RowsAffected()
	require.NoError(t, err)
	require.EqualValues(t, 1, changed)
}

// leave stops a bus and leaves its database to the next.
func leave(t *testing.T, r *rig) {
	t.Helper()
	r.stop()
	require.NoError(t, r.db.Close(t.Context()))
}

func TestAScheduleIsRunAgainAndAgain(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		runs := make(chan app.Due, 100)
		deliveries := make(chan app.Delivery, 100)
		begin := time.Now()
		start(t, at, settings(), schedules("@every 1s", app.OnTx(func(ctx context.Context, due app.Due) error {
			d, _ := app.DeliveryFrom(ctx)
			deliveries <- d
			return sends(runs)(ctx, due)
		})))
		first, second := receive(t, runs), receive(t, runs)
		require.WithinRange(t, first.At, begin, time.Now())
		require.Zero(t, first.At.Nanosecond())
		require.Equal(t, time.UTC, first.At.Location())
		gap := second.At.Sub(first.At)
		require.Positive(t, gap)
		require.Zero(t, gap%time.Second)
		d := receive(t, deliveries)
		require.Equal(t, p0Schedule, d.Subscription)
		require.Equal(t, "p0", d.Emitter)
		require.Equal(t, "_due."+p0Schedule, d.Topic)
	})
}

// When a time comes, only one of several processes publishes an event for it. The test moves the schedule's row into the past again and
// again, so that a time is due in all processes at once.
func TestATimeIsDueOnceInAllReplicas(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	var got seen[time.Time]
	runs := make(chan struct{}, 1000)
	var replicas []*rig
	for range 4 {
		replicas = append(replicas, start(t, at, settings(), schedules("30 4 1 1 *", app.On(func(_ context.Context, due app.Due) error {
			got.add(due.At)
			runs <- struct{}{}
			return nil
		}))))
	}
	year := time.Now().UTC().Year()
	const times = 30
	for i := range times {
		longAgo(t, replicas[0].db, time.Date(year-times+i-1, 6, 1, 0, 0, 0, 0, time.UTC))
		receive(t, runs)
		for _, r := range replicas {
			r.idle()
		}
	}
	var want []time.Time
	for i := range times {
		want = append(want, time.Date(year-times+i, 1, 1, 4, 30, 0, 0, time.UTC))
	}
	require.Equal(t, want, got.all())
}

func TestWhatWasMissedIsMadeUpForOnce(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		runs := make(chan app.Due, 10)
		hourly := schedules("0 * * * *", app.On(sends(runs)))
		r := start(t, at, settings(), hourly)
		r.stop()
		missed := time.Now().UTC().Truncate(time.Hour).Add(-50 * time.Hour)
		longAgo(t, r.db, missed.Add(-time.Minute))
		leave(t, r)

		r = start(t, at, settings(), hourly)
		require.Equal(t, missed, receive(t, runs).At)
		info, err := r.bus.Admin("test").Schedules(t.Context())
		require.NoError(t, err)
		require.Len(t, info, 1)
		require.Equal(t, missed, info[0].Last)
		require.True(t, info[0].Next.After(time.Now()), "the others are not made up for as well")
		r.idle()
		require.Empty(t, runs)
	})
}

// A new schedule, and one whose spec has changed, begins with its next time. An unchanged schedule goes on.
func TestANewSpecCountsFromItsStart(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		never := app.On(func(context.Context, app.Due) error { return errors.New("not due for a year") })
		r := start(t, at, settings(), schedules("@yearly", never))
		next := func(r *rig) time.Time {
			info, err := r.bus.Admin("test").Schedules(t.Context())
			require.NoError(t, err)
			require.Zero(t, info[0].Last)
			return info[0].Next
		}
		require.True(t, next(r).After(time.Now()))
		longAgo(t, r.db, time.Now().AddDate(0, 0, -1))
		before := passed(t, r.db)
		leave(t, r)
		r = start(t, at, settings(), schedules("@yearly", never))
		require.Equal(t, before, passed(t, r.db), "the same spec goes on")
		leave(t, r)
		r = start(t, at, settings(), schedules("CRON_TZ=Asia/Tokyo 0 0 1 1 *", never))
		require.Greater(t, passed(t, r.db), before)
		require.Equal(t, 15, next(r).Hour(), "midnight in Tokyo")
		r.idle()
	})
}

func passed(t *testing.T, db *database.DB) (ms int64) {
	t.Helper()
	return number(t, db, "SELECT passed_at FROM bus_schedules")
}

// While a run takes longer than the schedule's interval, or is tried again, no second run begins or waits.
func TestAScheduleIsNotRunBesideItself(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		begun, end := make(chan app.Due), make(chan error)
		registry := prometheus.NewRegistry()
		db := openAt(t, at)
		bus, err := eventbus.New(settings(), db, zap.NewNop(), registry)
		require.NoError(t, err)
		require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{bus.Migrations()}))
		require.Empty(t, bus.Check(boot(t, bus, schedules("@every 1s", app.On(func(ctx context.Context, due app.Due) error {
			begun <- due
			return <-end
		})))))
		require.NoError(t, bus.Start(t.Context()))
		r := &rig{t: t, db: db, bus: bus}
		skipped := func() (n float64) {
			families, err := registry.Gather()
			require.NoError(t, err)
			for _, f := range families {
				for _, m := range f.GetMetric() {
					if f.GetName() == "plugboard_schedule_times_total" && m.GetLabel()[0].GetValue() == "skipped" {
						n += m.GetCounter().GetValue()
					}
				}
			}
			return n
		}
		first := receive(t, begun)
		require.Eventually(t, func() bool { return skipped() >= 2 }, 20*time.Second, 20*time.Millisecond)
		end <- errors.New("the first attempt fails")
		require.Equal(t, first, receive(t, begun), "tried again, with no other in between")
		before := time.Now()
		end <- nil
		next := receive(t, begun)
		require.WithinRange(t, next.At, before.Add(-2*time.Second), time.Now(), "what was left out is not made up for")
		require.GreaterOrEqual(t, next.At.Sub(first.At), 3*time.Second)
		go func() {
			for range begun {
			}
		}()
		close(end)
		r.stop()
		close(begun)
	})
}

func TestADeadRunDoesNotStopItsSchedule(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		runs := make(chan app.Due, 100)
		r := start(t, at, settings(), schedules("@every 1s", app.On(func(_ context.Context, due app.Due) error {
			runs <- due
			return app.Permanent(errors.New("broken"))
		})))
		receive(t, runs)
		receive(t, runs)
		require.Eventually(t, func() bool {
			info, err := r.bus.Admin("test").Schedules(t.Context())
			return err == nil && info[0].State == "dead" && !info[0].Last.IsZero()
		}, 20*time.Second, 10*time.Millisecond)
	})
}

// An operator asks for a run. It comes in addition to the times, after the last run is done, and only once even if the operator asks
// several times.
func TestARunIsAskedFor(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		begun, end := make(chan app.Due), make(chan error)
		r := start(t, at, settings(), schedules("@yearly", app.On(func(ctx context.Context, due app.Due) error {
			begun <- due
			return <-end
		})))
		ops := r.bus.Admin("ann@host")
		before := time.Now().Add(-time.Second)
		require.NoError(t, ops.Run(t.Context(), p0Schedule))
		first := receive(t, begun)
		require.WithinRange(t, first.At, before, time.Now().Add(time.Second))
		require.NoError(t, ops.Run(t.Context(), p0Schedule))
		require.NoError(t, ops.Run(t.Context(), p0Schedule))
		info, err := ops.Schedules(t.Context())
		require.NoError(t, err)
		require.Equal(t, "running", info[0].State)
		require.NotZero(t, info[0].Asked)
		next := info[0].Next
		end <- nil
		require.True(t, receive(t, begun).At.After(first.At))
		end <- nil
		r.idle()
		info, err = ops.Schedules(t.Context())
		require.NoError(t, err)
		require.Equal(t, "done", info[0].State)
		require.Zero(t, info[0].Asked)
		require.Equal(t, next, info[0].Next)

		require.ErrorContains(t, ops.Run(t.Context(), "p7/schedule"), "there is no schedule")
		actions, err := ops.Actions(t.Context(), "", 10)
		require.NoError(t, err)
		require.Len(t, actions, 3)
		require.Equal(t, "run", actions[0].Action)
		require.Equal(t, "ann@host", actions[0].Actor)
	})
}

func TestARenamedScheduleGoesOn(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		runs := make(chan app.Due, 10)
		broken := app.On(func(context.Context, app.Due) error { return app.Permanent(errors.New("broken")) })
		r := start(t, at, settings(), schedules("@monthly", broken))
		require.NoError(t, r.bus.Admin("test").Run(t.Context(), p0Schedule))
		require.Eventually(t, func() bool {
			info, err := r.bus.Admin("test").Schedules(t.Context())
			return err == nil && info[0].State == "dead"
		}, 20*time.Second, 10*time.Millisecond)
		r.stop()
		longAgo(t, r.db, time.Now().AddDate(0, -3, 0))
		leave(t, r)

		r = start(t, at, settings(), schedules("@monthly", app.On(sends(runs)), app.Named("reports"), app.Formerly(p0Schedule)))
		require.Less(t, receive(t, runs).At, time.Now().AddDate(0, -1, 0), "what was missed under the old name")
		n, err := r.bus.Admin("test").Replay(t.Context(), admin.Filter{Subscription: "reports"})
		require.NoError(t, err)
		require.Equal(t, 1, n, "what was dead under the old name")
		receive(t, runs)
	})
}

// Each process runs a volatile schedule by itself.
func TestAVolatileScheduleRunsInEachProcess(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		runs := make(chan app.Due, 100)
		r := start(t, at, settings(), schedules("@every 1s", app.On(sends(runs)), app.Volatile()))
		if at.name == "postgres" {
			more := make(chan app.Due, 100)
			start(t, at, settings(), schedules("@every 1s", app.On(sends(more)), app.Volatile()))
			receive(t, more)
		}
		receive(t, runs)
		receive(t, runs)
		info, err := r.bus.Admin("test").Schedules(t.Context())
		require.NoError(t, err)
		require.Empty(t, info)
	})
}

func TestAProcessThatPublishesNoSchedules(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		runs := make(chan app.Due, 1)
		cfg := settings()
		cfg.Schedules = false
		r := start(t, at, cfg, schedules("@every 1s", app.On(sends(runs))))
		require.ErrorContains(t, r.bus.Admin("test").Run(t.Context(), p0Schedule), "has not been registered yet")
		due := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
		require.NoError(t, r.bus.Run(t.Context(), p0Schedule, due))
		require.Equal(t, due, receive(t, runs).At)
		require.Error(t, r.bus.Run(t.Context(), "p1/schedule", due))
	})
}

func TestScheduleMistakes(t *testing.T) {
	t.Parallel()
	handler := app.On(func(context.Context, app.Due) error { return nil })
	for name, tc := range map[string]struct {
		boot func(*app.Boot)
		want string
	}{
		"three fields":        {schedules("1 2 3", handler), `schedule "1 2 3": expected exactly 5 fields, found 3`},
		"empty":               {schedules("", handler), `schedule "": empty spec`},
		"out of range":        {schedules("0 24 * * *", handler), "above maximum (23)"},
		"never":               {schedules("0 0 30 2 *", handler), "it never comes"},
		"no zone":             {schedules("CRON_TZ=", handler), "the time zone has no name"},
		"only a zone":         {schedules("TZ=Europe/Berlin", handler), "there is nothing after the time zone"},
		"unknown zone":        {schedules("CRON_TZ=Europe/Bonn 0 3 * * *", handler), "Europe/Bonn"},
		"local zone":          {schedules("CRON_TZ=Local 0 3 * * *", handler), "the time zone has no name"},
		"zone of interval":    {schedules("TZ=UTC @every 1m", handler), "an interval has no time zone"},
		"short interval":      {schedules("@every 10ms", handler), "not one of whole seconds"},
		"broken interval":     {schedules("@every 1500ms", handler), "not one of whole seconds"},
		"negative interval":   {schedules("@every -1m", handler), "not one of whole seconds"},
		"no interval":         {schedules("@every soon", handler), "soon"},
		"unknown word":        {schedules("@sometimes", handler), "@sometimes"},
		"no handler":          {schedules("@daily", app.Subscriber{}), "b.Schedule takes app.On(…) or app.OnTx(…)"},
		"a handler of events": {schedules("@daily", app.On(func(context.Context, Made) error { return nil })), "takes an app.Due, not Made"},
		"block":               {schedules("@daily", handler, app.Block()), "app.Block needs events with a key"},
		"attempts":            {schedules("@daily", handler, app.Attempts(-1)), "app.Attempts must be at least 1"},
		"twice": {func(b *app.Boot) {
			b.Schedule("@daily", handler)
			b.Schedule("@hourly", handler)
		}, `the subscription name "p0/schedule" is taken by plugin p0`},
		"published":  {publishes(app.Due{}), `topic "_due" is not of the form`},
		"subscribed": {subscribes(handler), `topic "_due" is not of the form`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := openAt(t, site{"sqlite", "sqlite:" + t.TempDir() + "/events.db"})
			bus, err := eventbus.New(settings(), db, zap.NewNop(), nil)
			require.NoError(t, err)
			problems := bus.Check(boot(t, bus, tc.boot))
			require.Len(t, problems, 1)
			require.ErrorContains(t, problems[0], tc.want)
			require.True(t, strings.HasPrefix(problems[0].Error(), "plugin p0 ("), problems[0])
		})
	}
}
