package app

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Call is the state of one request or one event delivery while it is handled. The host puts one in the
// context with [WithCall]; plugins use it through [SetStatus], [SetHeader], [RequestID] and [Logger].
// It is safe for concurrent use.
type Call struct {
	// Plugin is the name of the plugin that handles the request or delivery.
	Plugin string
	// RequestID identifies the request that caused this work. A delivery has the id of its event.
	RequestID string
	// Trace is the W3C traceparent the work belongs to, or "".
	Trace string
	// TraceState is the W3C tracestate that came with Trace, for calls to other services; "" without any, and with tracing, where it belongs
	// to the span.
	TraceState string
	// Memory is the budget of the call; nil is without bounds.
	Memory Memory
	// Client is the network address of who made the request, as far as trusted proxies tell it; "" outside of requests.
	Client string
	// Principal is who made the request, nil when the host did not ask. It is set before a handler runs, and must not be changed.
	Principal *Principal
	// Cause is, for a delivery, the ID of the principal at the beginning of the chain, "" for nobody. A subscriber acts as itself, so
	// Principal is nil there. [Call.CausedBy] reads both.
	Cause string
	// Once is set for a request to an endpoint that is [Idempotent].
	Once *OnceRequest

	held    atomic.Int64 // reserved bytes
	keepers atomic.Int64 // how often Keep was called more than End
	// URL is the URL of the request, and nil for a delivery. It must not be changed.
	URL *url.URL

	mu     sync.Mutex
	openTx int
	status int
	header http.Header
	equal  map[string]int // how many equal things were done under a key
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

// CausedBy returns the ID of the principal at the beginning of the chain, which is who makes the request, or whose request led to the
// delivery; "" when nobody is known. It is for the host, which has it in events and logs.
func (c *Call) CausedBy() string {
	if c.Principal != nil {
		return c.Principal.ID
	}
	return c.Cause
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

func (c *Call) changeHeader(change func(http.Header)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.header == nil {
		c.header = make(http.Header, 1)
	}
	change(c.header)
}

// WriteHeader copies the headers set during the call to h; for the host.
func (c *Call) WriteHeader(h http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(h, c.header)
}

// NetworkOf returns the network of a client's address, as [ClientNetwork] does; for the host.
func NetworkOf(address string) netip.Prefix {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	const household = 64
	ip = ip.Unmap()
	network, err := ip.Prefix(min(ip.BitLen(), household))
	if err != nil {
		return netip.Prefix{}
	}
	return network
}

// HasHeader reports whether a header was set during the call; for the host.
func (c *Call) HasHeader(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.header[key]) > 0
}

// answerState is what a handler has set for the answer.
type answerState struct {
	status int
	header http.Header
}

// answerState returns a copy of what was set so far.
func (c *Call) answerState() answerState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return answerState{c.status, c.header.Clone()}
}

// reset takes back what was set since s.
func (c *Call) reset(s answerState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status, c.header = s.status, s.header.Clone()
}

// headerSince returns the headers that were changed since s.
func (c *Call) headerSince(s answerState) http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := c.header.Clone()
	maps.DeleteFunc(changed, func(key string, values []string) bool { return slices.Equal(values, s.header[key]) })
	return changed
}

// replay sets what the work of an earlier request has set.
func (c *Call) replay(answer OnceAnswer) {
	c.SetStatus(answer.Status)
	c.changeHeader(func(h http.Header) { maps.Copy(h, answer.Header) })
}

// NextNumber counts equal things that this call does under a key, from 1; for the host, which tells equal requests to other services apart.
// A nil Call counts nothing.
func (c *Call) NextNumber(key string) int {
	if c == nil {
		return 1
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.equal == nil {
		c.equal = map[string]int{}
	}
	c.equal[key]++
	return c.equal[key]
}

// GiveBackNumber takes the last NextNumber of key back.
func (c *Call) GiveBackNumber(key string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.equal[key]--
}

// Number returns the last NextNumber of key.
func (c *Call) Number(key string) int {
	if c == nil {
		return 1
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.equal[key]
}

// EnterTx notes that a transaction is open in this call, until leave is called; for the host, which refuses database
// work outside the transaction meanwhile.
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

// Memory is the budget that all requests and deliveries share; for the host. It is safe for concurrent use.
type Memory interface {
	// Reserve takes n bytes, at once or not at all. The error is one that a caller may see.
	Reserve(n int64) error
	// Release gives n reserved bytes back.
	Release(n int64)
}

// Reserve takes n bytes until the call has ended; see the function [Reserve].
func (c *Call) Reserve(n int64) error {
	if c.Memory == nil || n <= 0 {
		return nil
	}
	if err := c.Memory.Reserve(n); err != nil {
		return err
	}
	c.held.Add(n)
	if c.keepers.Load() < 0 { // a goroutine has outlived its handler
		c.giveBack()
	}
	return nil
}

// Keep keeps the reserved bytes until [Call.End] has been called once more; for the host, whose work may outlive the
// request.
func (c *Call) Keep() { c.keepers.Add(1) }

// End gives the reserved bytes back, when it has been called once more often than [Call.Keep]; for the host.
func (c *Call) End() {
	if c.keepers.Add(-1) < 0 {
		c.giveBack()
	}
}

func (c *Call) giveBack() {
	if held := c.held.Swap(0); held > 0 {
		c.Memory.Release(held)
	}
}

// PanicError is a recovered panic; for the host.
type PanicError struct {
	Value any
	// Stack is the stack of the goroutine at the panic. Error does not show it.
	Stack []byte
}

// Error returns the value of the panic as text.
func (p *PanicError) Error() string { return fmt.Sprintf("panicked: %v", p.Value) }

// Recover is deferred; it sets err to a [PanicError] when the function panics; for the host.
func Recover(err *error) {
	if v := recover(); v != nil {
		*err = &PanicError{Value: v, Stack: debug.Stack()}
	}
}

// Sleep waits for d and reports false when ctx ended before; for the host.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
