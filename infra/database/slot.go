package database

import (
	"context"
	"sync"
	"time"
)

// slot is held by whoever writes on SQLite. It is handed on in the order of asking: database/sql gives its one
// connection to whom it likes.
type slot struct {
	mu    sync.Mutex // guards the rest
	held  bool
	queue []*waiter
}

// waiter waits for the slot.
type waiter struct {
	// joins tells that the waiter is an InTx, which may go on in an open transaction.
	joins bool
	// turn gets the transaction that comes with the slot, or nil.
	turn chan *group
}

// take waits for the slot, no longer than limit. One that joins may get an open transaction with it, to go on in.
func (s *slot) take(ctx context.Context, limit time.Duration, joins bool) (*group, error) {
	s.mu.Lock()
	if !s.held {
		s.held = true
		s.mu.Unlock()
		return nil, nil
	}
	w := &waiter{joins: joins, turn: make(chan *group, 1)}
	s.queue = append(s.queue, w)
	s.mu.Unlock()
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
	if s.forget(w) {
		return nil, err
	}
	return <-w.turn, nil // its turn came at the same moment
}

// forget takes w out of the queue; it reports false when w's turn has come.
func (s *slot) forget(w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.queue {
		if s.queue[i] == w {
			s.queue = append(s.queue[:i], s.queue[i+1:]...)
			return true
		}
	}
	return false
}

// release gives the slot to the next waiter.
func (s *slot) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		s.held = false
		return
	}
	s.pop() <- nil
}

// wanted reports whether the next waiter can go on in an open transaction.
func (s *slot) wanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) > 0 && s.queue[0].joins
}

// pass gives the slot to the next waiter along with g, if that one can go on in g.
func (s *slot) pass(g *group) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 || !s.queue[0].joins {
		return false
	}
	s.pop() <- g
	return true
}

func (s *slot) pop() chan<- *group {
	w := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	return w.turn
}
