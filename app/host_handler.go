package app

import (
	"context"
	"net/http"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
)

// Invocation is one run of a [Handler], for the host: fill Request, run, read Response. It belongs to
// one goroutine at a time.
type Invocation interface {
	// Request returns a pointer to the zero request, to be filled before the run.
	Request() any
	// Run calls an I/O handler. It must not be called for a CPU-bound one.
	Run(ctx context.Context) error
	// RunJob calls a CPU-bound handler. It must not be called for an I/O one.
	RunJob(job Job) error
	// Response returns a pointer to the response, valid after a run without error.
	Response() any
}

// IsZero reports whether h was made by neither [Handle] nor [HandleCPU]; for the host.
func (h Handler) IsZero() bool { return h.newCall == nil }

// RequestType returns the type of the request struct; for the host.
func (h Handler) RequestType() reflect.Type { return h.request }

// ResponseType returns the type of the result; for the host.
func (h Handler) ResponseType() reflect.Type { return h.response }

// CPU reports whether h runs on the work pool; for the host.
func (h Handler) CPU() bool { return h.cpu }

// Name returns the name of the handler's function or method: "Execute". It is "" for a function literal; for the host.
func (h Handler) Name() string { return functionName(h.function) }

// NewCall starts one invocation; for the host.
func (h Handler) NewCall() Invocation { return h.newCall() }

// FunctionName returns the name of a function or method value, without its package and receiver; "" for a function literal. It
// is for the host.
func FunctionName(fn any) string { return functionName(reflect.ValueOf(fn).Pointer()) }

func functionName(pc uintptr) string {
	f := runtime.FuncForPC(pc)
	if f == nil {
		return ""
	}
	name := strings.TrimSuffix(f.Name(), "-fm") // the mark of a method value
	name = name[strings.LastIndexByte(name, '.')+1:]
	if literal.MatchString(name) {
		return ""
	}
	return name
}

// literal matches the names that the compiler gives to function literals.
var literal = regexp.MustCompile(`^(func)?\d+$`)

type ioInvocation[Req, Res any] struct {
	fn  func(context.Context, Req) (Res, error)
	req Req
	res Res
}

func (c *ioInvocation[Req, Res]) Request() any  { return &c.req }
func (c *ioInvocation[Req, Res]) Response() any { return &c.res }
func (c *ioInvocation[Req, Res]) Run(ctx context.Context) (err error) {
	c.res, err = c.fn(ctx, c.req)
	return err
}
func (c *ioInvocation[Req, Res]) RunJob(Job) error { panic("app: an I/O handler run as a job") }

type cpuInvocation[Req, Res any] struct {
	fn  func(Job, Req) (Res, error)
	req Req
	res Res
}

func (c *cpuInvocation[Req, Res]) Request() any  { return &c.req }
func (c *cpuInvocation[Req, Res]) Response() any { return &c.res }
func (c *cpuInvocation[Req, Res]) Run(context.Context) error {
	panic("app: a CPU-bound handler run outside the work pool")
}
func (c *cpuInvocation[Req, Res]) RunJob(job Job) (err error) {
	c.res, err = c.fn(job, c.req)
	return err
}

// Transactor is implemented by the connection pool behind the *gorm.DB that plugins get; for the host.
type Transactor interface {
	// InTx runs fn as [InTx] describes.
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Searcher is implemented by the connection pool behind the *gorm.DB that plugins get; for the host.
type Searcher interface {
	// Search runs fn, whose statements have no index to use. Only a few searches run at a time, and each has a deadline.
	// The error is [Unavailable] when there is no place for the search, [TimedOut] after the deadline.
	Search(ctx context.Context, fn func(ctx context.Context) error) error
}

// OnceClaim is a request that names itself with an Idempotency-Key; for the host.
type OnceClaim struct {
	// ID identifies the key within its scope: the principal and the route.
	ID [32]byte
	// Fingerprint is equal for repeats of one request, and different for different requests.
	Fingerprint [32]byte
}

// OnceAnswer is an answer that is kept for repeats of its request; for the host.
type OnceAnswer struct {
	Status int
	// Header are the headers that the work set.
	Header http.Header
	// Data is the data of the answer as JSON, byte for byte as it is sent; nil where the status has no body.
	Data []byte
}

// OnceStore is implemented by the connection pool behind the *gorm.DB that plugins get; for the host.
type OnceStore interface {
	Transactor
	// Once returns the answer that is stored for claim, and true. If there is none it runs fn in a transaction, as [InTx] does, which
	// stores what fn returns, and returns that and false. The error is [Conflict] while the same claim is worked on, here or in another
	// process, and comes without a wait; it is [Invalid] if the answer stored is that of a request with another fingerprint.
	Once(ctx context.Context, claim OnceClaim, fn func(ctx context.Context) (OnceAnswer, error)) (answer OnceAnswer, replayed bool, err error)
}

// ChangeCounter is implemented by the connection pool behind the *gorm.DB that plugins get; for the host.
type ChangeCounter interface {
	// Changes does what the function [Changes] describes.
	Changes() (n uint64, ok bool)
}

// OnceRequest is what [Once] needs to know of a request; for the host, which puts one into the [Call] of each request to an endpoint
// that is [Idempotent].
type OnceRequest struct {
	// Claim is nil for a request without a key. It is set before the handler runs.
	Claim *OnceClaim
	// Encode returns the answer with data, a pointer to the result, with the status that was set, 0 for none. Its error is a bug of the
	// plugin.
	Encode func(status int, data any) (OnceAnswer, error)

	begun    atomic.Bool
	answer   atomic.Pointer[OnceAnswer]
	replayed atomic.Bool
}

// Answer returns the answer that Once stored or found, nil if it did neither, and whether it is that of an earlier request.
func (r *OnceRequest) Answer() (answer *OnceAnswer, replayed bool) {
	return r.answer.Load(), r.replayed.Load()
}

// OptionalValue returns the value for validation, and nil when there is none; for the host.
func (o Optional[T]) OptionalValue() any {
	if !o.Set || o.Null {
		return nil
	}
	return o.Value
}
