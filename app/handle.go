package app

import (
	"context"
	"reflect"
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
