package store

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (r rig) schedules() map[string]ScheduleRow {
	r.t.Helper()
	rows, now, err := r.Schedules().All(r.ctx())
	require.NoError(r.t, err)
	require.WithinDuration(r.t, time.Now(), now, time.Minute)
	return rows
}

func TestASchedulesTimesCountFromItsRegistration(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		require.Empty(t, r.schedules())
		require.NoError(t, r.Schedules().Register(r.ctx(), "s", "@daily"))
		row := r.schedules()["s"]
		require.WithinDuration(t, time.Now(), row.Passed, time.Minute)
		row.Passed = time.Time{}
		require.Equal(t, ScheduleRow{}, row)

		r.do("UPDATE bus_schedules SET passed_at = 5")
		require.NoError(t, r.Schedules().Register(r.ctx(), "s", "@daily"))
		require.Equal(t, time.UnixMilli(5).UTC(), r.schedules()["s"].Passed, "the same spec goes on")
		require.NoError(t, r.Schedules().Register(r.ctx(), "s", "@hourly"))
		require.WithinDuration(t, time.Now(), r.schedules()["s"].Passed, time.Minute)
	})
}

// Two processes see the same time come. One of them publishes the run.
func TestAScheduleAdvancesOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		require.NoError(t, r.Schedules().Register(r.ctx(), "s", "@daily"))
		known, err := r.Schedules().RequestRun(r.ctx(), "s")
		require.NoError(t, err)
		require.True(t, known)
		from := r.schedules()["s"]
		require.False(t, from.Asked.IsZero())
		to := ScheduleRow{Passed: time.UnixMilli(20).UTC(), Due: time.UnixMilli(10).UTC(), Event: "e"}
		advance := func() (first bool) {
			r.inTx(func(ctx context.Context) (err error) {
				first, err = r.Schedules().Advance(ctx, "s", from, to)
				return err
			})
			return first
		}
		require.True(t, advance())
		require.False(t, advance())
		require.Equal(t, to, r.schedules()["s"])
		known, err = r.Schedules().RequestRun(r.ctx(), "none")
		require.NoError(t, err)
		require.False(t, known)
	})
}

func TestARunsStateIsItsDeliverys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.add("e1", "state = 'running'")
		r.addTo("other", "e2", "")
		for event, want := range map[string]string{"": "", "e1": "running", "e2": "done"} {
			state, err := r.Schedules().RunState(r.ctx(), event, "sub")
			require.NoError(t, err)
			require.Equal(t, want, state, event)
		}
	})
}
