package app

import (
	"context"
	"reflect"
	"regexp"
	"runtime"
	"strings"
)

// Handler is a typed endpoint handler. Make it with [Handle] or [HandleCPU].
type Handler struct {
	request  reflect.Type
	response reflect.Type
	cpu      bool
	function uintptr // where the function begins, to tell its name
	newCall  func() Invocation
}

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

// Handle makes an endpoint of an I/O-bound function: one that queries the database, publishes events or
// calls other services. It runs on the request's goroutine and must pass its context on.
func Handle[Req, Res any](fn func(context.Context, Req) (Res, error)) Handler {
	return Handler{
		request:  reflect.TypeFor[Req](),
		response: reflect.TypeFor[Res](),
		function: reflect.ValueOf(fn).Pointer(),
		newCall:  func() Invocation { return &ioInvocation[Req, Res]{fn: fn} },
	}
}

// HandleCPU makes an endpoint of a CPU-bound function: image work, hashing, heavy computation. The host
// runs it on the work pool by itself. It gets a [Job] instead of a context, so that it cannot reach the
// database, the bus or the network; load before and store after in an I/O handler, with [Compute].
func HandleCPU[Req, Res any](fn func(Job, Req) (Res, error)) Handler {
	return Handler{
		request:  reflect.TypeFor[Req](),
		response: reflect.TypeFor[Res](),
		function: reflect.ValueOf(fn).Pointer(),
		cpu:      true,
		newCall:  func() Invocation { return &cpuInvocation[Req, Res]{fn: fn} },
	}
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

// NewCall starts one invocation; for the host.
func (h Handler) NewCall() Invocation { return h.newCall() }

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
