package eventbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
)

// opKind says what becomes of a delivery.
type opKind int

const (
	opDone    opKind = iota // handled
	opRetry                 // failed, to be tried again
	opDead                  // failed for good
	opPark                  // unreadable for this version
	opRelease               // given back untried
	opFree                  // completed already, in the handler's transaction
)

// op is an outcome to be written.
type op struct {
	kind opKind
	d    *Incoming
	wait time.Duration
	err  error
}

// settler writes outcomes to the database, many in one transaction: each commit costs a sync of the disk. On SQLite
// its transactions also run the transactional handlers, in savepoints, for the same reason.
type settler struct {
	o *Outbox

	mu  sync.Mutex
	ops []op
	// writing are the outcomes of the transaction that is under way, pulled the deliveries that run in it.
	writing  []op
	pulled   []*Incoming
	urgent   bool
	hurried  int
	finished bool
	wake     chan struct{}
	done     chan struct{}
	// turn is the lane that is asked first for its next transactional delivery.
	turn int
	// solo is how many transactional deliveries are yet to run one to a transaction.
	solo int
}

const (
	// settleBatch is the most outcomes of one transaction.
	settleBatch = 256
	// linger is how long handled deliveries wait for others to be written with them.
	linger = 5 * time.Millisecond
)

func newSettler(o *Outbox) *settler {
	return &settler{o: o, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

func (s *settler) add(ops ...op) {
	if len(ops) == 0 {
		return
	}
	s.mu.Lock()
	first := len(s.ops) == 0
	s.ops = append(s.ops, ops...)
	for i := range ops {
		s.urgent = s.urgent || ops[i].kind != opDone || suspicious(ops[i].d.ends)
	}
	rouse := first || s.urgent || s.hurried > 0 || len(s.ops) >= settleBatch
	s.mu.Unlock()
	if rouse {
		s.rouse()
	}
}

// rouse has the settler look for work.
func (s *settler) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// hurry has outcomes written without linger, as long as somebody waits for them.
func (s *settler) hurry(on bool) {
	s.mu.Lock()
	if on {
		s.hurried++
	} else {
		s.hurried--
	}
	s.mu.Unlock()
	s.rouse()
}

// finish has the settler end when everything is written, and waits for that until ctx is done.
func (s *settler) finish(ctx context.Context) error {
	s.mu.Lock()
	s.finished = true
	s.mu.Unlock()
	s.rouse()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Errorf("settle events: %d outcomes not written, they will be delivered again: %w", len(s.ops), ctx.Err())
	}
}

func (s *settler) run(ctx context.Context) {
	defer close(s.done)
	failures := 0
	for s.await(ctx) {
		if err := s.cycle(ctx); err != nil {
			failures++
			s.o.log.Warn("event outcomes not written yet", zap.Error(err))
			if !pause(ctx, min(time.Second, 10*time.Millisecond<<min(failures, 10))) {
				return
			}
			continue
		}
		failures = 0
	}
}

// pause waits for d. It reports false when ctx is done.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// await blocks until there is something to write now. It reports false when everything is over.
func (s *settler) await(ctx context.Context) bool {
	var expired <-chan time.Time
	for {
		now, later, over := s.look()
		switch {
		case now:
			return true
		case over:
			return false
		case later && expired == nil:
			timer := time.NewTimer(linger)
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

func (s *settler) look() (now, later, over bool) {
	if s.txReady() {
		return true, false, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.ops)
	now = n > 0 && (s.urgent || s.finished || s.hurried > 0 || n >= settleBatch)
	return now, n > 0, s.finished && n == 0
}

// cycle writes one batch.
func (s *settler) cycle(ctx context.Context) error {
	ops := s.takeOps()
	var ran []*txRun
	err := s.o.db.InTx(ctx, func(ctx context.Context) error {
		//crash:point before completion: len(ops)>0
		if err := s.relax(ctx, ops); err != nil {
			return err
		}
		if err := s.o.applyAll(ctx, ops); err != nil {
			return err
		}
		var err error
		ran, err = s.runTx(ctx, ran)
		return err
	})
	//crash:point after completion: len(ops)+len(ran)>0
	s.settleTx(ctx, ran, err)
	if err != nil {
		s.putBack(ops)
		return err
	}
	for i := range ops {
		s.o.written(&ops[i])
	}
	s.ended()
	s.o.progress()
	return nil
}

// relax lets Postgres confirm the commit before it is on disk when it only removes handled deliveries: what a crash
// brings back is delivered again, in order.
func (s *settler) relax(ctx context.Context, ops []op) error {
	if !s.o.store.postgres {
		return nil
	}
	for i := range ops {
		if ops[i].kind != opDone {
			return nil
		}
	}
	return s.o.store.last(ctx, "relax the commit", "SET LOCAL synchronous_commit = off")
}

func (s *settler) takeOps() []op {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.ops), settleBatch)
	ops := make([]op, n)
	copy(ops, s.ops)
	s.ops = append(s.ops[:0], s.ops[n:]...)
	s.urgent = len(s.ops) > 0
	s.writing = ops
	return ops
}

// ended tells that the transaction under way is over.
func (s *settler) ended() {
	s.mu.Lock()
	s.writing = nil
	clear(s.pulled)
	s.pulled = s.pulled[:0]
	s.mu.Unlock()
}

// has notes in runs the deliveries that the settler has.
func (s *settler) has(runs map[*Incoming]struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ops := range [][]op{s.ops, s.writing} {
		for i := range ops {
			runs[ops[i].d] = struct{}{}
		}
	}
	for _, d := range s.pulled {
		runs[d] = struct{}{}
	}
}

func (s *settler) putBack(ops []op) {
	s.mu.Lock()
	s.ops = append(ops, s.ops...)
	s.urgent = s.urgent || len(ops) > 0
	s.mu.Unlock()
	s.ended()
}

// settled decides what becomes of a delivery whose handler has ended; it is called by the lanes' workers. The place is
// free when that is written.
func (o *Outbox) settled(d *Incoming, err error) bool {
	if err != nil && o.hooks.Failed != nil && !errors.Is(err, errNotBegun) {
		o.hooks.Failed(d, err)
	}
	outcome := o.outcome(d, err)
	switch {
	case errors.Is(err, errTaken):
		o.releaseAll(d.lane.drop(d))
	case outcome.kind == opDone, outcome.kind == opFree, outcome.kind == opDead && !d.lane.group.Block:
		d.lane.advance(d)
	default:
		o.releaseAll(d.lane.drop(d))
	}
	if outcome.kind == opFree {
		o.written(&outcome)
		o.progress()
		return false
	}
	o.settler.add(outcome)
	return false
}

func (o *Outbox) releaseAll(deliveries []*Incoming) {
	for _, d := range deliveries {
		o.settler.add(op{kind: opRelease, d: d})
	}
}

func (o *Outbox) outcome(d *Incoming, err error) op {
	g := &d.lane.group
	var own *handlerError
	switch {
	case err == nil && d.completed:
		return op{kind: opFree, d: d}
	case err == nil:
		return op{kind: opDone, d: d}
	case d.completed: // it failed after its effects were committed
		return op{kind: opFree, d: d}
	case errors.Is(err, errTaken):
		return op{kind: opFree, d: d}
	case errors.Is(err, errNotBegun):
		return op{kind: opRelease, d: d}
	case errors.Is(err, ErrUnreadable):
		return op{kind: opPark, d: d, err: err, wait: min(o.cfg.Park/4+time.Second, 30*time.Second)}
	case g.Tx && !errors.As(err, &own) && blameless(d.lane.base, err):
		return op{kind: opRelease, d: d, wait: time.Second}
	case isFinal(err) || d.Attempt >= g.Attempts:
		return op{kind: opDead, d: d, err: err}
	default:
		return op{kind: opRetry, d: d, err: err, wait: backoff(g, d.Attempt)}
	}
}

// maxError is the most of an error's text that is stored.
const maxError = 4096

func cause(err error) string {
	text := validText(err.Error())
	if len(text) > maxError {
		text = validText(text[:maxError])
	}
	return text
}

// applyAll writes outcomes in the transaction of ctx.
func (o *Outbox) applyAll(ctx context.Context, ops []op) error {
	done := make([]*Incoming, 0, len(ops))
	for i := range ops {
		if ops[i].kind == opDone {
			done = append(done, ops[i].d)
			continue
		}
		if err := o.apply(ctx, &ops[i]); err != nil {
			return err
		}
	}
	if len(done) == 0 {
		return nil
	}
	if err := o.store.settleAll(ctx, done); err != nil {
		return fmt.Errorf("settle deliveries: %w", err)
	}
	return nil
}

// apply writes one outcome in the transaction of ctx. An outcome that no longer applies, because somebody else has
// taken the delivery over, is none.
func (o *Outbox) apply(ctx context.Context, p *op) error {
	var err error
	mine := true
	switch p.kind {
	case opFree, opDone: // written with the others
	case opRetry:
		mine, err = o.store.retry(ctx, p.d, p.d.Attempt, p.wait, cause(p.err))
	case opRelease:
		mine, err = o.store.release(ctx, p.d, p.wait)
	case opPark:
		var expired bool
		if expired, err = o.store.park(ctx, p.d, p.wait, o.cfg.Park, time.Since(o.began), cause(p.err)); err == nil && expired {
			err = o.bury(ctx, p)
		}
	case opDead:
		err = o.bury(ctx, p)
	}
	if err != nil {
		return fmt.Errorf("settle delivery of %s: %w", p.d.Subscription(), err)
	}
	if !mine { // it is not there any more, perhaps since a commit whose answer was lost completed it: its key may go on
		p.kind = opFree
	}
	return nil
}

// bury makes a delivery dead and announces that in the same transaction.
func (o *Outbox) bury(ctx context.Context, p *op) error {
	mine, err := o.store.bury(ctx, p.d, cause(p.err))
	if err != nil || !mine {
		return err
	}
	p.kind = opDead
	//crash:point during dead-lettering
	return o.announce(ctx, p)
}

// written follows up on an outcome that is in the database.
func (o *Outbox) written(p *op) {
	l := p.d.lane
	o.poller.drop(p.d)
	o.suspects.written(p.d)
	o.budget.give(p.d.size())
	l.unreserve()
	switch p.kind {
	case opDead:
		if o.hooks.Dead != nil {
			o.hooks.Dead(p.d, p.err)
		}
	case opRetry, opPark, opRelease:
		o.poller.open(l, p.wait)
	}
	o.poller.gave()
	if key := p.d.Key; key != "" && (p.kind == opDone || p.kind == opFree || p.kind == opDead) && !l.working(key) {
		o.poller.finish(l, key)
	}
	if p.d.Key != "" || l.used.Load() < l.capacity/2 {
		o.poller.freed(l)
	}
}

// settledTx follows up on a delivery that was completed in a batch; its key has advanced already.
func (o *Outbox) settledTx(d *Incoming) {
	o.written(&op{kind: opFree, d: d})
	o.progress()
}
