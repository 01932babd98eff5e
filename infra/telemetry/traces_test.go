package telemetry_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/fx/fxtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"plugboard/config"
	"plugboard/infra/telemetry"
)

func TestWithoutACollectorNothingIsTraced(t *testing.T) {
	t.Parallel()
	lc := fxtest.NewLifecycle(t)
	p, err := telemetry.NewTracerProvider(lc, config.Traces{}, zap.NewNop())
	require.NoError(t, err)
	require.IsType(t, noop.TracerProvider{}, p)
	lc.RequireStart().RequireStop()
}

// A collector that does not answer holds up a stop for half of the time that is allowed for it, and does not make it fail.
func TestACollectorThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	asked, ended := make(chan struct{}), make(chan struct{})
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-ended
	}))
	defer collector.Close()
	defer close(ended)
	core, logs := observer.New(zapcore.WarnLevel)
	lc := fxtest.NewLifecycle(t)
	p, err := telemetry.NewTracerProvider(lc, config.Traces{URL: collector.URL, Sample: 100, Service: "x"}, zap.New(core))
	require.NoError(t, err)
	lc.RequireStart()
	_, span := p.Tracer("test").Start(t.Context(), "lamp")
	span.End()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	require.NoError(t, lc.Stop(ctx))
	require.NoError(t, ctx.Err(), "there was time left")
	<-asked
	require.NotEmpty(t, logs.All())
}

// A collector that refuses everything costs the spans, and one record in the log for all of them.
func TestACollectorThatRefuses(t *testing.T) {
	t.Parallel()
	exports := 0
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		exports++
		w.WriteHeader(http.StatusForbidden)
	}))
	defer collector.Close()
	core, logs := observer.New(zapcore.DebugLevel)
	lc := fxtest.NewLifecycle(t)
	p, err := telemetry.NewTracerProvider(lc, config.Traces{URL: collector.URL, Sample: 100, Service: "x"}, zap.New(core))
	require.NoError(t, err)
	_, before := p.Tracer("test").Start(t.Context(), "before the start")
	before.End()
	lc.RequireStart()
	const spans = 1500 // more than one export
	for range spans {
		_, span := p.Tracer("test").Start(t.Context(), "lamp")
		span.End()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, lc.Stop(ctx))
	require.Greater(t, exports, 1)
	require.Len(t, logs.All(), 1)
	require.Equal(t, "exporting traces failed", logs.All()[0].Message)
	require.Contains(t, logs.All()[0].ContextMap()["error"], "403")
}
