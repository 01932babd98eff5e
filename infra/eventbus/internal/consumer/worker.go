package consumer

import (
	"context"
	"sync/atomic"
	"time"

	"plugboard/app"
	"plugboard/infra/eventbus/internal/message"
)

// worker runs deliveries of a consumer, one after the other. It ends when the consumer closes.
type worker struct {
	consumer *Consumer
	// since is the time at which the current run began, in nanoseconds on the consumer's clock. It is expired after the timeout of the
	// run, and 0 between runs.
	since atomic.Int64
	// overdue holds the notes of EndOverdue on the current run. The consumer's lock guards it.
	overdue overdueRun
	// runs is the context of the runs; see begin.
	runs atomic.Pointer[runContext]
	// batch holds the deliveries that the worker has taken: the delivery that runs, and the later ones. The consumer's lock guards it.
	batch []*Item
	// ended is the time at which the last run ended; 0 if the worker has waited since.
	ended time.Duration
}

// runContext is a context with the function that ends it.
type runContext struct {
	ctx    context.Context //nolint:containedctx // reused from run to run
	cancel context.CancelFunc
}

// expired marks a run that takes longer than the timeout. No later run uses its context.
const expired = -1

func (w *worker) run() {
	exited := true // stays true when a handler calls runtime.Goexit
	defer func() { w.end(exited) }()
	for batch := w.take(); len(batch) > 0; batch = w.take() {
		if len(batch) == 1 || !w.runBatch(batch) {
			w.runEach(batch)
		}
	}
	exited = false
}

// end takes w out of the consumer. When a handler has ended the goroutine of w, end starts another worker.
func (w *worker) end(exited bool) {
	if r := w.runs.Load(); r != nil {
		r.cancel()
	}
	c := w.consumer
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.workers, w)
	if exited {
		c.wake()
	}
	c.changed.Broadcast()
}

// take waits for ready deliveries and makes them the batch of w. It returns no delivery when the consumer is closed.
func (w *worker) take() []*Item {
	c := w.consumer
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(w.batch)
	w.batch = w.batch[:0]
	for c.open && c.ready.len() == 0 {
		w.ended = 0
		c.idle++
		c.changed.Wait()
		c.idle--
	}
	if !c.open {
		return nil
	}
	n := 1
	if !c.isolated {
		n = max(1, min(c.opts.Batch, 1+c.ready.len()/c.Subscription.Concurrency)) // leave a share for each other worker
	}
	for len(w.batch) < n && c.ready.len() > 0 {
		w.batch = append(w.batch, c.ready.pop())
	}
	return w.batch
}

// runBatch tries to run a batch as one unit, and settles the batch if this works. When a handler ends the goroutine, runBatch puts the
// deliveries back into the queue, and workers run them one by one.
func (w *worker) runBatch(batch []*Item) bool {
	c := w.consumer
	returned := false
	defer func() {
		if !returned {
			c.mu.Lock()
			c.isolated = true
			c.mu.Unlock()
			w.giveBack(batch)
		}
	}()
	start := w.start()
	done := c.owner.RunBatch(w.begin(start), batch)
	//crash:point after effect
	took := w.finish(start)
	returned = true
	if done {
		for _, d := range batch {
			c.Subscription.Observe(took/time.Duration(len(batch)), nil)
			w.settle(d, nil)
		}
	}
	return done
}

// runEach runs a batch one by one. When the consumer closes meanwhile, runEach settles the rest as not begun.
func (w *worker) runEach(batch []*Item) {
	for i, d := range batch {
		if i > 0 {
			w.consumer.mu.Lock()
			batch[i-1], w.batch = nil, batch[i:]
			w.consumer.mu.Unlock()
		}
		if i > 0 && w.consumer.closed.Load() {
			w.settle(d, message.ErrNotBegun)
		} else {
			w.runOne(d, batch[i+1:])
		}
	}
}

// runOne runs d and settles it. When the handler ends the goroutine, runOne puts the rest of the batch back into the queue.
func (w *worker) runOne(d *Item, rest []*Item) {
	err := message.ErrExited
	start := w.start()
	defer func() {
		w.consumer.Subscription.Observe(w.finish(start), err)
		if err == message.ErrExited { //nolint:errorlint // set just above, never wrapped
			w.giveBack(rest)
		}
		w.settle(d, err)
	}()
	err = w.call(d, start)
	//crash:point after effect
}

func (w *worker) call(d *Item, start time.Duration) (err error) {
	defer app.Recover(&err)
	return message.SafeError(w.consumer.owner.Run(w.begin(start), d))
}

// giveBack makes deliveries ready again that the worker has taken and not begun. When the consumer has closed meanwhile, giveBack
// settles them as not begun.
func (w *worker) giveBack(rest []*Item) {
	for _, d := range rest {
		if !w.consumer.MakeReady(d) {
			w.settle(d, message.ErrNotBegun)
		}
	}
}

func (w *worker) settle(d *Item, err error) {
	if w.consumer.owner.Settle(d, err) {
		w.consumer.Free(1)
	}
}

// start returns the time at which the next run begins. Right after a run, this is the time at which the last run ended: to read the
// clock once more would take a tenth of the time of a short run.
func (w *worker) start() time.Duration {
	if w.ended == 0 {
		return w.consumer.clock()
	}
	return w.ended
}

// begin notes that a run begins, and returns its context. Runs share one context until it is cancelled, since a context with a timer
// for each run would cost more than most handlers.
func (w *worker) begin(start time.Duration) context.Context {
	w.since.Store(int64(start))
	r := w.runs.Load()
	if r == nil {
		r = &runContext{}
		r.ctx, r.cancel = context.WithCancel(w.consumer.base)
		w.runs.Store(r)
	}
	return r.ctx
}

// finish notes that the run that began at start has ended, and returns how long it took.
func (w *worker) finish(start time.Duration) (took time.Duration) {
	if w.since.Swap(0) == expired {
		w.runs.Store(nil)
	}
	w.ended = w.consumer.clock()
	return w.ended - start
}

// expire ends the context of the run that began at the time at, if this run has not ended.
func (w *worker) expire(at int64) {
	r := w.runs.Load()
	if r != nil && w.since.CompareAndSwap(at, expired) { // the run goes on, so r is its context
		r.cancel()
	}
}
