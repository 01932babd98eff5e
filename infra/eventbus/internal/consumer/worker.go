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
	// since is when the current run began, in nanoseconds on the consumer's clock; expired after its timeout, 0 between runs.
	since atomic.Int64
	// overdue is what EndOverdue notes of the current run. The consumer's lock guards it.
	overdue overdueRun
	// runs is the context of the runs; see begin.
	runs atomic.Pointer[runContext]
	// batch is what the worker has taken, from the delivery that runs on. The consumer's lock guards it.
	batch []*Item
	// ended is when the last run ended, as long as the worker has not waited since.
	ended time.Duration
}

// runContext is a context and its end.
type runContext struct {
	ctx    context.Context //nolint:containedctx // reused from run to run
	cancel context.CancelFunc
}

// expired marks a run that outlived the timeout. Its context serves no other run.
const expired = -1

func (w *worker) run() {
	exited := true // by a handler that called runtime.Goexit
	defer func() { w.end(exited) }()
	for batch := w.take(); len(batch) > 0; batch = w.take() {
		if len(batch) == 1 || !w.runBatch(batch) {
			w.runEach(batch)
		}
	}
	exited = false
}

// end takes w out of the consumer. After a handler has ended the goroutine, another worker goes on.
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

// take waits for deliveries, which are the batch of w then. It returns none when the consumer is closed.
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
		n = max(1, min(c.opts.Batch, 1+c.ready.len()/c.Subscription.Concurrency)) // the other workers get their part
	}
	for len(w.batch) < n && c.ready.len() > 0 {
		w.batch = append(w.batch, c.ready.pop())
	}
	return w.batch
}

// runBatch tries to run a batch as one unit and settles it. When a handler ends the goroutine, the deliveries go back to the
// queue, to be run one by one.
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

// runEach runs a batch one by one. When the consumer closes meanwhile, the rest is settled as not begun.
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

// runOne runs d and settles it. When the handler ends the goroutine, the rest of the batch goes back to the queue.
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

// giveBack makes deliveries ready again that the worker has taken and not begun. A consumer that has closed meanwhile does not
// take them.
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

// start returns the time. Right after a run that is when it ended, since reading the clock takes a tenth of a short run.
func (w *worker) start() time.Duration {
	if w.ended == 0 {
		return w.consumer.clock()
	}
	return w.ended
}

// begin notes that a run begins, and returns its context. One context serves many runs, until it is cancelled: a timer for each
// run would cost more than most handlers.
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

// finish notes that the run has ended that began at start, and returns how long it took.
func (w *worker) finish(start time.Duration) (took time.Duration) {
	if w.since.Swap(0) == expired {
		w.runs.Store(nil)
	}
	w.ended = w.consumer.clock()
	return w.ended - start
}

// expire ends the context of the run that began at a time, if that has not ended.
func (w *worker) expire(at int64) {
	r := w.runs.Load()
	if r != nil && w.since.CompareAndSwap(at, expired) { // still that run, so r is its context
		r.cancel()
	}
}
