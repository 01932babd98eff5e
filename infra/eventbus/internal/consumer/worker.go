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
	// since is when the current run began, in nanoseconds on the consumer's clock; or begun, or expired, or 0 between batches.
	since atomic.Int64
	// current is the delivery that runs; of a batch that runs as one unit, the first.
	current atomic.Pointer[Item]
	// overdue is what EndOverdue notes of the current run. The consumer's lock guards it.
	overdue overdueRun
	// runs is the context of the runs; see context.
	runs atomic.Pointer[runContext]

	// batch is what the worker has taken. The consumer's lock guards it.
	batch []*Item
	// size is how many deliveries to take next.
	size int
	// start is when the runs began that have not been observed yet. ended is how many of them have ended, and free how many of
	// their places are to be given back.
	start       time.Duration
	ended, free int
}

// runContext is a context and its end.
type runContext struct {
	ctx    context.Context //nolint:containedctx // reused from run to run
	cancel context.CancelFunc
}

const (
	// expired marks a run that outlived the timeout. Its context serves no other run.
	expired = -1
	// begun marks a run for which the clock was not read. Its timeout counts from when EndOverdue first looks at it.
	begun = -2
)

func (w *worker) run() {
	c := w.consumer
	normal := false
	defer func() {
		w.flush()
		if r := w.runs.Load(); r != nil {
			r.cancel()
		}
		c.mu.Lock()
		delete(c.workers, w)
		if !normal { // the handler called runtime.Goexit: another worker goes on
			c.wake()
		}
		c.changed.Broadcast()
		c.mu.Unlock()
	}()
	for {
		batch := w.take()
		if len(batch) == 0 {
			normal = true
			return
		}
		w.start = c.clock()
		if c.opts.RunBatches && len(batch) > 1 && w.runBatch(batch) {
			continue
		}
		at := int64(w.start)
		for i, d := range batch {
			if i > 0 && c.closed.Load() {
				w.settle(d, message.ErrNotBegun)
			} else {
				w.runOne(d, at, batch[i+1:])
			}
			at = begun
		}
		w.flush()
	}
}

// take waits for deliveries, which are the batch of w then. It returns none when the consumer is closed.
func (w *worker) take() []*Item {
	c := w.consumer
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(w.batch)
	w.batch = w.batch[:0]
	for c.open && c.ready.len() == 0 {
		c.idle++
		c.changed.Wait()
		c.idle--
	}
	if !c.open {
		return nil
	}
	n := w.size
	if c.opts.RunBatches { // leave the other workers their part
		n = min(c.opts.Batch, 1+c.ready.len()/c.Subscription.Concurrency)
	}
	if c.alone {
		n = 1
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
		if w.since.Swap(0) == expired {
			w.runs.Store(nil)
		}
		if returned {
			return
		}
		c.mu.Lock()
		c.alone = true
		c.mu.Unlock()
		w.giveBack(batch)
	}()
	w.current.Store(batch[0])
	done := c.owner.RunBatch(w.context(int64(w.start)), batch)
	//crash:point after effect
	returned = true
	if !done {
		w.start = c.clock()
		return false
	}
	c.Subscription.Observe(len(batch), (c.clock()-w.start)/time.Duration(len(batch)), nil)
	for _, d := range batch {
		w.settle(d, nil)
	}
	return true
}

// runOne runs d, which begins at a time of the consumer's clock, and settles it. When the handler ends the goroutine, the rest of
// the batch goes back to the queue.
func (w *worker) runOne(d *Item, at int64, rest []*Item) {
	err := message.ErrExited
	defer func() {
		w.ended++
		if err != nil {
			w.observe(err)
		}
		if err == message.ErrExited { //nolint:errorlint // set just above, never wrapped
			w.giveBack(rest)
		}
		w.settle(d, err)
	}()
	err = w.call(d, at)
	//crash:point after effect
}

func (w *worker) call(d *Item, at int64) (err error) {
	defer app.Recover(&err)
	w.current.Store(d)
	return message.SafeError(w.consumer.owner.Run(w.context(at), d))
}

// giveBack makes the deliveries ready again that the worker has taken and not begun. A consumer that has closed meanwhile does
// not take them.
func (w *worker) giveBack(rest []*Item) {
	for _, d := range rest {
		if !w.consumer.Retry(d) {
			w.settle(d, message.ErrNotBegun)
		}
	}
}

func (w *worker) settle(d *Item, err error) {
	if w.consumer.owner.Settle(d, err) {
		w.free++
	}
}

// shortRun is the longest run whose time is not measured by itself.
const shortRun = 100 * time.Microsecond

// flush reports the runs since the last flush and gives their places back.
func (w *worker) flush() {
	if w.since.Swap(0) == expired {
		w.runs.Store(nil)
	}
	w.current.Store(nil)
	w.observe(nil)
	if w.free > 0 {
		w.consumer.Free(w.free)
		w.free = 0
	}
}

// observe reports how long the runs took that have ended since it was last called, the last one with err. The clock is read once
// for all of them: what exceeds shortRun counts as the last one's, and the worker takes fewer deliveries at a time next.
func (w *worker) observe(err error) {
	n := w.ended
	if n == 0 {
		return
	}
	end := w.consumer.clock()
	took := end - w.start
	usual := min(took, shortRun) / time.Duration(n)
	if n > 1 {
		w.consumer.Subscription.Observe(n-1, usual, nil)
	}
	w.consumer.Subscription.Observe(1, took-usual*time.Duration(n-1), err)
	w.size = min(w.consumer.opts.Batch, 1+n*int(shortRun)/int(took+1))
	w.start, w.ended = end, 0
}

// context returns the context of the next run, which begins at a time of the consumer's clock. One context serves many runs,
// until it is cancelled: a timer for each run would cost more than most handlers.
func (w *worker) context(at int64) context.Context {
	if w.since.Load() != at && w.since.Swap(at) == expired {
		w.runs.Store(nil)
	}
	r := w.runs.Load()
	if r == nil {
		r = &runContext{}
		r.ctx, r.cancel = context.WithCancel(w.consumer.base)
		w.runs.Store(r)
	}
	return r.ctx
}

// expire cancels the run that began at a time.
func (w *worker) expire(at int64) {
	r := w.runs.Load()
	if r != nil && w.since.CompareAndSwap(at, expired) { // still that run, so r is its context
		r.cancel()
	}
}
