package httpserver

import (
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"plugboard/infra/logging"
	"plugboard/infra/telemetry"
)

// isProbe reports whether a path is one that machines ask for all the time, which is not traced.
func isProbe(path string) bool { return path == "/livez" || path == "/readyz" }

// beginSpan begins the span of the request, within that of its caller if traceparent was right, and makes it the one that
// what the request causes belongs to.
func (x *exchange) beginSpan(tracer trace.Tracer, called bool) {
	ctx := x.request.Context()
	if called {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(x.request.Header))
	}
	ctx, x.span = tracer.Start(ctx, "HTTP", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(x.start))
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
	name, method := x.method()
	if x.route != x.server.unknown {
		name += " " + x.route.path
		x.span.SetAttributes(attribute.String("http.route", x.route.path))
	}
	x.span.SetName(name)
	x.span.SetAttributes(
		attribute.String("http.request.method", method), attribute.String("url.path", logging.Clip(x.request.URL.Path, longGiven)), attribute.String("url.scheme", x.scheme()),
		attribute.Int("http.response.status_code", status), attribute.Int64("http.response.body.size", x.bytes),
		attribute.String("plugboard.request_id", x.call.RequestID),
	)
	if x.call.Plugin != "" {
		x.span.SetAttributes(attribute.String("plugboard.plugin", x.call.Plugin))
	}
	switch {
	case x.broken && !x.gone:
		x.span.SetAttributes(attribute.String("error.type", "broken_off"))
		x.span.SetStatus(codes.Error, "the answer broke off")
	case status >= http.StatusInternalServerError:
		x.span.SetAttributes(attribute.String("error.type", strconv.Itoa(status)))
		x.span.SetStatus(codes.Error, http.StatusText(status))
	}
}

// method returns the request's method as the name of a span begins with it, and as its attribute.
func (x *exchange) method() (name, attribute string) {
	if method := knownMethod(x.request.Method); method != otherMethod {
		return method, method
	}
	return "HTTP", "_OTHER"
}

// scheme returns what the request came to this server by; that by which it came to a proxy before it is not known.
func (x *exchange) scheme() string {
	if x.request.TLS != nil {
		return "https"
	}
	return "http"
}
