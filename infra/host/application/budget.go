package application

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plugboard/app"
)

// grace is how long a function may go on after its context has ended.
const grace = time.Second

// ErrAbandoned marks work that did not return in time. Its goroutine is left behind.
var ErrAbandoned = errors.New("abandoned")

// within runs fn with a context that ends after budget, and returns its error. When fn goes on although its context has
// ended, within abandons it after a grace period. A panic or a runtime.Goexit of fn is returned as an error.
func within(ctx context.Context, budget time.Duration, fn func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	done := make(chan error, 1)
	go protect(limited, fn, done)
	select {
	case err := <-done:
		return inTime(ctx, limited, budget, err)
	case <-limited.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-done:
		return inTime(ctx, limited, budget, err)
	case <-timer.C:
		return overrun(ctx, budget)
	}
}

func overrun(ctx context.Context, budget time.Duration) error {
	if ctx.Err() != nil {
		return fmt.Errorf("did not return when it was told to stop, and was %w: %w", ErrAbandoned, context.Cause(ctx))
	}
	return fmt.Errorf("did not return within %s, and was %w", budget, ErrAbandoned)
}

// inTime adds to err that the budget was used up, if that is why fn failed.
func inTime(ctx, limited context.Context, budget time.Duration, err error) error {
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return fmt.Errorf("did not finish within %s: %w", budget, err)
	}
	return err
}

// protect sends the error of fn to done, however fn ends.
func protect(ctx context.Context, fn func(context.Context) error, done chan<- error) {
	err := errors.New("ended its goroutine instead of returning")
	defer func() { done <- err }()
	defer app.Recover(&err)
	err = fn(ctx)
}
