package httpclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"plugboard/app"
)

const idempotencyKey = "Idempotency-Key"

// prepared returns a copy of given with the headers that the client adds. It never replaces one that the caller has set. Call giveBack when
// the call has failed: a handler that makes it again then sends the same Idempotency-Key.
func (t *transport) prepared(ctx context.Context, given *http.Request) (request *http.Request, giveBack func()) {
	request, giveBack = given.Clone(ctx), func() {}
	h := request.Header
	if h == nil {
		h = http.Header{}
		request.Header = h
	}
	if id := app.RequestID(ctx); id != "" && h.Get("X-Request-Id") == "" {
		h.Set("X-Request-Id", id)
	}
	if h.Get("Traceparent") == "" {
		setTrace(ctx, h)
	}
	if h.Get(idempotencyKey) == "" && (given.Method == http.MethodPost || given.Method == http.MethodPatch) {
		first := firstOf(given)
		if key := deliveryKey(ctx, first); key != "" {
			call := app.CallFrom(ctx)
			giveBack = func() { call.GiveBackNumber(key) }
			if first == given {
				h.Set(idempotencyKey, numbered(key, call.NextNumber(key)))
			} else { // a redirect leads on: it is the same call
				h.Set(idempotencyKey, numbered(key, call.Number(key)))
			}
		}
	}
	return request, giveBack
}

// setTrace passes the trace on (W3C Trace Context): that of the span of ctx, or without tracing that of the request or the event
// that caused the call, as it came.
func setTrace(ctx context.Context, h http.Header) {
	if trace.SpanContextFromContext(ctx).IsValid() {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(h))
		return
	}
	if call := app.CallFrom(ctx); call != nil && call.Trace != "" {
		h.Set("Traceparent", call.Trace)
		if call.TraceState != "" {
			h.Set("Tracestate", call.TraceState)
		}
	}
}

// firstOf returns the request that redirects have led from to r.
func firstOf(r *http.Request) *http.Request {
	for r.Response != nil && r.Response.Request != nil {
		r = r.Response.Request
	}
	return r
}

// numbered returns the key of the nth of equal calls in one run of a handler.
func numbered(key string, n int) string {
	if n <= 1 {
		return key
	}
	return key + "-" + strconv.Itoa(n)
}

// largestHashed is the largest body that an Idempotency-Key is made for, in bytes.
const largestHashed = 8 << 20

// deliveryKey returns the Idempotency-Key of a call that belongs to a delivery, "" outside of one and for a body that cannot be read twice.
// It is made of the event, the subscription, the method, the URL and the body: another attempt of the delivery makes the same, and another
// call of the same handler another. Calls that are equal to the byte are told apart by their number.
func deliveryKey(ctx context.Context, r *http.Request) string {
	delivery, ok := app.DeliveryFrom(ctx)
	if !ok || !replayable(r) {
		return ""
	}
	hash := sha256.New()
	for _, part := range []string{delivery.Subscription, r.Method, r.URL.String()} {
		_, _ = io.WriteString(hash, part+"\x00") // a hash does not fail
	}
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return ""
		}
		n, err := io.Copy(hash, io.LimitReader(body, largestHashed+1))
		_ = body.Close() // it was only read
		if err != nil || n > largestHashed {
			return ""
		}
	}
	const enough = 8 // bytes: the event's id is unique by itself
	return delivery.EventID + "-" + hex.EncodeToString(hash.Sum(nil)[:enough])
}

// beginSpan begins the span of a call, as the semantic conventions for HTTP clients have it. The URL's user and query are left out,
// since both may be secret.
func (t *transport) beginSpan(ctx context.Context, r *http.Request) (context.Context, trace.Span) {
	if t.tracer == nil {
		return ctx, nil
	}
	port := r.URL.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[r.URL.Scheme]
	}
	number, _ := strconv.Atoi(port) // 0 for a scheme that is not known
	shown := *r.URL
	shown.User, shown.RawQuery, shown.Fragment = nil, "", ""
	return t.tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", r.Method), attribute.String("server.address", r.URL.Hostname()),
		attribute.Int("server.port", number), attribute.String("url.full", shown.String()),
	))
}

// endSpan ends the span of a call. Of an error it tells the kind alone, since the text may hold a URL with secrets.
func endSpan(span trace.Span, answer *http.Response, tries int, err error) {
	if span == nil {
		return
	}
	defer span.End()
	if tries > 1 {
		span.SetAttributes(attribute.Int("http.request.resend_count", tries-1))
	}
	if err != nil {
		span.SetAttributes(attribute.String("error.type", kindOf(err)))
		span.SetStatus(codes.Error, kindOf(err))
		return
	}
	span.SetAttributes(attribute.Int("http.response.status_code", answer.StatusCode))
	if answer.StatusCode >= http.StatusBadRequest {
		span.SetAttributes(attribute.String("error.type", strconv.Itoa(answer.StatusCode)))
		span.SetStatus(codes.Error, http.StatusText(answer.StatusCode))
	}
}
