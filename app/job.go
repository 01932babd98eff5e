package app

import (
	"context"
	"fmt"

	"go.uber.org/zap"
)

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
