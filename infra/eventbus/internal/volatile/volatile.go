// Package volatile delivers events within this process.
//
// A [Volatile] hands each message to the subscriptions of its topic. It repeats deliveries that fail, and keeps delayed messages until
// they are due. It stores nothing: its messages are lost when the process ends. When the queue of a subscription is full, the
// subscription loses further messages, and Volatile calls Hooks.Dropped for each of them. The front of the event bus makes and calls
// it. Subscribe is called before Start, by one goroutine; the other methods may be called concurrently.
package volatile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"plugboard/infra/database"
	"plugboard/infra/eventbus/internal/consumer"
	"plugboard/infra/eventbus/internal/message"
)

// Volatile delivers events within this process; see the package.
type Volatile struct {
	buffer int
	hooks  message.Hooks

	byTopic  map[string][]*consumer.Consumer
	all      []*consumer.Consumer
	clock    clock
	messages slab[message.Message]
	items    slab[consumer.Item]
	// idle wakes the callers of AwaitIdle when a subscription has no message any more.
	idle message.Notifier

	mu     sync.Mutex
	stop   context.CancelFunc // nil before Start
	closed bool
	tasks  sync.WaitGroup
	// timers has, for each delivery that waits for a delay or a retry, the timer that ends the wait.
	timers map[*time.Timer]*consumer.Item
}

// New returns a Volatile that holds at most buffer messages for each subscription.
func New(buffer int, hooks message.Hooks) *Volatile {
	v := &Volatile{
		buffer: buffer, hooks: hooks,
		byTopic: make(map[string][]*consumer.Consumer), timers: make(map[*time.Timer]*consumer.Item),
	}
	v.clock.made = time.Now()
	v.clock.set()
	return v
}

// Subscribe adds a subscription.
func (v *Volatile) Subscribe(s message.Subscription) {
	c := consumer.New(&s, v, consumer.Options{Capacity: v.buffer})
	v.byTopic[s.Topic] = append(v.byTopic[s.Topic], c)
	v.all = append(v.all, c)
}

// Start begins to deliver. It returns an error when it was called before, or after Close.
func (v *Volatile) Start(context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed || v.stop != nil {
		return errors.New("start volatile events: started before")
	}
	run, stop := context.WithCancel(context.Background())
	v.stop = stop
	for _, c := range v.all {
		c.Start(run)
	}
	v.tasks.Go(func() { message.Repeat(run, v.endOverdue) })
	return nil
}

// endOverdue ends and reports overdue runs. It returns the wait until its next call.
func (v *Volatile) endOverdue() (wait time.Duration) {
	v.clock.set()
	for _, c := range v.all {
		c.EndOverdue(v.hooks.Overdue)
	}
	return 100 * time.Millisecond
}

// Now returns the time for a message that is published now, in UTC and in whole milliseconds.
func (v *Volatile) Now() time.Time { return v.clock.now() }

// NewMessage returns an empty message for Publish. It is part of an allocation that other messages share.
func (v *Volatile) NewMessage() *message.Message { return v.messages.next() }

// Publish hands m to the subscriptions of its topic: at once, or after the commit of ctx's transaction. Outside a transaction, it waits
// a moment for room when a subscription is full.
func (v *Volatile) Publish(ctx context.Context, m *message.Message) error {
	tx, err := database.Join(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("not in the transaction: %w", err)
	case tx != nil:
		tx.Attach(nil, database.Participant{AfterCommit: func() { v.Deliver(m) }})
	default:
		v.deliver(m, fullWait)
	}
	return nil
}

// fullWait is how long a publisher waits for room in a full subscription. After such a wait, Volatile drops further messages at once, as
// long as the subscription makes no progress. It also drops the messages of a transaction at once: a wait at the end of a
// transaction would delay the next writer on SQLite, and keep a connection on Postgres.
const fullWait = 250 * time.Millisecond

// Deliver hands m to the subscriptions of its topic without waiting for room.
func (v *Volatile) Deliver(m *message.Message) { v.deliver(m, 0) }

func (v *Volatile) deliver(m *message.Message, wait time.Duration) {
	for _, c := range v.byTopic[m.Topic] {
		if !c.Reserve() && (wait == 0 || !c.AwaitRoom(wait)) {
			v.drop(c)
			continue
		}
		d := v.items.next()
		c.Init(d, m, 1)
		if m.Delay > 0 {
			v.later(m.Delay, d, c.Push)
			continue
		}
		v.put(d, c.Push)
	}
}

// put hands d to its consumer with push. It drops d when the consumer has closed meanwhile.
func (v *Volatile) put(d *consumer.Item, push func(*consumer.Item) bool) {
	if !push(d) {
		d.Consumer().Free(1)
		v.drop(d.Consumer())
	}
}

func (v *Volatile) drop(c *consumer.Consumer) {
	if v.hooks.Dropped != nil {
		v.hooks.Dropped(c.Subscription.Name)
	}
}

// later calls put after a wait. When v closes first, d is lost and its place is given back.
func (v *Volatile) later(wait time.Duration, d *consumer.Item, push func(*consumer.Item) bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		d.Consumer().Free(1)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		v.mu.Lock()
		_, ok := v.timers[timer]
		delete(v.timers, timer)
		v.mu.Unlock()
		if ok {
			v.put(d, push)
		}
	})
	v.timers[timer] = d
}

// Run implements [consumer.Owner].
func (*Volatile) Run(ctx context.Context, d *consumer.Item) error {
	return d.Subscription.Handle(ctx, &d.Delivery)
}

// RunBatch implements [consumer.Owner]. It is never called: Volatile makes its consumers without Options.Batch.
func (*Volatile) RunBatch(context.Context, []*consumer.Item) bool { return false }

// Settle implements [consumer.Owner].
func (v *Volatile) Settle(d *consumer.Item, err error) (free bool) {
	if err != nil && v.hooks.Failed != nil {
		v.hooks.Failed(&d.Delivery, err)
	}
	c := d.Consumer()
	switch {
	case err == nil:
	case d.Attempt < d.Subscription.Attempts && !message.IsFinal(err):
		d.Attempt++
		v.later(d.Subscription.Backoff(d.Attempt-1), d, c.MakeReady)
		return false
	case v.hooks.Dead != nil:
		v.hooks.Dead(&d.Delivery, err)
	}
	c.Advance(d)
	return true
}

// Idle implements [consumer.Owner].
func (v *Volatile) Idle() { v.idle.Tell() }

// AwaitIdle waits until no message waits or is handled; a message that waits for a retry or a delay counts as waiting. It returns ctx's
// error when ctx is done first.
func (v *Volatile) AwaitIdle(ctx context.Context) error {
	return v.idle.Await(ctx, 0, func() (bool, error) { return quiet(v.all), nil })
}

// Quiet reports whether no subscription of topic has a message.
func (v *Volatile) Quiet(topic string) bool { return quiet(v.byTopic[topic]) }

func quiet(consumers []*consumer.Consumer) bool {
	return !slices.ContainsFunc(consumers, func(c *consumer.Consumer) bool { return !c.Quiet() })
}

// Late returns how many runs are overdue, by subscription.
func (v *Volatile) Late() map[string]int64 {
	late := make(map[string]int64, len(v.all))
	for _, c := range v.all {
		late[c.Subscription.Name] = c.Late()
	}
	return late
}

// Close drops the messages that wait for a retry or a delay, waits until ctx is done for the other messages to be handled, and stops
// delivering. The error says how many runs go on. Close may be called without Start, twice, and concurrently.
func (v *Volatile) Close(ctx context.Context) error {
	v.mu.Lock()
	v.closed = true
	stop, timers := v.stop, v.timers
	v.timers = nil
	v.mu.Unlock()
	for timer, d := range timers {
		timer.Stop()
		d.Consumer().Free(1)
	}
	if stop != nil {
		defer v.tasks.Wait()
		defer stop()
		_ = v.AwaitIdle(ctx) // Wait below returns an error for the runs that go on
	}
	var errs []error
	for _, c := range v.all {
		if left := c.Close(); len(left) > 0 {
			c.Free(len(left))
		}
	}
	for _, c := range v.all {
		errs = append(errs, c.Wait(ctx))
	}
	return errors.Join(errs...)
}
