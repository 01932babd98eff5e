package message

import (
	"context"
	"time"
)

// Repeat calls fn at once, and again after the wait that fn returned, until ctx ends.
func Repeat(ctx context.Context, fn func() time.Duration) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			timer.Reset(fn())
		}
	}
}
