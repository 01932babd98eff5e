package consumer

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"plugboard/infra/eventbus/internal/message"
)

// Consumer is the queue of one subscription in memory: it holds the waiting deliveries, keeps the order of keys, and has
// workers run them. It knows neither database nor transport: its [Owner] decides what becomes of a delivery.
//
// Each delivery takes a place, which its owner reserves before Push and gives back with Free. Its methods may be called
// concurrently, but for Start, which is called once.
type Consumer struct {
	Subscription *message.Subscription
	owner        Owner
	opts         Options

	made   time.Time
	base   context.Context //nolint:containedctx // the parent of the runs, ended by Wait
	cancel context.CancelFunc
	closed atomic.Bool
	// late counts the runs that were overdue at the last look.
	late atomic.Int64
	// used counts the places taken, of at most opts.Capacity.
	used atomic.Int64
	// waiters counts the publishers that wait for a place. stalled tells that one waited in vain since a place was given back.
	waiters atomic.Int32
	stalled atomic.Bool

	mu      sync.Mutex
	changed sync.Cond // tells workers of deliveries, and Wait of the end of a worker
	keys    map[string]*Order
	workers map[*worker]struct{}
	// room is closed when a place is given back while publishers wait for one.
	room  chan struct{}
	ready ring
	idle  int
	open  bool
	// alone tells that a handler ended the goroutine of a batch: from then on each delivery is run by itself.
	alone bool
}

// Owner is the transport that a consumer works for. Its methods are called concurrently.
type Owner interface {
	// Run runs the handler of d. The consumer turns a panic into an error.
	Run(ctx context.Context, d *Item) error
	// RunBatch runs the handlers of several deliveries as one unit. It reports false when nothing of it has happened; each
	// delivery is run by itself then. Only a consumer with ConsumerOptions.RunBatches calls it.
	RunBatch(ctx context.Context, batch []*Item) bool
	// Settle is told how the run of d ended, and reports whether the place of d is free. It calls Advance or Drop.
	Settle(d *Item, err error) (free bool)
	// Idle is called after the last place has been given back.
	Idle()
}

// ConsumerOptions are the choices of a consumer's owner.
type Options struct {
	// Capacity is the number of places.
	Capacity int
	// Batch is how many deliveries a worker takes at a time at most; 0 means 1.
	Batch int
	// RunBatches has a worker run what it has taken with Owner.RunBatch.
	RunBatches bool
	// External has no workers run: the owner takes deliveries with Pull and is told by Ready when there are some.
	External bool
	// Ready is called after a delivery of an external consumer has become ready.
	Ready func()
}

// Item is a delivery in the queue of a consumer.
type Item struct {
	message.Delivery

	consumer *Consumer
	// number is the place of the delivery among those of its key.
	number int64
	// order is the state of the key under which the delivery was numbered.
	order *Order
}

// NewConsumer returns the consumer of s. It runs nothing before Start.
func New(s *message.Subscription, owner Owner, opts Options) *Consumer {
	if s.Observe == nil {
		s.Observe = func(int, time.Duration, error) {}
	}
	opts.Batch = max(1, opts.Batch)
	c := &Consumer{
		Subscription: s, owner: owner, opts: opts, made: time.Now(),
		keys: make(map[string]*Order), workers: make(map[*worker]struct{}),
	}
	c.changed.L = &c.mu
	return c
}

// Item returns a new delivery of m to the consumer. Number is its place among those of its key; 0 has Push number it.
func (c *Consumer) Item(m *message.Message, attempt int, number int64, order *Order) *Item {
	return &Item{Delivery: message.Delivery{Message: m, Subscription: c.Subscription, Attempt: attempt}, consumer: c, number: number, order: order}
}

// Consumer returns the consumer that d was made by.
func (d *Item) Consumer() *Consumer { return d.consumer }

// Owner returns the owner of the consumer.
func (c *Consumer) Owner() Owner { return c.owner }

// Reserve takes a place, if there is one.
func (c *Consumer) Reserve() bool {
	if c.used.Add(1) > int64(c.opts.Capacity) {
		c.used.Add(-1)
		return false
	}
	return true
}

// ReserveUpTo takes up to n places and returns how many.
func (c *Consumer) ReserveUpTo(n int) (places int) {
	for places < n && c.Reserve() {
		places++
	}
	return places
}

// Unreserve gives n places back of which nobody needs to be told.
func (c *Consumer) Unreserve(n int) { c.used.Add(-int64(n)) }

// Used returns how many places are taken.
func (c *Consumer) Used() int64 { return c.used.Load() }

// Full reports whether all places are taken.
func (c *Consumer) Full() bool { return c.used.Load() >= int64(c.opts.Capacity) }

// Quiet reports whether nothing is waiting or running.
func (c *Consumer) Quiet() bool { return c.used.Load() == 0 }

// AwaitRoom waits up to limit for a place and takes it. After a wait in vain nobody waits again until a place has been given
// back, so that a subscription that stands still slows its publishers down once.
func (c *Consumer) AwaitRoom(limit time.Duration) bool {
	if c.stalled.Load() {
		return false
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	c.waiters.Add(1)
	defer c.waiters.Add(-1)
	for {
		c.mu.Lock()
		if c.room == nil {
			c.room = make(chan struct{})
		}
		room := c.room
		c.mu.Unlock()
		if c.Reserve() {
			return true
		}
		select {
		case <-room:
		case <-timer.C:
			c.stalled.Store(true)
			return false
		}
	}
}

// Free gives n places back and tells publishers that wait for one.
func (c *Consumer) Free(n int) {
	if c.used.Add(-int64(n)) == 0 {
		c.owner.Idle()
	}
	if c.stalled.Load() {
		c.stalled.Store(false)
	}
	if c.waiters.Load() == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// Start lets deliveries run, under contexts that end with base.
func (c *Consumer) Start(base context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base, c.cancel = context.WithCancel(base)
	c.open = true
	c.wake()
}

// Ended reports whether the context of the runs has ended, and with it the right to blame a handler for its error.
func (c *Consumer) Ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base != nil && c.base.Err() != nil
}

// Push takes a delivery whose place has been reserved. One with a key waits for its turn. Push returns false when the consumer
// is closed, or has given up the order of the key since the delivery was numbered: the delivery must go back to storage then.
func (c *Consumer) Push(d *Item) bool {
	c.mu.Lock()
	taken := c.enqueue(d)
	c.mu.Unlock()
	c.tellReady()
	return taken
}

func (c *Consumer) enqueue(d *Item) bool {
	switch {
	case c.closed.Load():
		return false
	case d.Key == "":
		c.ready.push(d)
	case d.order != nil && c.keys[d.Key] != d.order:
		return false
	default:
		c.enqueueKeyed(d)
	}
	c.wake()
	return true
}

func (c *Consumer) tellReady() {
	if c.opts.External && c.opts.Ready != nil {
		c.opts.Ready()
	}
}

// Retry makes d ready once more, before the later deliveries of its key. It returns false when the consumer is closed.
func (c *Consumer) Retry(d *Item) bool {
	c.mu.Lock()
	defer c.tellReady()
	defer c.mu.Unlock()
	if c.closed.Load() {
		return false
	}
	c.ready.push(d)
	c.wake()
	return true
}

// Pull takes the next ready delivery of an external consumer, or nil.
func (c *Consumer) Pull() *Item {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open || c.ready.len() == 0 {
		return nil
	}
	return c.ready.pop()
}

// External reports whether the owner runs the deliveries.
func (c *Consumer) External() bool { return c.opts.External }

// Waiting reports whether Pull would find a delivery.
func (c *Consumer) Waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open && c.ready.len() > 0
}

// wake has a worker look at the queue. The caller holds the lock.
func (c *Consumer) wake() {
	if !c.open || c.opts.External || c.ready.len() == 0 {
		return
	}
	if c.idle > 0 {
		c.changed.Signal()
		return
	}
	if len(c.workers) < c.Subscription.Concurrency {
		w := &worker{consumer: c, size: 1}
		c.workers[w] = struct{}{}
		go w.run()
	}
}

// clock is the time since the consumer was made: monotonic, and cheaper to read than the time of day.
func (c *Consumer) clock() time.Duration { return time.Since(c.made) }

// Held adds to held what the consumer has: what is ready, waits for its turn, or is with a worker.
func (c *Consumer) Held(held map[*Item]struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready.each(func(d *Item) { held[d] = struct{}{} })
	for _, ks := range c.keys {
		for _, d := range ks.waiting {
			held[d] = struct{}{}
		}
	}
	for w := range c.workers {
		for _, d := range w.batch {
			held[d] = struct{}{}
		}
	}
}

// Close stops taking deliveries and returns those that have not begun.
func (c *Consumer) Close() []*Item {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = false
	c.closed.Store(true)
	c.changed.Broadcast()
	left := c.ready.drain()
	for _, ks := range c.keys {
		left = append(left, ks.waiting...)
		ks.waiting = nil
	}
	return left
}

// Recall takes back the deliveries that have not begun.
func (c *Consumer) Recall() []*Item {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.ready.drain()
	for key, ks := range c.keys {
		left = append(left, c.giveUp(key, ks)...)
	}
	return left
}

// Wait returns nil when all workers have ended. When ctx is done first, it cancels the runs and returns an error that says how
// many go on.
func (c *Consumer) Wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		c.changed.Broadcast()
		c.mu.Unlock()
	})
	defer stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.workers) > 0 && ctx.Err() == nil {
		c.changed.Wait()
	}
	if c.cancel != nil {
		c.cancel()
	}
	if n := len(c.workers); n > 0 {
		return fmt.Errorf("subscription %s: %d still running", c.Subscription.Name, n)
	}
	return nil
}
