package outbox

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"plugboard/infra/eventbus/internal/consumer"
	"plugboard/infra/eventbus/internal/message"

	"go.uber.org/zap"
)

const (
	// txBatch and txBudget bound the transactional handlers of one transaction on SQLite, since it blocks all other writers.
	txBatch  = 64
	txBudget = 20 * time.Millisecond
	// abandonAfter is how long after its timeout a transactional handler on SQLite is waited for, before its transaction is rolled
	// back without it.
	abandonAfter = 100 * time.Millisecond
	// isolateNext is how many deliveries of a subscription run in savepoints of their own after one has failed. A failure in a shared
	// savepoint repeats fewer than txBatch deliveries, so failures cost little.
	isolateNext = 16 * txBatch
)

// errAbandoned gives up a transaction because a handler in it did not end.
var errAbandoned = errors.New("an event handler did not end in time and was abandoned")

// txRun is one transactional delivery of a transaction.
type txRun struct {
	d    *consumer.Item
	err  error
	took time.Duration
	// late is true when it failed after its timeout, and perhaps never returned: the whole transaction may have been rolled back.
	late bool
}

// isolated reports whether r runs in a savepoint of its own, since it may fail, and then the others of a shared savepoint would run again.
func (r *txRun) isolated() bool { return r.d.Attempt > 1 || queueOf(r.d).isolated > 0 }

// txRuns are the transactional deliveries of a transaction, in the order of their runs.
type txRuns struct {
	*settler
	list []*txRun
	// end is the time after which no run begins.
	end time.Time
}

// txReady reports whether a transactional delivery waits.
func (s *settler) txReady() bool {
	return slices.ContainsFunc(s.queues.all, func(q *queue) bool { return q.OwnerRuns() && q.Waiting() })
}

// runTx runs waiting transactional deliveries until the bounds are reached. They run in one savepoint. When one fails, the savepoint is
// rolled back, and they run again from its first one on, each in its own, up to the one that failed. Ran are those of an earlier try of the same
// transaction, which run first. It returns an error when the whole transaction must be given up.
func (s *settler) runTx(ctx context.Context, ran []*txRun) ([]*txRun, error) {
	for _, r := range ran {
		r.err, r.late = nil, false
	}
	b := &txRuns{settler: s, list: ran, end: time.Now().Add(txBudget)}
	alone := len(ran) // the runs before this index have savepoints of their own
	for i := 0; b.at(i) != nil; {
		shared := i >= alone && !b.list[i].isolated()
		run := b.retryAlone
		if shared {
			run = b.runBatch
		}
		next, err := run(ctx, i)
		switch {
		case errors.Is(err, errAbandoned):
			return b.list, err
		case shared && err != nil:
			alone = next + 1
		default:
			i = next
		}
	}
	return b.list, nil
}

// at returns the ith run. When there is none yet, it takes the next waiting delivery; it returns nil when none waits or a bound is
// reached.
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

// runBatch runs deliveries from i on in one savepoint, up to the first isolated one. When one fails, it rolls the savepoint back.
// Next is where it stopped.
func (b *txRuns) runBatch(ctx context.Context, i int) (next int, err error) {
	next = i
	err = b.store.DB.InTx(ctx, func(ctx context.Context) error {
		for r := b.at(i); r != nil && !r.isolated(); r = b.at(next) {
			if !b.inTurn(next) {
				r.err = message.ErrNotBegun
			} else if r.err = b.one(ctx, r); r.err != nil {
				return r.err
			}
			next++
		}
		return nil
	})
	if err != nil && next < len(b.list) && b.list[next].err != nil {
		b.list[next].err = err // it may hold the error of the rollback too
	}
	return next, err
}

// retryAlone runs the ith delivery in a savepoint of its own, unless it has failed in a shared one.
func (b *txRuns) retryAlone(ctx context.Context, i int) (next int, err error) {
	r := b.list[i]
	if !b.inTurn(i) {
		r.err = message.ErrNotBegun
	} else if r.err == nil {
		r.err = b.store.DB.InTx(ctx, func(ctx context.Context) error { return b.one(ctx, r) })
	}
	return i + 1, r.err
}

// inTurn reports whether the ith may run: no earlier one of its key has failed, and the consumer still orders the key.
func (b *txRuns) inTurn(i int) bool {
	d := b.list[i].d
	return d.Key == "" || queueOf(d).StillOrders(d) &&
		!slices.ContainsFunc(b.list[:i], func(r *txRun) bool { return r.err != nil && r.d.SameKey(d) })
}

// bound is the most deliveries of one transaction.
func (s *settler) bound() int {
	if s.solo > 0 {
		return 1
	}
	return txBatch
}

// nextTx takes the next transactional delivery, from each queue in turn.
func (s *settler) nextTx() *consumer.Item {
	all := s.queues.all
	for i := range all {
		q := all[(s.turn+i)%len(all)]
		if !q.OwnerRuns() {
			continue
		}
		if d := q.Pull(); d != nil {
			s.mu.Lock()
			s.pulled = append(s.pulled, d)
			s.mu.Unlock()
			s.turn = (s.turn + i + 1) % len(all)
			return d
		}
	}
	return nil
}

// one runs r in the transaction of ctx, with a timeout of its own. When it succeeds, the next of its key may run in the same
// transaction.
func (s *settler) one(ctx context.Context, r *txRun) error {
	q, start := queueOf(r.d), time.Now()
	run, cancel := context.WithTimeout(ctx, q.Subscription.Timeout)
	defer cancel()
	err := s.timed(run, r.d)
	r.took = time.Since(start)
	if err != nil {
		r.late = run.Err() != nil && ctx.Err() == nil
		q.isolated = isolateNext
		return err
	}
	q.isolated = max(0, q.isolated-1)
	q.Advance(r.d)
	return nil
}

// timed runs the handler of d until it ends or, some time after ctx, is abandoned.
func (s *settler) timed(ctx context.Context, d *consumer.Item) error {
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
		queueOf(d).abandoned.Add(1)
		go func() {
			err := <-done
			queueOf(d).abandoned.Add(-1)
			s.log.Info("an abandoned event handler has ended", zap.String("subscription", d.Subscription.Name),
				zap.String("event", d.ID()), zap.NamedError("outcome", err))
		}()
		return &handlerError{errAbandoned}
	}
}

// handle runs the handler in a goroutine of its own, since one that does not end must not hold the writer.
func (s *settler) handle(ctx context.Context, d *consumer.Item, done chan<- error) {
	var err error = &handlerError{message.ErrExited}
	defer func() { done <- err }()
	err = s.completer.run(ctx, d)
}

// settleTx follows up on the runs of a transaction. When it failed as a whole, the deliveries go back untried. When the cause was one
// of the handlers, such as a deferred constraint that the commit refused, they run again one to a transaction: the transaction that
// then fails holds one delivery, whose failure it is.
func (s *settler) settleTx(ctx context.Context, ran []*txRun, failure error) {
	s.solo = max(0, s.solo-len(ran))
	own := failure != nil && !errors.Is(failure, errAbandoned) && ctx.Err() == nil && !absent(failure)
	if own && len(ran) > 1 {
		s.solo = len(ran)
	}
	for _, r := range ran {
		q := queueOf(r.d)
		if !errors.Is(r.err, message.ErrNotBegun) {
			q.Subscription.Observe(r.took, r.err)
		}
		switch {
		case r.late:
			s.Settle(r.d, r.err)
		case own && len(ran) == 1:
			r.d.Claim.Completed = false
			s.Settle(r.d, cmp.Or(r.err, failure))
		case failure != nil:
			r.d.Claim.Completed = false
			s.release(append(q.Drop(r.d), r.d)...)
		case r.err == nil:
			s.written(&outcome{kind: completed, d: r.d}) // its key has advanced already
			s.idle.Tell()
		default:
			s.Settle(r.d, r.err)
		}
	}
}
