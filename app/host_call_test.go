package app_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

func TestSleepEndsWithItsTimeOrItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		require.True(t, app.Sleep(t.Context(), time.Minute))
		require.Equal(t, time.Minute, time.Since(start))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.False(t, app.Sleep(ctx, time.Hour))
		require.Equal(t, time.Minute+time.Second, time.Since(start))
	})
}

func TestRecoverMakesAnErrorOfAPanic(t *testing.T) {
	t.Parallel()
	run := func(fn func()) (err error) {
		defer app.Recover(&err)
		fn()
		return nil
	}
	require.NoError(t, run(func() {}))
	err := run(func() { panic("boom") })
	require.EqualError(t, err, "panicked: boom")
	var caught *app.PanicError
	require.ErrorAs(t, err, &caught)
	require.Equal(t, "boom", caught.Value)
	require.Contains(t, string(caught.Stack), "TestRecoverMakesAnErrorOfAPanic")
}
