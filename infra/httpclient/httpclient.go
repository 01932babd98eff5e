// Package httpclient is the client that plugins call other services with.
//
// It is a plain *http.Client, which every constructor may ask for. Its transport adds what a call to a service needs that may be slow, broken
// or gone, in this order, from the outside in:
//
//	refuse    a call inside a database transaction, which would hold the database until the other side answers
//	deadline  the context's, or that of the settings where the context has none; it covers the body of the answer
//	header    traceparent and tracestate, X-Request-Id, and in a delivery the Idempotency-Key of what is no idempotent method
//	retry     of idempotent calls, within a budget for each target
//	breaker   for each target: one that fails is left alone for a while, then tried by one call
//	network   connections, with limits
//
// A target is a scheme, a host and a port. All of it is safe for concurrent use.
package httpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"

	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/telemetry"
)

// Network is what calls go out by, in the place of real connections. Tests give one.
type Network struct{ http.RoundTripper }

// Pace is how long the client waits; the zero value of a field is its default.
type Pace struct {
	// First and Longest bound the waits between two tries: 100 ms and 5 s.
	First, Longest time.Duration
	// CoolDown is how long a target that fails is left alone: 5 s.
	CoolDown time.Duration
}

// Params is what a client is made of. Fx fills it.
type Params struct {
	fx.In

	Settings config.Outgoing
	// Registerer gets the metrics; nil is none.
	Registerer prometheus.Registerer `optional:"true"`
	// Tracing gives each call a span; nil is none.
	Tracing trace.TracerProvider `optional:"true"`
	// Network replaces the network, Pace the waits.
	Network *Network `optional:"true"`
	Pace    Pace     `optional:"true"`
}

// Module provides *http.Client to Fx.
var Module = fx.Module("httpclient", fx.Provide(provide))

func provide(lc fx.Lifecycle, p Params) (*http.Client, error) {
	client, err := New(p)
	if err != nil {
		return nil, err
	}
	lc.Append(fx.Hook{OnStop: func(context.Context) error {
		client.CloseIdleConnections()
		return nil
	}})
	return client, nil
}

// mostRedirects is how many redirects one call follows, as those of net/http do.
const mostRedirects = 10

// New returns a client. It opens nothing. The error tells of metrics that are registered already.
func New(p Params) (*http.Client, error) {
	m, err := newMetrics(p.Registerer)
	if err != nil {
		return nil, err
	}
	network := http.RoundTripper(newNetwork())
	if p.Network != nil {
		network = p.Network.RoundTripper
	}
	t := &transport{
		settings: p.Settings, pace: p.Pace.orDefaults(), network: network, metrics: m,
		tracer: telemetry.Tracer(p.Tracing, "plugboard/infra/httpclient"), targets: newTargets(p.Pace.orDefaults(), m),
	}
	return &http.Client{Transport: t, CheckRedirect: checkRedirect}, nil
}

func (p Pace) orDefaults() Pace {
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{{&p.First, 100 * time.Millisecond}, {&p.Longest, 5 * time.Second}, {&p.CoolDown, 5 * time.Second}} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	return p
}

func checkRedirect(next *http.Request, via []*http.Request) error {
	if len(via) >= mostRedirects {
		return fmt.Errorf("stopped after %d redirects", mostRedirects)
	}
	if via[len(via)-1].URL.Scheme == "https" && next.URL.Scheme != "https" {
		return errors.New("a redirect leads from https to http")
	}
	return nil
}

// Limits of a connection. What an answer may have is in the settings.
const (
	connectTimeout = 5 * time.Second
	idleTimeout    = 90 * time.Second
	largestHead    = 256 << 10
	mostIdle       = 16 // connections to one host
	mostConns      = 128
)

// newNetwork returns a transport with limits. Proxies are those of the variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
func newNetwork() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: connectTimeout, KeepAlive: idleTimeout / 3}).DialContext, //nolint:mnd // a third
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    connectTimeout,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    mostIdle,
		MaxConnsPerHost:        mostConns,
		MaxResponseHeaderBytes: largestHead,
	}
}

// transport is the http.RoundTripper of the client.
type transport struct {
	settings config.Outgoing
	pace     Pace
	network  http.RoundTripper
	metrics  *metrics
	tracer   trace.Tracer // nil: no spans
	targets  *targets
}

// CloseIdleConnections closes the connections that no call uses.
func (t *transport) CloseIdleConnections() {
	if n, ok := t.network.(interface{ CloseIdleConnections() }); ok {
		n.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(given *http.Request) (*http.Response, error) {
	if database.InTransaction(given.Context()) {
		closeBody(given)
		t.metrics.refuse("transaction")
		return nil, fmt.Errorf("%s %s inside a database transaction, which would hold the database until the other side answers: "+
			"call before or after the transaction, or publish an event in it and call from a subscriber", given.Method, given.URL.Host)
	}
	ctx, cancel := t.deadline(given.Context())
	ctx, span := t.beginSpan(ctx, given)
	request, giveBack := t.prepared(ctx, given)
	target := t.targets.of(given.URL)
	begin := time.Now()
	answer, tries, err := t.try(request, target)
	t.metrics.observe(target.name, given.Method, answer, err, time.Since(begin))
	endSpan(span, answer, tries, err)
	if err != nil || again(answer.StatusCode) {
		giveBack()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	if rw, both := answer.Body.(io.ReadWriteCloser); both && answer.StatusCode == http.StatusSwitchingProtocols {
		answer.Body = &upgradedBody{rw, cancel}
		return answer, nil
	}
	answer.Body = &limitedBody{ReadCloser: answer.Body, left: int64(t.settings.BodyLimit), limit: int64(t.settings.BodyLimit), end: cancel}
	answer.Request = given
	return answer, nil
}

// deadline gives ctx the deadline of the settings, unless it has one.
func (t *transport) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, t.settings.Timeout)
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close() // it is not read any more
	}
}

// upgradedBody is the connection after 101: it is written to as well, and has the call's deadline.
type upgradedBody struct {
	io.ReadWriteCloser

	end context.CancelFunc
}

// Close implements io.Closer.
func (b *upgradedBody) Close() error {
	b.end()
	return b.ReadWriteCloser.Close()
}

// limitedBody is the body of an answer. It ends the call's context when it ends or is closed.
type limitedBody struct {
	io.ReadCloser

	left, limit int64
	end         context.CancelFunc
}

// Read implements io.Reader. It fails when the body is larger than the limit.
func (b *limitedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one more than allowed tells that there is more
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), fmt.Errorf("the answer is larger than %d bytes (APP_OUTGOING_BODY_LIMIT)", b.limit)
	}
	b.left -= int64(n)
	if err != nil {
		b.end()
	}
	return n, err
}

// Close implements io.Closer.
func (b *limitedBody) Close() error {
	b.end()
	return b.ReadCloser.Close()
}
