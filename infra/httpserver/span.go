package httpserver

import (
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"plugboard/infra/telemetry"
)

// isProbe reports whether a path is one that machines ask for all the time, which is not traced.
func isProbe(path string) bool { return path == "/livez" || path == "/readyz" || path == "/metrics" }

// beginSpan begins the span of the request, within that of its caller if traceparent was right, and makes it the one that
// what the request causes belongs to.
func (x *exchange) beginSpan(tracer trace.Tracer, called bool) {
	ctx := x.request.Context()
	if called {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(x.request.Header))
	}
	ctx, x.span = tracer.Start(ctx, knownMethod(x.request.Method), trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(x.start))
	x.request = x.request.WithContext(ctx)
	x.call.Trace = telemetry.Traceparent(ctx)
}

// endSpan ends the span of the request, named and described as the semantic conventions for HTTP have it.
func (x *exchange) endSpan(status int) {
	if x.span == nil {
		return
	}
	defer x.span.End()
	if !x.span.IsRecording() {
		return
	}
	method := knownMethod(x.request.Method)
	if x.route != x.server.unknown {
		x.span.SetName(method + " " + x.route.path)
		x.span.SetAttributes(attribute.String("http.route", x.route.path))
	}
	x.span.SetAttributes(
		attribute.String("http.request.method", method), attribute.String("url.path", x.request.URL.Path),
		attribute.Int("http.response.status_code", status), attribute.Int64("http.response.body.size", x.bytes),
		attribute.String("plugboard.request_id", x.call.RequestID),
	)
	if x.call.Plugin != "" {
		x.span.SetAttributes(attribute.String("plugboard.plugin", x.call.Plugin))
	}
	if status >= http.StatusInternalServerError {
		x.span.SetAttributes(attribute.String("error.type", strconv.Itoa(status)))
		x.span.SetStatus(codes.Error, http.StatusText(status))
	}
}
