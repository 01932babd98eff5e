package eventbus

import (
	"context"
	"errors"
	"time"
)

// Bounds of the transactional handlers of one transaction on SQLite, whose one writer it holds.
const (
	txBatch  = 64
	txBudget = 20 * time.Millisecond
	// abandonAfter is the grace a transactional handler on SQLite has after its timeout, before the transaction is
	// taken from under it.
	abandonAfter = 100 * time.Millisecond
)

// errAbandoned gives up a transaction because a handler in it did not end.
var errAbandoned = errors.New("an event handler outlived its timeout and grace")

// txRun is one transactional delivery in a batch.
type txRun struct {
	d         *Incoming
	err       error
	abandoned bool
}

// txReady reports whether a transactional delivery waits.
func (s *settler) txReady() bool {
	if s.o.store.postgres {
		return false
	}
	for _, l := range s.o.lanes {
		if l.pulled && l.waits() {
			return true
		}
	}
	return false
}

// runTx runs waiting transactional deliveries, each in a savepoint, until the bounds are reached. Ran holds those of
// an earlier try of the same transaction, which are run again first.
func (s *settler) runTx(ctx context.Context, ran []*txRun) ([]*txRun, error) {
	if s.o.store.postgres {
		return nil, nil
	}
	for _, r := range ran {
		if err := s.one(ctx, r); err != nil {
			return ran, err
		}
	}
	end := time.Now().Add(txBudget)
	for len(ran) < txBatch && time.Now().Before(end) {
		d := s.nextTx()
		if d == nil {
			break
		}
		r := &txRun{d: d}
		ran = append(ran, r)
		if err := s.one(ctx, r); err != nil {
			return ran, err
		}
		if r.err == nil {
			d.lane.advance(d) // the next of its key may run in the same transaction
		}
	}
	return ran, nil
}

// nextTx takes the next transactional delivery, from each lane in turn.
func (s *settler) nextTx() *Incoming {
	lanes := s.o.lanes
	for i := range lanes {
		l := lanes[(s.turn+i)%len(lanes)]
		if !l.pulled {
			continue
		}
		if d := l.pull(); d != nil {
			s.turn = (s.turn + i + 1) % len(lanes)
			return d
		}
	}
	return nil
}

// one runs r in a savepoint. It returns an error only when the whole transaction must be given up.
func (s *settler) one(ctx context.Context, r *txRun) error {
	run, cancel := context.WithTimeout(ctx, r.d.lane.group.Timeout)
	defer cancel()
	done := make(chan error, 1)
	start := time.Now()
	defer func() { r.d.lane.group.Observe(1, time.Since(start), r.err) }()
	go s.handle(run, r.d, done)
	select {
	case r.err = <-done:
		return nil
	case <-run.Done():
	}
	timer := time.NewTimer(abandonAfter)
	defer timer.Stop()
	select {
	case r.err = <-done:
		return nil
	case <-timer.C:
		r.abandoned, r.err = true, &handlerError{errAbandoned}
		return errAbandoned
	}
}

// handle runs the handler in a goroutine of its own, since one that does not end must not hold the writer.
func (s *settler) handle(ctx context.Context, d *Incoming, done chan<- error) {
	var err error = &handlerError{errExited}
	defer func() { done <- err }()
	err = s.o.inTx(d.lane.group.Handle)(ctx, d)
}

// settleTx follows up on a batch. When its commit failed, what had succeeded goes back untried.
func (s *settler) settleTx(ran []*txRun, failure error) {
	for _, r := range ran {
		l := r.d.lane
		switch {
		case r.abandoned:
			s.o.settled(r.d, r.err)
		case failure != nil:
			r.d.completed = false
			s.o.releaseAll(l.drop(r.d))
			s.add(op{kind: opRelease, d: r.d})
		case r.err == nil:
			s.o.settledTx(r.d)
		default:
			s.o.settled(r.d, r.err)
		}
	}
}
