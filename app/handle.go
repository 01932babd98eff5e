package app

import (
	"context"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/zap"
)

// Handler is a typed endpoint handler. Make it with [Handle] or [HandleCPU].
type Handler struct {
	request  reflect.Type
	response reflect.Type
	cpu      bool
	function uintptr // the address of the function, for its name
	newCall  func() Invocation
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

// Optional is a field of a PATCH body that may be cleared. It distinguishes a member that was omitted (Set is false),
// one that is null (Set and Null), and one with a value (Set).
type Optional[T any] struct {
	// Set tells whether the member was there.
	Set bool
	// Null tells whether it was null.
	Null bool
	// Value is the value, when Set and not Null.
	Value T
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (o *Optional[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	o.Set = true
	if dec.PeekKind() == 'n' {
		o.Null = true
		return dec.SkipValue()
	}
	return json.UnmarshalDecode(dec, &o.Value)
}

// Ptr returns nil when the value is absent or null, else a pointer to it.
func (o Optional[T]) Ptr() *T {
	if !o.Set || o.Null {
		return nil
	}
	v := o.Value
	return &v
}

// RawBody is the type of a request field that takes the whole body as it was sent, byte for byte, for example to check the
// signature of a webhook. It stands beside JSON fields, which are filled as well, or alone; then the endpoint takes a body
// of any media type. The field needs no tag, and the bytes belong to the request.
type RawBody []byte

// File is an uploaded file. A request field of type *File with a form tag is filled from the multipart part of that
// name. It is nil when the part is missing, and when the user chose no file: a browser then sends a part without name
// and content. binding:"required" refuses both. The content is in memory and belongs to the request, so a CPU-bound
// handler may use it.
type File struct {
	// Name is the file name the client sent, without any folder: never empty, and never "." or "..". It is the
	// client's claim and must not be used as a path.
	Name string
	// ContentType is the media type the client claimed.
	ContentType string
	// Content is the whole file.
	Content []byte
}

// SchemaTeller is implemented by types with a JSON form of their own (MarshalJSON, UnmarshalJSON, MarshalText and the
// like), which describe it for the documentation.
type SchemaTeller interface {
	// JSONSchema returns a JSON Schema (draft 2020-12) of the form, as JSON text:
	// {"type":"string","pattern":"^[0-9]+\\.[0-9]{2}$"}. It is called on the zero value and must always return the same.
	JSONSchema() string
}

// Job is what a CPU-bound function gets instead of a context. It is deliberately not a context: nothing
// that does I/O can be called with it.
type Job interface {
	// Done is closed when nobody waits for the result any more: the caller has gone, or the deadline
	// has passed. Long computations look at it between steps and return early.
	Done() <-chan struct{}
	// SetStatus overrides the HTTP status of the answer, as [SetStatus] does for I/O handlers. Outside
	// an HTTP request it does nothing.
	SetStatus(status int)
	// Reserve asks for n bytes before the job allocates them, as the function [Reserve] does. The bytes are
	// given back when the job ends, also when that is after its caller has gone.
	Reserve(n int64) error
	// Logger returns the logger of the plugin, with the request id.
	Logger() *zap.Logger
}

// Pool runs CPU-bound work on a bounded number of workers, which are kept from starving I/O. Plugins
// get one from Fx and use it through [Compute]; endpoints made with [HandleCPU] use it by themselves.
// It is safe for concurrent use.
type Pool interface {
	// Run runs work on a worker and returns its result. It waits until the work is done or ctx is done. In the second
	// case the error wraps that of ctx: work that has not started never starts, work that has started runs on without a
	// caller. When the queue is full, or the share of it that one plugin may use, Run returns an [Unavailable] error at
	// once. A panic in work, or a runtime.Goexit, is returned as an error. The calling plugin is taken from ctx.
	Run(ctx context.Context, work func(Job) (any, error)) (any, error)
}

// Compute runs one CPU-bound section of an I/O handler or a subscriber on the pool and waits for it: load, compute,
// store. [Pool] says what it returns when the pool is full or ctx is done. The function must not use ctx. It may run on
// after ctx is done, so it must own the memory that it uses.
func Compute[T any](ctx context.Context, pool Pool, fn func(Job) (T, error)) (T, error) {
	var zero T
	v, err := pool.Run(ctx, func(job Job) (any, error) { return fn(job) })
	if err != nil {
		return zero, err
	}
	t, ok := v.(T)
	if !ok && v != nil {
		return zero, fmt.Errorf("compute: the pool returned %T", v)
	}
	return t, nil
}

// Admits returns nil when the pool would take a job of ctx's plugin now, and the error of [Compute] otherwise. A handler asks before costly work,
// such as statements, that is in vain when the pool is full; between the two others may fill it. The host asks for endpoints made with [HandleCPU]. A
// Pool of a test's own that cannot tell admits everything.
func Admits(ctx context.Context, pool Pool) error {
	if asked, ok := pool.(interface {
		Refuses(ctx context.Context) error
	}); ok {
		return asked.Refuses(ctx)
	}
	return nil
}
