package outbox

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/eventbus/internal/consumer"
	"plugboard/infra/eventbus/internal/outbox/quarantine"
	"plugboard/infra/eventbus/internal/outbox/store"
)

// settler writes outcomes to the database, many in one transaction, since each commit waits for the disk. On SQLite its
// transactions also run the transactional handlers, in savepoints, for the same reason. One goroutine writes; the other methods
// may be called concurrently.
type settler struct {
	common
	store store.Deliveries
	// began is when the outbox was started.
	began time.Time

	claimer    *claimer
	quarantine *quarantine.Quarantine
	completer  *completer
	publisher  *publisher

	mu       sync.Mutex
	outcomes []outcome
	// writing has the outcomes that the current transaction writes. pulled has the deliveries that run in this transaction.
	writing []outcome
	pulled  []*consumer.Item
	// urgent is true if an outcome must not wait for others. flushing counts the callers that wait until all outcomes are written.
	// finished is true if the settler should end when all outcomes are written.
	urgent   bool
	flushing int
	finished bool
	wake     chan struct{}
	done     chan struct{}
	// turn is the index of the queue from which nextTx first tries to take a transactional delivery.
	turn int
	// solo is the number of transactional deliveries that still run alone in their transactions, after a failure.
	solo int
}

const (
	// settleBatch is the most outcomes of one transaction.
	settleBatch = 256
	// batchDelay is how long the settler waits for further outcomes before it writes handled deliveries.
	batchDelay = 5 * time.Millisecond
)

func newSettler(shared common, st store.Store) *settler {
	return &settler{common: shared, store: st.Deliveries(), wake: make(chan struct{}, 1), done: make(chan struct{})}
}

func (s *settler) add(outcomes ...outcome) {
	if len(outcomes) == 0 {
		return
	}
	s.mu.Lock()
	first := len(s.outcomes) == 0
	s.outcomes = append(s.outcomes, outcomes...)
	for i := range outcomes {
		s.urgent = s.urgent || outcomes[i].kind != done || outcomes[i].d.Claim.Quarantined()
	}
	wake := first || s.urgent || s.flushing > 0 || len(s.outcomes) >= settleBatch
	s.mu.Unlock()
	if wake {
		s.wakeUp()
	}
}

// release gives claimed deliveries back to the database. No handler has tried them.
func (s *settler) release(deliveries ...*consumer.Item) {
	for _, d := range deliveries {
		s.add(outcome{kind: released, d: d})
	}
}

// wakeUp makes the settler look for work.
func (s *settler) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// flushNow begins or ends a time in which the settler writes outcomes without batchDelay, since a caller waits for them.
func (s *settler) flushNow(on bool) {
	s.mu.Lock()
	if on {
		s.flushing++
	} else {
		s.flushing--
	}
	s.mu.Unlock()
	s.wakeUp()
}

// finish makes the settler end when all outcomes are written, and waits for this end until ctx is done.
func (s *settler) finish(ctx context.Context) error {
	s.mu.Lock()
	s.finished = true
	s.mu.Unlock()
	s.wakeUp()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Errorf("settle events: %d outcomes not written; these events will be delivered again: %w", len(s.outcomes), ctx.Err())
	}
}

func (s *settler) run(ctx context.Context) {
	defer close(s.done)
	failures := 0
	for s.await(ctx) {
		if err := s.write(ctx); err != nil {
			failures++
			s.log.Warn("write of event outcomes failed", zap.Error(err))
			if !app.Sleep(ctx, min(time.Second, 10*time.Millisecond<<min(failures, 10))) {
				return
			}
			continue
		}
		failures = 0
	}
}

// await blocks until the settler should write, and returns true then. It returns false when the settler should end.
func (s *settler) await(ctx context.Context) bool {
	var expired <-chan time.Time
	for {
		now, later, over := s.due()
		switch {
		case now:
			return true
		case over:
			return false
		case later && expired == nil:
			timer := time.NewTimer(batchDelay)
			defer timer.Stop()
			expired = timer.C
		}
		select {
		case <-ctx.Done():
			return false
		case <-s.wake:
		case <-expired:
			return true
		}
	}
}

// due reports whether the settler should write now, should write after batchDelay, or should end.
func (s *settler) due() (now, later, over bool) {
	if s.txReady() {
		return true, false, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.outcomes)
	now = n > 0 && (s.urgent || s.finished || s.flushing > 0 || n >= settleBatch)
	return now, n > 0, s.finished && n == 0
}

// write writes one batch of outcomes in a transaction. On SQLite the transaction also runs transactional handlers.
func (s *settler) write(ctx context.Context) error {
	outcomes := s.takeOutcomes()
	var ran []*txRun
	err := s.store.DB.InTx(ctx, func(ctx context.Context) error {
		//crash:point before completion: len(outcomes)>0
		if err := s.asyncCommit(ctx, outcomes); err != nil {
			return err
		}
		if err := s.applyAll(ctx, outcomes); err != nil {
			return err
		}
		var err error
		ran, err = s.runTx(ctx, ran)
		return err
	})
	//crash:point after completion: len(outcomes)+len(ran)>0
	s.settleTx(ctx, ran, err)
	if err != nil {
		s.putBack(outcomes)
		return err
	}
	for i := range outcomes {
		s.written(&outcomes[i])
	}
	s.ended()
	s.idle.Tell()
	return nil
}

// asyncCommit makes Postgres confirm the commit before it is on disk, if the transaction only deletes handled deliveries. When the
// server crashes and loses the commit, these deliveries are delivered again, in order.
func (s *settler) asyncCommit(ctx context.Context, outcomes []outcome) error {
	if !s.store.Postgres {
		return nil
	}
	for i := range outcomes {
		if outcomes[i].kind != done {
			return nil
		}
	}
	return s.store.ExecLast(ctx, "relax the commit", "SET LOCAL synchronous_commit = off")
}

func (s *settler) takeOutcomes() []outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.outcomes), settleBatch)
	outcomes := make([]outcome, n)
	copy(outcomes, s.outcomes)
	s.outcomes = append(s.outcomes[:0], s.outcomes[n:]...)
	s.urgent = len(s.outcomes) > 0
	s.writing = outcomes
	return outcomes
}

// ended notes that the current transaction has ended.
func (s *settler) ended() {
	s.mu.Lock()
	s.writing = nil
	clear(s.pulled)
	s.pulled = s.pulled[:0]
	s.mu.Unlock()
}

// held adds to held the deliveries that the settler has.
func (s *settler) held(held map[*consumer.Item]struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, outcomes := range [][]outcome{s.outcomes, s.writing} {
		for i := range outcomes {
			held[outcomes[i].d] = struct{}{}
		}
	}
	for _, d := range s.pulled {
		held[d] = struct{}{}
	}
}

func (s *settler) putBack(outcomes []outcome) {
	s.mu.Lock()
	s.outcomes = append(outcomes, s.outcomes...)
	s.urgent = s.urgent || len(outcomes) > 0
	s.mu.Unlock()
	s.ended()
}
