package outbox

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"plugboard/infra/database"
	"plugboard/infra/eventbus/internal/consumer"
	"plugboard/infra/eventbus/internal/message"

	"go.uber.org/zap"
)

const (
	// txBatch and txBudget limit the number and the time of the transactional handlers of one transaction on SQLite, since the
	// transaction blocks all other writers.
	txBatch  = 64
	txBudget = 20 * time.Millisecond
	// abandonAfter is how long the settler waits for a transactional handler on SQLite after its timeout. Then it rolls the transaction
	// back and abandons the handler.
	abandonAfter = 100 * time.Millisecond
	// isolateNext is the number of deliveries of a subscription that run in savepoints of their own after a failure. A failure in a
	// shared savepoint repeats fewer than txBatch deliveries, so even frequent failures repeat few deliveries.
	isolateNext = 16 * txBatch
)

// errAbandoned makes a transaction fail in which a handler did not end.
var errAbandoned = errors.New("an event handler did not end in time and was abandoned")

// txRun is one transactional delivery of a transaction.
type txRun struct {
	d    *consumer.Item
	err  error
	took time.Duration
	// late is true if the run failed after its timeout. The handler may not have returned, and SQLite may have rolled the whole
	// transaction back.
	late bool
}

// isolated reports whether r runs in a savepoint of its own. It does if it may fail: a failure in a shared savepoint makes the other
// runs of the savepoint run again.
func (r *txRun) isolated() bool { return r.d.Attempt > 1 || queueOf(r.d).isolated > 0 }

// txRuns are the transactional deliveries of a transaction, in the order of their runs.
type txRuns struct {
	*settler
	list []*txRun
	// end is the time after which no further run begins.
	end time.Time
}

// txReady reports whether a transactional delivery waits.
func (s *settler) txReady() bool {
	return slices.ContainsFunc(s.queues.all, func(q *queue) bool { return q.OwnerRuns() && q.Waiting() })
}

// runTx runs waiting transactional deliveries until txBatch or txBudget is reached. They share a savepoint. When one fails, runTx rolls
// the savepoint back and runs its deliveries again, up to the failed one, each in a savepoint of its own. Ran has the runs of an earlier
// try of the same transaction; they run first. An error means that the whole transaction must be rolled back.
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

// at returns the ith run. For a new one, it takes the next waiting delivery. It returns nil when no delivery waits, or txBatch or
// txBudget is reached.
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

// runBatch runs deliveries from the ith on in one savepoint, and stops before the first isolated one. When a delivery fails, it rolls
// the savepoint back. Next is the index at which it stopped.
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
		b.list[next].err = err // err may also contain the error of the rollback
	}
	return next, err
}

// retryAlone runs the ith delivery in a savepoint of its own, unless it has failed in a shared savepoint.
func (b *txRuns) retryAlone(ctx context.Context, i int) (next int, err error) {
	r := b.list[i]
	if !b.inTurn(i) {
		r.err = message.ErrNotBegun
	} else if r.err == nil {
		r.err = b.store.DB.InTx(ctx, func(ctx context.Context) error { return b.one(ctx, r) })
	}
	return i + 1, r.err
}

// inTurn reports whether the ith delivery may run: no earlier delivery of its key has failed, and the consumer still orders the key.
func (b *txRuns) inTurn(i int) bool {
	d := b.list[i].d
	return d.Key == "" || queueOf(d).StillOrders(d) &&
		!slices.ContainsFunc(b.list[:i], func(r *txRun) bool { return r.err != nil && r.d.SameKey(d) })
}

// bound returns the most deliveries of one transaction.
func (s *settler) bound() int {
	if s.solo > 0 {
		return 1
	}
	return txBatch
}

// nextTx takes the next transactional delivery. It takes them from one queue after the other.
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

// one runs r in the transaction of ctx, with the subscription's timeout. When r succeeds, the next delivery of its key may run in the
// same transaction.
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

// timed runs the handler of d and waits for its end. It abandons the handler when abandonAfter has passed since the end of ctx.
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

// handle runs the handler of d and sends its error to done. It runs in a goroutine of its own, so that a handler that does not end does
// not hold the writer for ever.
func (s *settler) handle(ctx context.Context, d *consumer.Item, done chan<- error) {
	var err error = &handlerError{message.ErrExited}
	defer func() { done <- err }()
	err = s.completer.run(ctx, d)
}

// settleTx settles the deliveries that ran in a transaction. When the whole transaction failed, they go back untried. The cause may be
// one of the handlers: for example, the commit refused a deferred constraint. Then each delivery runs again in a transaction of its
// own, and the failure of such a transaction is the failure of its delivery.
func (s *settler) settleTx(ctx context.Context, ran []*txRun, failure error) {
	s.solo = max(0, s.solo-len(ran))
	own := failure != nil && !errors.Is(failure, errAbandoned) && ctx.Err() == nil && !database.Absent(failure)
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
			s.written(&outcome{kind: completed, d: r.d}) // without Settle, since one has called Advance already
			s.idle.Tell()
		default:
			s.Settle(r.d, r.err)
		}
	}
}
