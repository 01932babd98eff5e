package apptest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
)

// tidyPlugin has one schedule that other databases see and one of this process alone.
type tidyPlugin struct{ runs chan time.Time }

func (p *tidyPlugin) OnBoot(b *app.Boot) {
	b.Schedule("@every 1s", app.OnTx(p.Execute))
	b.Schedule("@every 1s", app.On(p.Execute), app.Named("alone"), app.Volatile())
}

func (p *tidyPlugin) Execute(_ context.Context, due app.Due) error {
	p.runs <- due.At
	return nil
}

// A schedule runs when the test says so, at the time of the test's clock, and never by itself.
func TestAppRunsSchedules(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		p := &tidyPlugin{runs: make(chan time.Time, 10)}
		clock := apptest.NewClock(time.Date(2026, 3, 1, 3, 30, 0, 0, time.UTC))
		h := apptest.New(t, db, clock, app.Plugin[*tidyPlugin]("tidy.clear_old", func() *tidyPlugin { return p }))
		schedules, err := h.Host().Bus().Admin("test").Schedules(t.Context())
		require.NoError(t, err)
		require.Len(t, schedules, 1)
		require.Zero(t, schedules[0].Next, "nobody looks at it")

		h.Run("tidy.clear_old/schedule")
		h.WaitForEvents()
		require.Len(t, p.runs, 1)
		require.Equal(t, clock.Now(), <-p.runs)
		clock.Advance(time.Hour)
		h.Run("alone")
		h.WaitForEvents()
		require.Len(t, p.runs, 1)
		require.Equal(t, clock.Now(), <-p.runs)
	})
}

func TestAppRunsSchedulesAtTheRealTime(t *testing.T) {
	t.Parallel()
	p := &tidyPlugin{runs: make(chan time.Time, 10)}
	h := apptest.New(t, app.Plugin[*tidyPlugin]("tidy.clear_old", func() *tidyPlugin { return p }))
	h.Run("alone")
	h.WaitForEvents()
	require.WithinDuration(t, time.Now(), <-p.runs, time.Minute)
}
