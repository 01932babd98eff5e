package eventbus

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"plugboard/infra/database"
)

// Bounds of the transactional handlers of one transaction on SQLite, whose one writer it holds.
const (
	txBatch  = 64
	txBudget = 20 * time.Millisecond
	// abandonAfter is the grace a transactional handler on SQLite has after its timeout, before the transaction is
	// taken from under it.
	abandonAfter = 100 * time.Millisecond
	// waryFor is how many deliveries of a subscription run in savepoints of their own after one has failed. Fewer than
	// txBatch run again because of one that fails in a savepoint they share: that is a small part of these.
	waryFor = 16 * txBatch
)

// errAbandoned gives up a transaction because a handler in it did not end.
var errAbandoned = errors.New("an event handler outlived its timeout and grace")

// txRun is one transactional delivery of a transaction.
type txRun struct {
	d    *Incoming
	err  error
	took time.Duration
	// late tells that it failed after its timeout, maybe without end, for which the whole transaction may have been
	// rolled back.
	late bool
}

// wary tells that r may well fail, and is not to spoil it for others.
func (r *txRun) wary() bool { return r.d.Attempt > 1 || r.d.lane.wary > 0 }

// txRuns are the transactional deliveries of a transaction, in the order of their runs.
type txRuns struct {
	*settler
	list []*txRun
	// end is when nothing further begins.
	end time.Time
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

// runTx runs waiting transactional deliveries until the bounds are reached: in a savepoint that they share, and when one of
// them fails, the others again, each in its own. Ran holds those of an earlier try of the same transaction, which are run
// again first. It returns an error when the whole transaction must be given up.
func (s *settler) runTx(ctx context.Context, ran []*txRun) ([]*txRun, error) {
	for _, r := range ran {
		r.err, r.late = nil, false
	}
	b := &txRuns{settler: s, list: ran, end: time.Now().Add(txBudget)}
	apart := len(ran) // those before this one run by themselves
	for i := 0; b.at(i) != nil; {
		shared := i >= apart && !b.list[i].wary()
		run := b.alone
		if shared {
			run = b.together
		}
		next, err := run(ctx, i)
		switch {
		case errors.Is(err, errAbandoned):
			return b.list, err
		case shared && err != nil:
			apart = next + 1
		default:
			i = next
		}
	}
	return b.list, nil
}

// at returns the ith run, which may be one of the next delivery that waits, or nil when there is none or a bound is reached.
func (b *txRuns) at(i int) *txRun {
	if i < len(b.list) {
		return b.list[i]
	}
	if i >= b.bound() || !time.Now().Before(b.end) {
		return nil
	}
	d := b.nextTx()
	if d == nil {
		return nil
	}
	b.list = append(b.list, &txRun{d: d})
	return b.list[i]
}

// together runs what comes from i on in one savepoint, up to one that is wary, which is next. When one fails, which is next
// then, the savepoint is undone.
func (b *txRuns) together(ctx context.Context, i int) (next int, err error) {
	next = i
	err = b.o.db.InTx(ctx, func(ctx context.Context) error {
		for r := b.at(i); r != nil && !r.wary(); r = b.at(next) {
			if !b.inTurn(next) {
				r.err = errNotBegun
			} else if r.err = b.one(ctx, r); r.err != nil {
				return r.err
			}
			next++
		}
		return nil
	})
	if err != nil && next < len(b.list) && b.list[next].err != nil {
		b.list[next].err = err // and how it was undone
	}
	return next, err
}

// alone runs the ith in a savepoint of its own, unless it has failed in one that was shared.
func (b *txRuns) alone(ctx context.Context, i int) (next int, err error) {
	r := b.list[i]
	if !b.inTurn(i) {
		r.err = errNotBegun
	} else if r.err == nil {
		r.err = b.o.db.InTx(ctx, func(ctx context.Context) error { return b.one(ctx, r) })
	}
	return i + 1, r.err
}

// inTurn reports whether the ith may run: whether none before it of its key has failed, nor the lane has given the key back
// to storage since it made this delivery ready.
func (b *txRuns) inTurn(i int) bool {
	d := b.list[i].d
	return d.Key == "" || d.lane.orders(d) &&
		!slices.ContainsFunc(b.list[:i], func(r *txRun) bool { return r.err != nil && r.d.order == d.order })
}

// bound is the most deliveries of one transaction.
func (s *settler) bound() int {
	if s.solo > 0 {
		return 1
	}
	return txBatch
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
			s.mu.Lock()
			s.pulled = append(s.pulled, d)
			s.mu.Unlock()
			s.turn = (s.turn + i + 1) % len(lanes)
			return d
		}
	}
	return nil
}

// one runs r in the transaction of ctx, with a timeout of its own. When it succeeds, the next of its key may run in the same
// transaction.
func (s *settler) one(ctx context.Context, r *txRun) error {
	l, start := r.d.lane, time.Now()
	run, cancel := context.WithTimeout(ctx, l.group.Timeout)
	defer cancel()
	err := s.timed(run, r.d)
	r.took = time.Since(start)
	if err != nil {
		r.late = run.Err() != nil && ctx.Err() == nil
		l.wary = waryFor
		return err
	}
	l.wary = max(0, l.wary-1)
	l.advance(r.d)
	return nil
}

// timed runs the handler of d until it ends or, some time after ctx, is abandoned.
func (s *settler) timed(ctx context.Context, d *Incoming) error {
	done := make(chan error, 1)
	go s.handle(ctx, d, done)
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(abandonAfter)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		d.lane.abandoned.Add(1)
		go func() {
			err := <-done
			d.lane.abandoned.Add(-1)
			s.o.log.Info("an event handler that had been given up has ended", zap.String("subscription", d.Subscription()),
				zap.String("event", d.ID()), zap.NamedError("outcome", err))
		}()
		return &handlerError{errAbandoned}
	}
}

// handle runs the handler in a goroutine of its own, since one that does not end must not hold the writer.
func (s *settler) handle(ctx context.Context, d *Incoming, done chan<- error) {
	var err error = &handlerError{errExited}
	defer func() { done <- err }()
	err = s.o.perform(ctx, d, d.lane.group.Handle)
}

// settleTx follows up on a batch. When its commit failed, what had succeeded goes back untried. When that was because of
// something that one of them did, such as violating a deferred constraint, they run again one to a transaction: the one
// that fails alone has failed.
func (s *settler) settleTx(ctx context.Context, ran []*txRun, failure error) {
	s.solo = max(0, s.solo-len(ran))
	own := failure != nil && !errors.Is(failure, errAbandoned) && !blameless(ctx, failure)
	if own && len(ran) > 1 {
		s.solo = len(ran)
	}
	for _, r := range ran {
		l := r.d.lane
		if !errors.Is(r.err, errNotBegun) {
			l.group.Observe(1, r.took, r.err)
		}
		switch {
		case r.late:
			s.o.settled(r.d, r.err)
		case own && len(ran) == 1:
			r.d.completed = false
			s.o.settled(r.d, cmp.Or(r.err, failure))
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

// blameless reports whether a transaction failed for what no handler in it has done: because of the database, or of the end
// of base, the context of the runs. All else counts as the handler's, which could otherwise fail for ever: a statement that
// failed and whose error it kept to itself, the end of its own time or of its session's, what the commit refused.
func blameless(base context.Context, err error) bool {
	return database.Absent(err) || base != nil && base.Err() != nil
}
