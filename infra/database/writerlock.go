package database

import (
	"context"
	"sync"
	"time"
)

// writerLock gives the right to write on SQLite to one at a time, in the order of asking. The pool of database/sql would give its
// one connection to any waiter.
type writerLock struct {
	mu    sync.Mutex // guards the rest
	held  bool
	queue []*waiter
}

// waiter waits for the lock.
type waiter struct {
	// joins tells that the waiter can go on in a group.
	joins bool
	// turn gets the group that comes with the lock, or nil.
	turn chan *group
}

// take waits for the lock, no longer than limit. A caller that joins may get a group with it, whose transaction it goes on in.
func (l *writerLock) take(ctx context.Context, limit time.Duration, joins bool) (*group, error) {
	l.mu.Lock()
	if !l.held {
		l.held = true
		l.mu.Unlock()
		return nil, nil
	}
	w := &waiter{joins: joins, turn: make(chan *group, 1)}
	l.queue = append(l.queue, w)
	l.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var err error
	select {
	case g := <-w.turn:
		return g, nil
	case <-timer.C:
		err = busy(errBusy)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if l.forget(w) {
		return nil, err
	}
	return <-w.turn, nil // the turn came at the same moment as the end of the wait
}

// forget removes w from the queue. It reports false if w has been given the lock.
func (l *writerLock) forget(w *waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.queue {
		if l.queue[i] == w {
			l.queue = append(l.queue[:i], l.queue[i+1:]...)
			return true
		}
	}
	return false
}

// release gives the lock to the next waiter.
func (l *writerLock) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		l.held = false
		return
	}
	l.pop() <- nil
}

// wanted reports whether there is a next waiter and it can go on in a group.
func (l *writerLock) wanted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) > 0 && l.queue[0].joins
}

// handOver gives the lock to the next waiter along with g, if that one can go on in g.
func (l *writerLock) handOver(g *group) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 || !l.queue[0].joins {
		return false
	}
	l.pop() <- g
	return true
}

func (l *writerLock) pop() chan<- *group {
	w := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	return w.turn
}
