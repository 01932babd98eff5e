package message

import (
	"context"
	"time"
)

// Repeat calls fn until ctx ends, each time after the wait that the last call returned.
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
