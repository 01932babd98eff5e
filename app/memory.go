package app

import "context"

// Reserve asks for n bytes before a handler allocates them: when the service has no room for them it returns the error to
// answer with, and otherwise the host takes the bytes back by itself when the request or the delivery ends.
//
// It is for large work, some hundred kilobytes and more: a decoded image, a file that is loaded whole. The host has already
// reserved the request's body, and reserves binary answers. The error is [Unavailable], for which the caller is told when
// to try again, or [TooLarge] when n is more than the service may ever use. In a job, use [Job]'s Reserve.
func Reserve(ctx context.Context, n int64) error {
	if c := CallFrom(ctx); c != nil {
		return c.Reserve(n)
	}
	return nil
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
	if c.keepers.Load() < 0 { // by a goroutine that outlives its handler
		c.giveBack()
	}
	return nil
}

// Keep holds what the call has reserved until [Call.End] was called once more; for the host, which keeps it for work that
// may outlive the request.
func (c *Call) Keep() { c.keepers.Add(1) }

// End gives back what the call has reserved, once it has been called as often as [Call.Keep] and once more; for the host.
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
