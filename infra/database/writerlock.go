package database

import (
	"context"
	"sync"
	"time"
)

// writerLock gives the right to write on SQLite to one at a time, first come, first served. The pool of database/sql has one connection for
// writing too, but a waiter there cannot be given a group.
//
// Transactions and ExecContext take the lock. A query that writes outside a transaction, such as INSERT … RETURNING, does not, because
// its rows may stay open for long: it waits for the connection itself, in the queue of database/sql.
type writerLock struct {
	mu    sync.Mutex // guards the rest
	held  bool
	queue []*waiter
}

// waiter waits for the lock.
type waiter struct {
	// joins is true if the waiter can become a member of a group.
	joins bool
	// turn receives the group that comes with the lock; nil if none comes.
	turn chan *group
}

// take waits for the lock, no longer than limit. If joins is true, the lock may come with a group, and the caller has to become its next
// member. The group is nil if none came.
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

// wanted reports whether the next waiter can become a member of a group.
func (l *writerLock) wanted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) > 0 && l.queue[0].joins
}

// handOver gives the lock and g to the next waiter. It reports false, and gives nothing, if that waiter cannot become a member.
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
