package app_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"plugboard/app"
	"plugboard/app/apptest"
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

// The logger of a request names its principal, and that of a delivery the one at the beginning of the chain. Only the ID is logged.
func TestLoggerNamesTheRequestAndThePrincipal(t *testing.T) {
	t.Parallel()
	ann := &app.Principal{ID: "ann", Permissions: []string{"secret.right"}, Credential: "session-1"}
	logged := func(ctx context.Context) map[string]any {
		core, logs := observer.New(zap.InfoLevel)
		app.Logger(ctx, zap.New(core)).Info("hello")
		return logs.All()[0].ContextMap()
	}
	inCall := func(call *app.Call) map[string]any { return logged(app.WithCall(t.Context(), call)) }
	require.Empty(t, logged(t.Context()))
	require.Empty(t, inCall(&app.Call{}))
	require.Equal(t, map[string]any{"request_id": "r1"}, inCall(&app.Call{RequestID: "r1"}))
	require.Equal(t, map[string]any{"request_id": "r1", "principal": "ann"}, inCall(&app.Call{RequestID: "r1", Principal: ann}))
	require.Equal(t, map[string]any{"request_id": "test", "principal": "ann"}, logged(apptest.DeliveryContext(t, app.Delivery{Principal: "ann"})))
	require.Equal(t, map[string]any{"request_id": "test"}, logged(apptest.DeliveryContext(t, app.Delivery{})))
}
