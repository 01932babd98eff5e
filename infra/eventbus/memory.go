package eventbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"plugboard/infra/database"
)

// Memory is the transport of volatile subscriptions: messages live in this process, are handed over at
// most once per attempt, and end with it. What does not fit its bounds is dropped and counted.
type Memory struct {
	buffer int
	log    *zap.Logger
	hooks  Hooks

	lanes map[string][]*lane
	all   []*lane

	mu     sync.Mutex
	idle   chan struct{}
	stop   context.CancelFunc
	ctx    context.Context //nolint:containedctx // the parent of the runs, ended by Close
	done   chan struct{}
	closed bool
	timers map[*time.Timer]func()
	watch  watch
}

// Hooks tell what happens to deliveries, for metrics and logs. Every field may be nil.
type Hooks struct {
	// Failed is called after each run of a handler that failed.
	Failed func(d *Incoming, err error)
	// Dead is called when a delivery will not be tried again.
	Dead func(d *Incoming, err error)
	// Overdue is called when a run goes on although its time has been over for a moment, and then rarely.
	Overdue func(d *Incoming, took time.Duration)
	// Dropped is called when a volatile message found no room.
	Dropped func(group string)
}

func (h *Hooks) tell(runs []lateRun) {
	for _, r := range runs {
		if h.Overdue != nil {
			h.Overdue(r.d, r.took)
		}
	}
}

// NewMemory returns a Memory that holds at most buffer messages for each group.
func NewMemory(buffer int, log *zap.Logger, hooks Hooks) *Memory {
	t := &Memory{buffer: buffer, log: log, hooks: hooks, lanes: make(map[string][]*lane), timers: make(map[*time.Timer]func())}
	t.watch.made = time.Now()
	t.watch.set()
	return t
}

// Subscribe implements [Transport].
func (t *Memory) Subscribe(g Group) {
	l := newLane(g, t.buffer, t.settle)
	l.onQuiet = t.signalIdle
	if g.Concurrency == 1 {
		l.batch = max(1, min(64, t.buffer/16))
	}
	t.lanes[g.Topic] = append(t.lanes[g.Topic], l)
	t.all = append(t.all, l)
}

// Start implements [Transport].
func (t *Memory) Start(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.ctx != nil {
		return errors.New("start memory transport: started before")
	}
	t.ctx, t.stop = context.WithCancel(context.Background())
	t.done = make(chan struct{})
	for _, l := range t.all {
		l.start(t.ctx)
	}
	go t.keepWatch(t.ctx)
	return nil
}

// keepWatch ends overdue runs until ctx is done.
func (t *Memory) keepWatch(ctx context.Context) {
	defer close(t.done)
	repeat(ctx, func() time.Duration {
		t.watch.set()
		for _, l := range t.all {
			t.hooks.tell(l.overdue())
		}
		return 100 * time.Millisecond
	})
}

// Publish implements [Transport].
func (t *Memory) Publish(ctx context.Context, m *Message) error {
	return t.publish(ctx, m, t.lanes[m.Topic])
}

// publish hands m to lanes, after the commit if there is a transaction.
func (t *Memory) publish(ctx context.Context, m *Message, lanes []*lane) error {
	tx, err := database.Join(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("not in the transaction: %w", err)
	case tx != nil:
		tx.Attach(nil, database.Participant{AfterCommit: func() { t.hand(m, lanes, 0) }})
	default:
		t.hand(m, lanes, fullWait)
	}
	return nil
}

// hand puts m into lanes. For room in one that is full it waits up to wait, if it is told to wait at all.
func (t *Memory) hand(m *Message, lanes []*lane, wait time.Duration) {
	for _, l := range lanes {
		if !l.reserve() && (wait == 0 || !l.awaitRoom(wait)) {
			if t.hooks.Dropped != nil {
				t.hooks.Dropped(l.group.Name)
			}
			continue
		}
		d := m.incoming(l, 1)
		if m.Delay > 0 {
			t.later(m.Delay, l, func() { t.put(d, l.push) })
			continue
		}
		t.put(d, l.push)
	}
}

// put hands d to its lane, unless that has been closed meanwhile.
func (t *Memory) put(d *Incoming, push func(*Incoming) bool) {
	if push(d) {
		return
	}
	d.lane.freed(1)
	if t.hooks.Dropped != nil {
		t.hooks.Dropped(d.lane.group.Name)
	}
}

// fullWait is how long a publisher is slowed down by a full volatile subscription, once: as long as the
// subscription then makes no progress, messages are dropped without a wait. Those of a transaction are dropped at once:
// its end holds up whoever writes next on SQLite, and keeps a connection on Postgres.
const fullWait = 250 * time.Millisecond

// later runs fn after d, unless the transport closes first, which gives the place in l back.
func (t *Memory) later(d time.Duration, l *lane, fn func()) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		l.freed(1)
		return
	}
	defer t.mu.Unlock()
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		t.mu.Lock()
		_, ok := t.timers[timer]
		delete(t.timers, timer)
		t.mu.Unlock()
		if ok {
			fn()
		}
	})
	t.timers[timer] = func() { l.freed(1) }
}

// settle decides what becomes of a delivery whose handler has ended, and reports whether its place is free.
func (t *Memory) settle(d *Incoming, err error) bool {
	if errors.Is(err, errNotBegun) {
		return true
	}
	g := &d.lane.group
	if err != nil && t.hooks.Failed != nil {
		t.hooks.Failed(d, err)
	}
	switch {
	case err == nil:
	case d.Attempt < g.Attempts && !isFinal(err):
		d.Attempt++
		t.later(backoff(g, d.Attempt-1), d.lane, func() { t.put(d, d.lane.again) })
		return false
	case t.hooks.Dead != nil:
		t.hooks.Dead(d, err)
	}
	d.lane.advance(d)
	return true
}

func (t *Memory) signalIdle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}

// Idle implements [Transport].
func (t *Memory) Idle(ctx context.Context) error {
	for {
		t.mu.Lock()
		if t.quiet() {
			t.mu.Unlock()
			return nil
		}
		if t.idle == nil {
			t.idle = make(chan struct{})
		}
		idle := t.idle
		t.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-idle:
		}
	}
}

func (t *Memory) quiet() bool {
	for _, l := range t.all {
		if !l.quiet() {
			return false
		}
	}
	return true
}

// Close implements [Transport]. Messages that wait are handled before it returns, as far as ctx allows;
// those that wait for a retry or a delay are dropped.
func (t *Memory) Close(ctx context.Context) error {
	t.mu.Lock()
	t.closed = true
	started := t.ctx != nil
	timers := t.timers
	t.timers = make(map[*time.Timer]func())
	t.mu.Unlock()
	for timer, free := range timers { // which tells who waits for the transport to be idle
		timer.Stop()
		free()
	}
	if started {
		_ = t.Idle(ctx) // what is left is reported below
	}
	for _, l := range t.all {
		if left := l.close(); len(left) > 0 {
			l.freed(len(left))
		}
	}
	if !started {
		return nil
	}
	var errs []error
	for _, l := range t.all {
		errs = append(errs, l.wait(ctx))
	}
	t.stop()
	<-t.done
	return errors.Join(errs...)
}
