package volatile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"plugboard/infra/database"
	"plugboard/infra/eventbus/internal/consumer"
	"plugboard/infra/eventbus/internal/message"
)

// Volatile delivers the messages of volatile subscriptions: they live in this process and end with it. A subscription that has no
// room for a message loses it, which is counted.
//
// Subscribe is called before Start, by one goroutine; the other methods may be called concurrently.
type Volatile struct {
	buffer int
	hooks  message.Hooks

	byTopic map[string][]*consumer.Consumer
	all     []*consumer.Consumer

	mu     sync.Mutex
	idle   chan struct{}
	stop   context.CancelFunc
	ctx    context.Context //nolint:containedctx // the parent of the runs, ended by Close
	done   chan struct{}
	closed bool
	// timers are the delayed and retried deliveries, each with what gives its place back.
	timers map[*time.Timer]func()
}

// NewVolatile returns a Volatile that holds at most buffer messages for each subscription.
func New(buffer int, hooks message.Hooks) *Volatile {
	return &Volatile{buffer: buffer, hooks: hooks, byTopic: make(map[string][]*consumer.Consumer), timers: make(map[*time.Timer]func())}
}

// Subscribe adds a subscription.
func (v *Volatile) Subscribe(s message.Subscription) {
	opts := consumer.Options{Capacity: v.buffer}
	if s.Concurrency == 1 {
		opts.Batch = min(64, v.buffer/16)
	}
	c := consumer.New(&s, v, opts)
	v.byTopic[s.Topic] = append(v.byTopic[s.Topic], c)
	v.all = append(v.all, c)
}

// Start begins to deliver.
func (v *Volatile) Start(context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed || v.ctx != nil {
		return errors.New("start volatile events: started before")
	}
	v.ctx, v.stop = context.WithCancel(context.Background())
	v.done = make(chan struct{})
	for _, c := range v.all {
		c.Start(v.ctx)
	}
	go v.endOverdueRuns(v.ctx)
	return nil
}

// endOverdueRuns ends and reports overdue runs until ctx is done.
func (v *Volatile) endOverdueRuns(ctx context.Context) {
	defer close(v.done)
	message.Repeat(ctx, func() time.Duration {
		for _, c := range v.all {
			c.EndOverdue(v.hooks.Overdue)
		}
		return 100 * time.Millisecond
	})
}

// Publish hands m to the subscriptions of its topic: at once, or after the commit of ctx's transaction. Outside a transaction it
// waits a moment for a subscription that is full.
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

// fullWait is how long a publisher waits for a full subscription, once: as long as the subscription then makes no progress,
// messages are dropped without a wait. Those of a transaction are dropped at once, since the end of a transaction holds up the
// next writer on SQLite and keeps a connection on Postgres.
const fullWait = 250 * time.Millisecond

// Deliver hands m to the subscriptions of its topic without waiting for room.
func (v *Volatile) Deliver(m *message.Message) { v.deliver(m, 0) }

func (v *Volatile) deliver(m *message.Message, wait time.Duration) {
	for _, c := range v.byTopic[m.Topic] {
		if !c.Reserve() && (wait == 0 || !c.AwaitRoom(wait)) {
			v.drop(c)
			continue
		}
		d := c.Item(m, 1, 0, nil)
		if m.Delay > 0 {
			v.later(m.Delay, c, func() { v.put(d, c.Push) })
			continue
		}
		v.put(d, c.Push)
	}
}

// put hands d to its consumer, which may have been closed meanwhile.
func (v *Volatile) put(d *consumer.Item, push func(*consumer.Item) bool) {
	if push(d) {
		return
	}
	d.Consumer().Free(1)
	v.drop(d.Consumer())
}

func (v *Volatile) drop(c *consumer.Consumer) {
	if v.hooks.Dropped != nil {
		v.hooks.Dropped(c.Subscription.Name)
	}
}

// later runs fn after d. When v is closed first, it gives the place in c back.
func (v *Volatile) later(d time.Duration, c *consumer.Consumer, fn func()) {
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		c.Free(1)
		return
	}
	defer v.mu.Unlock()
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		v.mu.Lock()
		_, ok := v.timers[timer]
		delete(v.timers, timer)
		v.mu.Unlock()
		if ok {
			fn()
		}
	})
	v.timers[timer] = func() { c.Free(1) }
}

// Run implements [Owner].
func (*Volatile) Run(ctx context.Context, d *consumer.Item) error {
	return d.Subscription.Handle(ctx, &d.Delivery)
}

// RunBatch implements [Owner].
func (*Volatile) RunBatch(context.Context, []*consumer.Item) bool { return false }

// Settle implements [Owner].
func (v *Volatile) Settle(d *consumer.Item, err error) (free bool) {
	if errors.Is(err, message.ErrNotBegun) {
		return true
	}
	if err != nil && v.hooks.Failed != nil {
		v.hooks.Failed(&d.Delivery, err)
	}
	c := d.Consumer()
	switch {
	case err == nil:
	case d.Attempt < d.Subscription.Attempts && !message.IsFinal(err):
		d.Attempt++
		v.later(d.Subscription.Backoff(d.Attempt-1), c, func() { v.put(d, c.Retry) })
		return false
	case v.hooks.Dead != nil:
		v.hooks.Dead(&d.Delivery, err)
	}
	c.Advance(d)
	return true
}

// Idle implements [Owner]: it wakes those who wait in AwaitIdle.
func (v *Volatile) Idle() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.idle != nil {
		close(v.idle)
		v.idle = nil
	}
}

// AwaitIdle returns nil as soon as no message is waiting or being handled, retries and delays included, or ctx's error.
func (v *Volatile) AwaitIdle(ctx context.Context) error {
	for {
		v.mu.Lock()
		if v.quiet() {
			v.mu.Unlock()
			return nil
		}
		if v.idle == nil {
			v.idle = make(chan struct{})
		}
		idle := v.idle
		v.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-idle:
		}
	}
}

func (v *Volatile) quiet() bool {
	for _, c := range v.all {
		if !c.Quiet() {
			return false
		}
	}
	return true
}

// Quiet reports whether no subscription of topic has a message.
func (v *Volatile) Quiet(topic string) bool {
	for _, c := range v.byTopic[topic] {
		if !c.Quiet() {
			return false
		}
	}
	return true
}

// Late returns how many runs are overdue, by subscription.
func (v *Volatile) Late() map[string]int64 {
	late := make(map[string]int64, len(v.all))
	for _, c := range v.all {
		late[c.Subscription.Name] = c.Late()
	}
	return late
}

// Close stops delivering. Messages that wait are handled first, as far as ctx allows; those that wait for a retry or a delay are
// dropped. The error says how many runs go on. Close may be called without Start, twice, and concurrently.
func (v *Volatile) Close(ctx context.Context) error {
	v.mu.Lock()
	v.closed = true
	started := v.ctx != nil
	timers := v.timers
	v.timers = make(map[*time.Timer]func())
	v.mu.Unlock()
	for timer, free := range timers { // which wakes AwaitIdle
		timer.Stop()
		free()
	}
	if started {
		_ = v.AwaitIdle(ctx) // the error below says what is left
	}
	for _, c := range v.all {
		if left := c.Close(); len(left) > 0 {
			c.Free(len(left))
		}
	}
	if !started {
		return nil
	}
	var errs []error
	for _, c := range v.all {
		errs = append(errs, c.Wait(ctx))
	}
	v.stop()
	<-v.done
	return errors.Join(errs...)
}
