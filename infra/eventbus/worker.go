package eventbus

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// worker runs deliveries of a lane, one after the other. It ends when the lane closes.
type worker struct {
	lane *lane
	// since is when the current run began, in nanoseconds on the lane's clock; begun, expired, or 0 between batches.
	since atomic.Int64
	// current is the delivery that runs; of several that run together, the first.
	current atomic.Pointer[Incoming]
	// began is when the run began that is overdue, tellAt when somebody is told of it, and told when that was last; the lane's
	// lock guards them.
	began, tellAt, told time.Duration
	// runs is the context of the runs; see context.
	runs atomic.Pointer[runContext]

	// batch is what the worker has taken; the lane's lock guards it.
	batch []*Incoming
	// size is how many deliveries to take next.
	size int
	// start is when the runs began that have not been observed yet, ended how many have, and free how many of
	// their places are to be given back.
	start       time.Duration
	ended, free int
}

// runContext is a context and its end.
type runContext struct {
	ctx    context.Context //nolint:containedctx // reused from run to run
	cancel context.CancelFunc
}

func (w *worker) run() {
	l := w.lane
	normal := false
	defer func() {
		w.flush()
		if r := w.runs.Load(); r != nil {
			r.cancel()
		}
		l.mu.Lock()
		delete(l.workers, w)
		if !normal { // the handler called runtime.Goexit: others go on
			l.rouse()
		}
		l.wake.Broadcast()
		l.mu.Unlock()
	}()
	for {
		batch := l.take(w)
		if len(batch) == 0 {
			normal = true
			return
		}
		w.start = l.clock()
		if l.together != nil && len(batch) > 1 && w.all(batch) {
			continue
		}
		at := int64(w.start)
		for i, d := range batch {
			if i > 0 && l.closed.Load() {
				w.settle(d, errNotBegun)
			} else {
				w.one(d, at, batch[i+1:])
			}
			at = begun
		}
		w.flush()
	}
}

// quick is how long a batch takes that is not watched closely.
const quick = 100 * time.Microsecond

// flush says what is to be said about the runs since the last flush.
func (w *worker) flush() {
	if w.since.Swap(0) == expired {
		w.runs.Store(nil)
	}
	w.current.Store(nil)
	w.observe(nil)
	if w.free > 0 {
		w.lane.freed(w.free)
		w.free = 0
	}
}

// observe tells how long the runs took that have ended since it was last called, the last one with err. The clock is
// read for all of them together: what exceeds quick is taken to be the last one's, and fewer are taken at a time next.
func (w *worker) observe(err error) {
	n := w.ended
	if n == 0 {
		return
	}
	end := w.lane.clock()
	took := end - w.start
	usual := min(took, quick) / time.Duration(n)
	if n > 1 {
		w.lane.group.Observe(n-1, usual, nil)
	}
	w.lane.group.Observe(1, took-usual*time.Duration(n-1), err)
	w.size = min(w.lane.batch, 1+n*int(quick)/int(took+1))
	w.start, w.ended = end, 0
}

func (w *worker) settle(d *Incoming, err error) {
	if w.lane.settle(d, err) {
		w.free++
	}
}

// take waits for deliveries, which are the batch of w then. It returns none when the lane is closed.
func (l *lane) take(w *worker) []*Incoming {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(w.batch)
	w.batch = w.batch[:0]
	for l.open && l.ready.len() == 0 {
		l.idle++
		l.wake.Wait()
		l.idle--
	}
	if !l.open {
		return nil
	}
	n := w.size
	if l.together != nil { // the other workers have their part
		n = min(l.batch, 1+l.ready.len()/l.group.Concurrency)
	}
	if l.apart {
		n = 1
	}
	for len(w.batch) < n && l.ready.len() > 0 {
		w.batch = append(w.batch, l.ready.pop())
	}
	return w.batch
}

// all tries to run a batch together and settles it. When a handler ends the goroutine, the batch goes back, to be run
// one by one.
func (w *worker) all(batch []*Incoming) bool {
	l := w.lane
	ended := false
	defer func() {
		if w.since.Swap(0) == expired {
			w.runs.Store(nil)
		}
		if ended {
			return
		}
		l.mu.Lock()
		l.apart = true
		l.mu.Unlock()
		w.giveBack(batch)
	}()
	w.current.Store(batch[0])
	done := l.together(w.context(int64(w.start)), batch)
	//crash:point after effect
	ended = true
	if !done {
		w.start = l.clock()
		return false
	}
	l.group.Observe(len(batch), (l.clock()-w.start)/time.Duration(len(batch)), nil)
	for _, d := range batch {
		w.settle(d, nil)
	}
	return true
}

// one runs d, which begins at on the lane's clock, and settles it. When the handler ends the goroutine, the rest of the
// batch goes back.
func (w *worker) one(d *Incoming, at int64, rest []*Incoming) {
	err := errExited
	defer func() {
		w.ended++
		if err != nil {
			w.observe(err)
		}
		if err == errExited { //nolint:errorlint // set just above, never wrapped
			w.giveBack(rest)
		}
		w.settle(d, err)
	}()
	err = w.call(d, at)
	//crash:point after effect
}

// giveBack makes what the worker has taken and not begun ready again. A lane that has closed meanwhile does not take it.
func (w *worker) giveBack(rest []*Incoming) {
	for _, d := range rest {
		if !w.lane.again(d) {
			w.settle(d, errNotBegun)
		}
	}
}

// errExited is the outcome of a handler that called runtime.Goexit.
var errExited = fmt.Errorf("the handler ended its goroutine")

func (w *worker) call(d *Incoming, at int64) (err error) {
	defer recovered(&err)
	w.current.Store(d)
	return foreign(w.lane.group.Handle(w.context(at), d))
}

// recovered turns a panic into an error with its stack.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = &panicError{value: v, stack: debug.Stack()}
	}
}

type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// context returns the context of the next run, which begins at. One context serves many runs, until it is cancelled: a
// timer for each run would cost more than most handlers.
func (w *worker) context(at int64) context.Context {
	if w.since.Load() != at && w.since.Swap(at) == expired {
		w.runs.Store(nil)
	}
	r := w.runs.Load()
	if r == nil {
		r = &runContext{}
		r.ctx, r.cancel = context.WithCancel(w.lane.base)
		w.runs.Store(r)
	}
	return r.ctx
}

const (
	// expired marks a run that outlived the timeout. Its context serves no other run.
	expired = -1
	// begun marks a run for which the clock was not read. For the timeout it began when it is first looked at.
	begun = -2
)

// tellNext returns when to tell somebody of the overdue run. The lane's lock is held.
func (w *worker) tellNext() time.Duration {
	if w.told < w.tellAt { // not of this run
		return w.tellAt
	}
	return w.told + max(overdueAgain, w.told-w.began)
}

// expire cancels the run that began at.
func (w *worker) expire(at int64) {
	r := w.runs.Load()
	if r != nil && w.since.CompareAndSwap(at, expired) { // still that run, so r is its context
		r.cancel()
	}
}
