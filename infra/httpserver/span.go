package httpserver

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"plugboard/infra/logging"
	"plugboard/infra/telemetry"
)

// isProbe reports whether a path is that of a probe. Machines ask for those all the time: they are not traced, never too many, and may
// name any host, since they come by address.
func isProbe(path string) bool { return path == "/livez" || path == "/readyz" }

// beginSpan begins the span of the request, within that of its caller if the request had a valid traceparent. What the request causes
// belongs to the new span.
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
	if x.call.Principal != nil {
		x.span.SetAttributes(semconv.EnduserID(x.call.Principal.ID))
	}
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

// method returns the request's method twice: as the span's name begins with it, and as its attribute has it. The semantic conventions
// have other words in the two places for a method that HTTP does not define.
func (x *exchange) method() (name, attribute string) {
	if method := telemetry.Method(x.request.Method); method != telemetry.OtherMethod {
		return method, method
	}
	return "HTTP", "_OTHER"
}

// scheme returns the scheme of the connection to this server. A proxy in front may have got the request by another.
func (x *exchange) scheme() string {
	if x.request.TLS != nil {
		return "https"
	}
	return "http"
}

// identify sets the trace and the request id of the call. With tracing it begins a span, and the trace is that span's; without, it is the
// caller's traceparent. When the caller sent none, or a malformed one, identify makes a new one. The request id is the caller's
// X-Request-Id, or the trace id when the caller sent none or a malformed one.
func (x *exchange) identify() {
	h := x.request.Header
	if states := h["Tracestate"]; len(states) > 1 {
		h["Tracestate"] = []string{strings.Join(states, ",")} // several are one list (RFC 9110, section 5.3), of which OpenTelemetry reads the first
	}
	given := h["Traceparent"]
	called := len(given) == 1 && validTrace(given[0])
	if called {
		given[0] = knownFlags(given[0])
	}
	switch tracer := x.server.tracer; {
	case tracer != nil && !isProbe(x.request.URL.Path):
		x.beginSpan(tracer, called)
	case called:
		x.call.Trace, x.call.TraceState = given[0], traceState(h)
	default:
		x.call.Trace = newTrace()
	}
	if given := h["X-Request-Id"]; len(given) == 1 && validRequestID(given[0]) {
		x.call.RequestID = given[0]
	} else {
		x.call.RequestID = x.call.Trace[3:35] // the trace id
	}
}

// traceState returns the caller's tracestate as it came, unless it is not valid, or longer than what everybody must pass on (W3C Trace
// Context, section 3.3.1.5).
func traceState(h http.Header) string {
	const longest = 512
	state := h.Get("Tracestate")
	if _, err := trace.ParseTraceState(state); err != nil || len(state) > longest {
		return ""
	}
	return state
}

// validRequestID reports whether id matches [A-Za-z0-9._-]{1,64}.
func validRequestID(id string) bool {
	const characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return id != "" && len(id) <= 64 && strings.Trim(id, characters) == ""
}

// validTrace reports whether t is a traceparent as W3C Trace Context defines it for version 00, or one of a later version, whose beginning
// is read like that of 00 and which may have more behind it (section 3.2.4).
func validTrace(t string) bool {
	const length = 55
	if len(t) < length || t[2] != '-' || t[35] != '-' || t[52] != '-' {
		return false
	}
	if version := t[:2]; version == "ff" || !isHex(version) || len(t) > length && (version == "00" || t[length] != '-') {
		return false
	}
	t = t[:length]
	return isHex(t[3:35]) && isHex(t[36:52]) && isHex(t[53:]) &&
		strings.Trim(t[3:35], "0") != "" && strings.Trim(t[36:52], "0") != ""
}

// knownFlags returns the valid traceparent t in version 00, without the flags that this does not define. The standard demands that.
func knownFlags(t string) string {
	const flags, known = 53, 0b11
	if len(t) > flags+2 || t[:2] != "00" {
		t = "00" + t[2:flags+2]
	}
	if t[flags] == '0' && t[flags+1] <= '0'+known {
		return t
	}
	set, _ := strconv.ParseUint(t[flags:], 16, 8) // it is valid
	return t[:flags] + "0" + strconv.FormatUint(set&known, 16)
}

func isHex(text string) bool { return strings.Trim(text, "0123456789abcdef") == "" }

// newTrace makes a traceparent with random ids.
func newTrace() string {
	var random [24]byte
	var text [55]byte
	_, _ = rand.Read(random[:]) // never fails, by its contract
	copy(text[:], "00-")
	hex.Encode(text[3:35], random[:16])
	text[35] = '-'
	hex.Encode(text[36:52], random[16:])
	copy(text[52:], "-01")
	return string(text[:])
}
