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
	for name, c := range map[string]struct {
		ctx  context.Context
		want map[string]any
	}{
		"nothing":           {t.Context(), map[string]any{}},
		"a call of nothing": {app.WithCall(t.Context(), &app.Call{}), map[string]any{}},
		"a request":         {app.WithCall(t.Context(), &app.Call{RequestID: "r1"}), map[string]any{"request_id": "r1"}},
		"a principal's":     {app.WithCall(t.Context(), &app.Call{RequestID: "r1", Principal: ann}), map[string]any{"request_id": "r1", "principal": "ann"}},
		"a delivery":        {apptest.DeliveryContext(t, app.Delivery{Principal: "ann"}), map[string]any{"request_id": "test", "principal": "ann"}},
		"nobody's delivery": {apptest.DeliveryContext(t, app.Delivery{}), map[string]any{"request_id": "test"}},
	} {
		core, logs := observer.New(zap.InfoLevel)
		app.Logger(c.ctx, zap.New(core)).Info("hello")
		require.Equal(t, c.want, logs.All()[0].ContextMap(), name)
	}
}
