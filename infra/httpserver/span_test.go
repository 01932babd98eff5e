package httpserver_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

func TestEveryRequestHasASpan(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	var trace string
	k := serve(t, func(b *app.Boot) {
		b.GET("/lamps/:id", app.Handle(func(ctx context.Context, r struct {
			ID int64 `uri:"id"`
		},
		) (app.Empty, error) {
			trace = app.CallFrom(ctx).Trace
			switch r.ID {
			case 2:
				return app.Empty{}, errors.New("broken")
			case 3:
				panic("broken")
			}
			return app.Empty{}, nil
		}))
	}, func(p *httpserver.Params) { p.Tracing = sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)) })

	const caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, c := range []struct {
		method, path, traceparent string
		name, status              string
		code                      int
	}{
		{"GET", "/lamps/1", caller, "GET /lamps/:id", "Unset", 200},
		{"GET", "/lamps/1", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", "GET /lamps/:id", "Unset", 200},
		{"GET", "/lamps/1", "01" + caller[2:], "GET /lamps/:id", "Unset", 200}, // of a version that is not known
		{"GET", "/lamps/2", "", "GET /lamps/:id", "Error", 500},
		{"GET", "/lamps/3", "", "GET /lamps/:id", "Error", 500},
		{"GET", "/lamps/x", "", "GET /lamps/:id", "Unset", 422},
		{"BREW", "/nowhere/secret", "", "other", "Unset", 404},
	} {
		spans.Reset()
		var headers []string
		if c.traceparent != "" {
			headers = []string{"Traceparent: " + c.traceparent}
		}
		answer := k.do(c.method, c.path, "", headers...)
		made := spans.GetSpans()
		require.Len(t, made, 1, c.path)
		span := made[0]
		attributes := map[string]string{}
		for _, a := range span.Attributes {
			attributes[string(a.Key)] = a.Value.String()
		}
		require.Equal(t, c.name, span.Name)
		require.Equal(t, "server", span.SpanKind.String())
		require.Equal(t, c.status, span.Status.Code.String(), c.path)
		require.Equal(t, fmt.Sprint(c.code), attributes["http.response.status_code"])
		require.Equal(t, answer.Header().Get("X-Request-Id"), attributes["plugboard.request_id"])
		id := span.SpanContext.TraceID().String()
		require.Equal(t, id, answer.Header().Get("X-Request-Id"))
		if c.traceparent == caller {
			require.Equal(t, caller[3:35], id)
			require.Equal(t, caller[36:52], span.Parent.SpanID().String())
		} else {
			require.False(t, span.Parent.IsValid())
		}
		if c.name != "other" {
			require.Equal(t, "test.plugin", attributes["plugboard.plugin"])
		}
		if c.code == 200 || c.code == 500 {
			require.Equal(t, "00-"+id+"-"+span.SpanContext.SpanID().String()+"-01", trace)
		}
	}
	spans.Reset()
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		k.do("GET", path, "")
	}
	require.Empty(t, spans.GetSpans())
}

func TestWithoutTracingTheCallersTraceIsPassedOn(t *testing.T) {
	t.Parallel()
	var trace string
	k := serve(t, func(b *app.Boot) {
		b.GET("/lamps", app.Handle(func(ctx context.Context, _ app.Empty) (app.Empty, error) {
			trace = app.CallFrom(ctx).Trace
			return app.Empty{}, nil
		}))
	}, func(p *httpserver.Params) { p.Tracing = noop.NewTracerProvider() })
	const caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	k.do("GET", "/lamps", "", "Traceparent: "+caller)
	require.Equal(t, caller, trace)
}
