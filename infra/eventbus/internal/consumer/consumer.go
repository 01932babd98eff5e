// Package consumer is the queue of one subscription in memory.
//
// A [Consumer] holds the deliveries that wait, keeps the order of keys, and starts workers that run the handlers. It promises three
// things. Each delivery that it has taken is run, given back, handed out by Pull, or still known to Held. Two deliveries of a key
// never run at the same time. They run in the order of their numbers. The package knows neither database nor transport: the outbox
// (durable delivery) and package volatile (delivery within the process) make a consumer for each subscription. They are its [Owner]
// and decide on the outcome of each run. All methods may be called concurrently; only Start is called once.
package consumer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"plugboard/infra/eventbus/internal/message"
)

// Consumer is the queue of one subscription in memory; see the package.
//
// Each delivery takes a place. The owner reserves the place before Push, and gives it back with Free or with Unreserve.
type Consumer struct {
	Subscription *message.Subscription
	owner        Owner
	opts         Options

	made   time.Time
	base   context.Context //nolint:containedctx // the parent of the contexts of runs; Wait ends it
	cancel context.CancelFunc
	closed atomic.Bool
	// late counts the runs that were overdue when EndOverdue last looked.
	late atomic.Int64
	// used counts the places taken, of at most opts.Capacity.
	used atomic.Int64
	// room wakes publishers that wait for a place when a place is given back. stalled is true if a publisher waited in vain, and no
	// place has been given back since.
	room    message.Notifier
	stalled atomic.Bool

	_ [64]byte // keeps the counters above and the queue below in different cache lines

	mu sync.Mutex
	// changed wakes idle workers when a delivery is ready, and Wait when a worker has ended.
	changed sync.Cond
	keys    map[string]*KeyState
	workers map[*worker]struct{}
	ready   fifo
	idle    int
	open    bool
	// isolated is true if a handler has ended the goroutine of a batch. From then on each delivery is run by itself.
	isolated bool
}

// Owner runs the deliveries of a consumer and decides on their outcomes. Its methods are called concurrently.
type Owner interface {
	// Run runs the handler of d. It may panic and call runtime.Goexit: the consumer turns both into an error.
	Run(ctx context.Context, d *Item) error
	// RunBatch runs the handlers of several deliveries as one unit. If it returns false, none of the handlers has had an effect, and
	// the consumer runs each delivery by itself. RunBatch is called only with Options.Batch.
	RunBatch(ctx context.Context, batch []*Item) bool
	// Settle decides on the outcome of d, whose run ended with err, and calls Advance or Drop. If it returns true, the consumer may
	// free the place of d now. If not, the owner frees it later.
	Settle(d *Item, err error) (free bool)
	// Idle is called after Free has given the last place back.
	Idle()
}

// Options are the owner's choices for a consumer.
type Options struct {
	// Capacity is the number of places.
	Capacity int
	// Batch is how many deliveries a worker hands to Owner.RunBatch at most. With 0, a worker runs each delivery by itself.
	Batch int
	// OwnerRuns is true if the owner runs the deliveries: the consumer starts no workers, and the owner calls Pull.
	OwnerRuns bool
	// Ready is called after a delivery has become ready for Pull. It is for an owner that runs the deliveries.
	Ready func()
}

// Item is a delivery in the queue of a consumer.
type Item struct {
	message.Delivery

	consumer *Consumer
	// number is the position of the delivery among the deliveries of its key.
	number int64
	// order is the state of the key when the delivery was numbered; nil if Push numbers it.
	order *KeyState
}

// New returns the consumer of s. It runs nothing before Start.
func New(s *message.Subscription, owner Owner, opts Options) *Consumer {
	if s.Observe == nil {
		s.Observe = func(time.Duration, error) {}
	}
	c := &Consumer{
		Subscription: s, owner: owner, opts: opts, made: time.Now(),
		keys: make(map[string]*KeyState), workers: make(map[*worker]struct{}),
	}
	c.changed.L = &c.mu
	return c
}

// NewItem returns a new delivery of m to the consumer. Number is its position among the deliveries of its key. With number 0, Push
// numbers the delivery.
func (c *Consumer) NewItem(m *message.Message, attempt int, number int64, order *KeyState) *Item {
	d := &Item{number: number, order: order}
	c.Init(d, m, attempt)
	return d
}

// Init makes the zero d a delivery of m to the consumer, as NewItem does. Push numbers the delivery.
func (c *Consumer) Init(d *Item, m *message.Message, attempt int) {
	d.Message, d.Subscription, d.Attempt, d.consumer = m, c.Subscription, attempt, c
}

// Consumer returns the consumer that made d.
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

// Unreserve gives n places back and wakes nobody.
func (c *Consumer) Unreserve(n int) { c.used.Add(-int64(n)) }

// Used returns how many places are taken.
func (c *Consumer) Used() int64 { return c.used.Load() }

// Full reports whether all places are taken.
func (c *Consumer) Full() bool { return c.used.Load() >= int64(c.opts.Capacity) }

// Quiet reports whether nothing is waiting or running.
func (c *Consumer) Quiet() bool { return c.used.Load() == 0 }

// AwaitRoom waits up to limit for a place and takes it. After it has waited in vain, it does not wait again until a place has been
// given back, so that a subscription whose handlers hang slows its publishers down once, and not with each event.
func (c *Consumer) AwaitRoom(limit time.Duration) bool {
	if c.stalled.Load() {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	got := c.room.Await(ctx, 0, func() (bool, error) { return c.Reserve(), nil }) == nil
	if !got {
		c.stalled.Store(true)
	}
	return got
}

// Free gives n places back, wakes the publishers that wait for a place, and calls Owner.Idle when no place is taken any more.
func (c *Consumer) Free(n int) {
	if c.used.Add(-int64(n)) == 0 {
		c.owner.Idle()
	}
	if c.stalled.Load() {
		c.stalled.Store(false)
	}
	c.room.Tell()
}

// Start begins to run deliveries. The contexts of the runs end with base.
func (c *Consumer) Start(base context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base, c.cancel = context.WithCancel(base)
	c.open = true
	c.wake()
}

// Ended reports whether the context of the runs has ended. The end can be the cause of a handler's error, which then is not the
// handler's fault.
func (c *Consumer) Ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base != nil && c.base.Err() != nil
}

// Push takes a delivery whose place has been reserved. A delivery with a key waits for its turn. Push returns false when the
// consumer is closed, or has forgotten the key since the delivery was numbered. The caller then gives the delivery back to storage.
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
	if c.opts.Ready != nil {
		c.opts.Ready()
	}
}

// MakeReady makes d ready once more, before the later deliveries of its key. It returns false when the consumer is closed.
func (c *Consumer) MakeReady(d *Item) bool {
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

// Pull takes the next ready delivery for an owner that runs the deliveries. It returns nil when none is ready.
func (c *Consumer) Pull() *Item {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open || c.ready.len() == 0 {
		return nil
	}
	return c.ready.pop()
}

// OwnerRuns reports whether the owner runs the deliveries.
func (c *Consumer) OwnerRuns() bool { return c.opts.OwnerRuns }

// Waiting reports whether Pull would find a delivery.
func (c *Consumer) Waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open && c.ready.len() > 0
}

// wake wakes an idle worker or starts a worker, if a delivery is ready. The caller holds the lock.
func (c *Consumer) wake() {
	if !c.open || c.opts.OwnerRuns || c.ready.len() == 0 {
		return
	}
	if c.idle > 0 {
		c.changed.Signal()
		return
	}
	if len(c.workers) < c.Subscription.Concurrency {
		w := &worker{consumer: c}
		c.workers[w] = struct{}{}
		go w.run()
	}
}

// clock returns the time since the consumer was made, never 0. This clock is cheaper to read than the time of day.
func (c *Consumer) clock() time.Duration { return time.Since(c.made) + 1 }

// Held adds to held all deliveries that are ready, wait for their turn, or are with a worker. The consumer does not know the
// deliveries that Pull has handed out.
func (c *Consumer) Held(held map[*Item]struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lists := [][]*Item{c.ready.items()}
	for _, ks := range c.keys {
		lists = append(lists, ks.waiting)
	}
	for w := range c.workers {
		lists = append(lists, w.batch)
	}
	for _, d := range slices.Concat(lists...) {
		held[d] = struct{}{}
	}
}

// Close makes the consumer refuse further deliveries, and returns the deliveries that have not begun.
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

// Recall forgets all keys, and returns the deliveries that have not begun. The caller gives the deliveries back to storage.
func (c *Consumer) Recall() []*Item {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.ready.drain()
	for key, ks := range c.keys {
		left = append(left, c.giveUp(key, ks)...)
	}
	return left
}

// Wait waits until all workers have ended or ctx is done, and then ends the contexts of the runs. Workers end after Close. When ctx was
// done first, the error says how many workers still run.
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
