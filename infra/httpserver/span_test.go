package httpserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"

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
		{"GET", "/lamps/1", "01" + caller[2:], "GET /lamps/:id", "Unset", 200}, // a later version is read like this one
		{"GET", "/lamps/2", "", "GET /lamps/:id", "Error", 500},
		{"GET", "/lamps/3", "", "GET /lamps/:id", "Error", 500},
		{"GET", "/lamps/x", "", "GET /lamps/:id", "Unset", 422},
		{"BREW", "/nowhere/secret", "", "HTTP", "Unset", 404},
		{"other", "/nowhere/secret", "", "HTTP", "Unset", 404},
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
		if strings.HasSuffix(c.traceparent, caller[2:]) {
			require.Equal(t, caller[3:35], id)
			require.Equal(t, caller[36:52], span.Parent.SpanID().String())
		} else {
			require.False(t, span.Parent.IsValid())
		}
		require.Equal(t, "http", attributes["url.scheme"])
		if c.name != "HTTP" {
			require.Equal(t, "test.plugin", attributes["plugboard.plugin"])
			require.Equal(t, "GET", attributes["http.request.method"])
		} else {
			require.Equal(t, "_OTHER", attributes["http.request.method"])
		}
		if c.code == 200 || c.code == 500 {
			require.Equal(t, "00-"+id+"-"+span.SpanContext.SpanID().String()+"-01", trace)
		}
	}
	spans.Reset()
	for _, path := range []string{"/livez", "/readyz"} {
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

// Flags that version 00 of traceparent does not define are ignored, with tracing and without, and not passed on.
func TestUnknownFlagsOfATraceparentAreIgnored(t *testing.T) {
	t.Parallel()
	const id, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for _, tracing := range []trace.TracerProvider{noop.NewTracerProvider(), sdktrace.NewTracerProvider()} {
		var got string
		k := serve(t, func(b *app.Boot) {
			b.GET("/lamps", app.Handle(func(ctx context.Context, _ app.Empty) (app.Empty, error) {
				got = app.CallFrom(ctx).Trace
				return app.Empty{}, nil
			}))
		}, func(p *httpserver.Params) { p.Tracing = tracing })
		for given, known := range map[string]string{"00": "00", "01": "01", "03": "03", "04": "00", "0d": "01", "ff": "03", "a2": "02"} {
			w := k.do("GET", "/lamps", "", "Traceparent: 00-"+id+"-"+parent+"-"+given)
			require.Equal(t, id, w.Header().Get("X-Request-Id"))
			require.Equal(t, id, got[3:35])
			require.Equal(t, known, got[53:], given)
		}
	}
}

// An answer that breaks off is a failure in the log, the metrics and the trace, whatever its head said; one whose client has
// left is counted as such, and logged for those who debug alone.
func TestAnAnswerThatBreaksOffIsNoSuccess(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	var leave context.CancelFunc
	k := serve(t, func(b *app.Boot) {
		b.Raw("GET", "/late", func(c *gin.Context) { c.String(200, "begun"); panic("late") })
		b.Raw("GET", "/abort", func(*gin.Context) { panic(http.ErrAbortHandler) })
		b.Raw("GET", "/proxy", func(*gin.Context) { leave(); panic(http.ErrAbortHandler) })
		b.GET("/broken", app.Handle(func(context.Context, nothing) (app.Binary, error) {
			return app.Binary{ContentType: "text/plain", Stream: io.MultiReader(strings.NewReader(strings.Repeat("x", 64<<10)), iotest.ErrReader(errors.New("disk gone")))}, nil
		}))
		b.GET("/left", app.Handle(func(ctx context.Context, _ nothing) (app.Binary, error) {
			rest := iotest.ErrReader(context.Canceled)
			return app.Binary{ContentType: "text/plain", Stream: io.MultiReader(strings.NewReader(strings.Repeat("x", 64<<10)), callReader(leave), rest)}, nil
		}))
	}, func(p *httpserver.Params) {
		p.Tracing = sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
		registry := prometheus.NewRegistry()
		p.Registerer, p.Gatherer = registry, registry
	})
	for _, c := range []struct {
		path   string
		logged int64
		span   string
		errors int
	}{
		{"/late", 500, "Error", 1}, {"/abort", 500, "Error", 0}, {"/broken", 500, "Error", 1},
		{"/proxy", 499, "Unset", 0}, {"/left", 499, "Unset", 0},
	} {
		spans.Reset()
		k.logs.TakeAll()
		ctx, cancel := context.WithCancel(t.Context())
		leave = cancel
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, c.path, http.NoBody)
		require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { k.Handler().ServeHTTP(httptest.NewRecorder(), r) }, c.path)
		cancel()
		require.Equal(t, c.logged, k.logs.FilterMessage("request").All()[0].ContextMap()["status"], c.path)
		require.Equal(t, c.span, spans.GetSpans()[0].Status.Code.String(), c.path)
		require.Equal(t, c.errors, k.logs.FilterLevelExact(zap.ErrorLevel).Len(), c.path)
		require.Contains(t, k.metrics(),
			fmt.Sprintf(`plugboard_http_requests_total{method="GET",route=%q,status="%d"} 1`, c.path, c.logged))
	}
}

// callReader is an empty reader that calls a function when it is read.
type callReader func()

// Read implements io.Reader.
func (f callReader) Read([]byte) (int, error) { f(); return 0, io.EOF }

// A client whose connection breaks while it takes an answer has left.
func TestAnAnswerThatCannotBeWrittenIsOfAClientThatLeft(t *testing.T) {
	t.Parallel()
	k := answering(t, func(context.Context) (app.Binary, error) {
		return app.Binary{ContentType: "text/plain", Stream: strings.NewReader(strings.Repeat("x", 64<<10))}, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/x", http.NoBody)
	k.Handler().ServeHTTP(brokenWriter{httptest.NewRecorder(), cancel}, r)
	require.EqualValues(t, 499, k.logs.FilterMessage("request").All()[0].ContextMap()["status"])
}

// brokenWriter fails as a connection does that broke: net/http ends the request's context with it.
type brokenWriter struct {
	http.ResponseWriter
	leave context.CancelFunc
}

// Write implements io.Writer.
func (w brokenWriter) Write([]byte) (int, error) { w.leave(); return 0, io.ErrClosedPipe }
