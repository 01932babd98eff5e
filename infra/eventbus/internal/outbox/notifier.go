package outbox

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// notifier tells those who wait for the outbox to be idle that something has been settled or claimed.
type notifier struct {
	waiting atomic.Int32
	mu      sync.Mutex
	// changed is closed and replaced by each tell.
	changed chan struct{}
}

// tell wakes those who wait.
func (n *notifier) tell() {
	if n.waiting.Load() == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.changed)
	n.changed = make(chan struct{})
}

// await returns nil once done reports true. It asks after each tell, and each poll.
func (n *notifier) await(ctx context.Context, poll time.Duration, done func() (bool, error)) error {
	n.waiting.Add(1)
	defer n.waiting.Add(-1)
	for {
		n.mu.Lock()
		changed := n.changed
		n.mu.Unlock()
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-time.After(poll):
		}
	}
}
