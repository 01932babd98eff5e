package app

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
)

// Call is the state of one request or one event delivery while it is handled. The host puts one in the
// context with [WithCall]; plugins use it through [SetStatus], [SetHeader], [RequestID] and [Logger].
// It is safe for concurrent use.
type Call struct {
	// Plugin is the name of the plugin that handles the request or delivery.
	Plugin string
	// RequestID identifies the request that caused this work; a delivery has that of its event.
	RequestID string
	// Trace is the W3C traceparent the work belongs to, or "".
	Trace string
	// Memory is what the call reserves from; nil is without bounds.
	Memory Memory

	held    atomic.Int64 // reserved bytes
	keepers atomic.Int64 // those besides the request or delivery that keep them
	// URL is what the request asked for; nil for a delivery. It must not be changed.
	URL *url.URL

	mu     sync.Mutex
	openTx int
	status int
	header http.Header
}

type callKey struct{}

// WithCall returns a context that carries call; for the host.
func WithCall(ctx context.Context, call *Call) context.Context {
	return context.WithValue(ctx, callKey{}, call)
}

// CallFrom returns the call ctx carries, or nil; for the host.
func CallFrom(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// SetStatus overrides the HTTP status of the answer. A status of 400 or more changes that of a failure;
// one below 400 changes that of a success. A status of 400 or more on an answer without an error is a
// bug, which is logged and answered 500. Outside a request SetStatus does nothing.
func SetStatus(ctx context.Context, status int) {
	if c := CallFrom(ctx); c != nil {
		c.SetStatus(status)
	}
}

// SetHeader sets a header of the answer, for example Location, in place of what was set or added before. Headers that the
// host owns (Content-Type, Content-Length, X-Request-ID and the like) are overwritten by it. Outside a request it does
// nothing.
func SetHeader(ctx context.Context, key, value string) {
	if c := CallFrom(ctx); c != nil {
		c.changeHeader(func(h http.Header) { h.Set(key, value) })
	}
}

// AddHeader adds a value to a header of the answer, beside those it has: a second Link, for example. See [SetHeader].
func AddHeader(ctx context.Context, key, value string) {
	if c := CallFrom(ctx); c != nil {
		c.changeHeader(func(h http.Header) { h.Add(key, value) })
	}
}

func (c *Call) changeHeader(change func(http.Header)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.header == nil {
		c.header = make(http.Header, 1)
	}
	change(c.header)
}

// RequestID returns the id of the request that caused the current work, or "".
func RequestID(ctx context.Context) string {
	if c := CallFrom(ctx); c != nil {
		return c.RequestID
	}
	return ""
}

// PluginName returns the name of the plugin that handles the current work, or "".
func PluginName(ctx context.Context) string {
	if c := CallFrom(ctx); c != nil {
		return c.Plugin
	}
	return ""
}

// Logger returns logger with the request id of the current work added, where there is one.
func Logger(ctx context.Context, logger *zap.Logger) *zap.Logger {
	if id := RequestID(ctx); id != "" {
		return logger.With(zap.String("request_id", id))
	}
	return logger
}

// SetStatus records the status; see the function [SetStatus].
func (c *Call) SetStatus(status int) {
	c.mu.Lock()
	c.status = status
	c.mu.Unlock()
}

// Status returns the status set, or 0; for the host.
func (c *Call) Status() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// WriteHeader copies the headers set during the call to h; for the host.
func (c *Call) WriteHeader(h http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(h, c.header)
}

// EnterTx notes that a transaction is open in this call until leave is called; for the host, which uses it
// to refuse database work that forgets the transaction it is in.
func (c *Call) EnterTx() (leave func()) {
	c.mu.Lock()
	c.openTx++
	c.mu.Unlock()
	return sync.OnceFunc(func() {
		c.mu.Lock()
		c.openTx--
		c.mu.Unlock()
	})
}

// InTx reports whether a transaction is open in this call; for the host.
func (c *Call) InTx() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.openTx > 0
}
