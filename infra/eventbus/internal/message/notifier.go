package message

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Notifier lets goroutines wait for a condition that other goroutines change. Its zero value is ready for use, and its methods may be
// called concurrently.
type Notifier struct {
	waiting atomic.Int32
	mu      sync.Mutex
	// changed is closed by the next Tell; nil when nobody has called Await since the last Tell.
	changed chan struct{}
}

// Tell makes each waiting goroutine check its condition again. It is cheap when nobody waits.
func (n *Notifier) Tell() {
	if n.waiting.Load() == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// Await waits until done returns true, and returns nil then. It returns early with the error of done or of ctx. It calls done at once,
// after each Tell, and once in each poll; with poll 0, only at once and after Tell.
func (n *Notifier) Await(ctx context.Context, poll time.Duration, done func() (bool, error)) error {
	n.waiting.Add(1)
	defer n.waiting.Add(-1)
	for {
		changed := n.change()
		if ok, err := done(); ok || err != nil {
			return err
		}
		var again <-chan time.Time
		if poll > 0 {
			again = time.After(poll)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-again:
		}
	}
}

func (n *Notifier) change() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed == nil {
		n.changed = make(chan struct{})
	}
	return n.changed
}
