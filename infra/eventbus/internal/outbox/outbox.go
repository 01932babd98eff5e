package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/outbox/quarantine"
	"plugboard/infra/eventbus/internal/outbox/replica"
	"plugboard/infra/eventbus/internal/outbox/store"
)

// Outbox delivers the events of durable subscriptions. It stores an event, and one delivery for each subscription, in the publisher's
// transaction. If this process has room, it claims the deliveries in the same transaction, and hands them to the consumers in memory
// after the commit. It claims the other deliveries from the database later: when there is room again, when a delivery is due again, or
// when its process has died.
//
// Subscribe is called before Start, by one goroutine; the other methods may be called concurrently.
type Outbox struct {
	common
	store store.Store

	publisher  *publisher
	claimer    *claimer
	settler    *settler
	completer  *completer
	registry   *registry
	janitor    *janitor
	replica    *replica.Replica
	quarantine *quarantine.Quarantine

	life     sync.Mutex
	started  bool
	stopping atomic.Bool
	closing  sync.Once
	closed   chan struct{}
	closeErr error
	cancel   context.CancelFunc
	tasks    sync.WaitGroup
}

// common is what the parts of the outbox share.
type common struct {
	cfg    config.Events
	log    *zap.Logger
	hooks  message.Hooks
	queues *queues
	budget *budget
	// idle wakes the callers of AwaitIdle when deliveries have been settled or claimed.
	idle *message.Notifier
}

// calmPolls is the number of poll intervals that this process runs before a quarantined delivery may run alone.
const calmPolls = 5

// New returns an outbox in db. It opens and starts nothing.
//
// Each part does one thing. The publisher writes events. The claimer takes deliveries from the database. The settler writes their
// outcomes. The registry keeps the names of subscriptions. The janitor deletes finished events. The replica makes this process known
// to the other processes. The quarantine holds deliveries whose processes crashed.
func New(cfg config.Events, db *database.DB, log *zap.Logger, hooks message.Hooks) *Outbox {
	st := store.New(db)
	shared := common{
		cfg: cfg, log: log, hooks: hooks, queues: &queues{byTopic: make(map[string][]*queue)},
		budget: &budget{limit: cfg.Memory}, idle: &message.Notifier{},
	}
	o := &Outbox{common: shared, store: st, closed: make(chan struct{})}
	o.completer = &completer{store: st.Deliveries()}
	o.janitor = &janitor{cfg: cfg, log: log, store: st.Retention()}
	o.claimer = newClaimer(shared, st)
	o.settler = newSettler(shared, st)
	o.registry = &registry{cfg: cfg, store: st.Subscriptions(), replicas: st.Replicas(), queues: shared.queues, claimer: o.claimer}
	o.quarantine = quarantine.New(o.settler, calmPolls*cfg.Poll)
	o.replica = replica.New(cfg, st.Replicas(), log, replica.Events{
		Seen: o.registry.seen, Lost: o.recall, Claimable: o.claimer.openAll, OthersLeft: o.claimer.checkAllBehind,
	})
	o.publisher = &publisher{
		common: shared, store: st.Events(), registry: o.registry, replica: o.replica, claimer: o.claimer, settler: o.settler, running: o.Running,
	}
	c, s := o.claimer, o.settler // these know parts that are made after them
	c.replica, c.quarantine, c.settler, c.registry, c.publisher = o.replica, o.quarantine, s, o.registry, o.publisher
	s.claimer, s.quarantine, s.completer, s.publisher = c, o.quarantine, o.completer, o.publisher
	return o
}

// Subscribe adds a subscription.
func (o *Outbox) Subscribe(s message.Subscription) { o.queues.add(newQueue(o, s)) }

// Start registers the subscriptions, makes the claims of dead processes pending again, and begins to deliver.
func (o *Outbox) Start(ctx context.Context) error {
	o.life.Lock()
	defer o.life.Unlock()
	if o.started || o.stopping.Load() {
		return errors.New("start outbox: already started or closed")
	}
	ctx, stop := context.WithCancel(ctx) // since the database refuses a context that nobody can cancel
	defer stop()
	if err := o.replica.Join(ctx); err != nil {
		return err
	}
	if err := o.registry.register(ctx, o.replica.ID()); err != nil {
		o.replica.Leave(ctx)
		return err
	}
	o.started = true
	o.settler.began = time.Now()
	o.quarantine.Start()
	run, cancel := context.WithCancel(context.Background())
	o.cancel = cancel
	for _, q := range o.queues.all {
		q.Start(run)
	}
	o.tasks.Go(func() { o.settler.run(run) })
	o.tasks.Go(func() { o.claimer.run(run) })
	o.tasks.Go(func() { o.replica.Run(run, &o.stopping) })
	o.tasks.Go(func() { o.janitor.run(run) })
	o.tasks.Go(func() { message.Repeat(run, o.endOverdue) })
	return nil
}

// Open registers the subscriptions, and delivers nothing: events that are published then wait in the database, for other processes or
// for the next start. It is called instead of Start.
func (o *Outbox) Open(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx) // since the database refuses a context that nobody can cancel
	defer stop()
	return o.registry.register(ctx, "")
}

// Wants reports whether this version or another one has a durable subscription of topic.
func (o *Outbox) Wants(topic string) bool { return o.registry.wants(topic) }

// OthersWant reports whether another version of the service has a durable subscription of topic.
func (o *Outbox) OthersWant(topic string) bool { return o.registry.othersWant(topic) }

// StoredAs returns the name under which the deliveries of this version's subscription called name are stored.
func (o *Outbox) StoredAs(name string) string {
	for _, q := range o.queues.all {
		if q.Subscription.Name == name {
			return q.storedAs()
		}
	}
	return name
}

// Store returns the statements of the event bus.
func (o *Outbox) Store() store.Store { return o.store }

// Running reports whether the outbox has been started and Close has not been called.
func (o *Outbox) Running() bool { return o.replica.Joined() && !o.stopping.Load() }

// Quiet reports whether this process has no delivery in memory.
func (o *Outbox) Quiet() bool { return o.queues.quiet() }

// recall takes back the deliveries that wait in memory, and gives them back to the database. Another process may have claimed some of
// them: for these the database changes nothing.
func (o *Outbox) recall() {
	for _, q := range o.queues.all {
		o.settler.release(q.Recall()...)
	}
}

// endOverdue cancels the contexts of the runs that take longer than their timeouts. It runs in a goroutine of its own, so that a slow
// database does not delay it.
func (o *Outbox) endOverdue() (wait time.Duration) {
	for _, q := range o.queues.all {
		q.EndOverdue(o.hooks.Overdue)
	}
	return o.cfg.Poll
}

// AwaitIdle waits until no delivery waits or is handled, in this process and in the database. A delivery that waits for a retry or a
// delay counts as waiting. AwaitIdle returns ctx's error when ctx is done first.
func (o *Outbox) AwaitIdle(ctx context.Context) error {
	names := o.queues.storedNames()
	if len(names) == 0 {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	o.settler.flushNow(true)
	defer o.settler.flushNow(false)
	return o.idle.Await(ctx, o.cfg.Poll, func() (bool, error) {
		if !o.queues.quiet() {
			return false, nil
		}
		left, err := o.store.Deliveries().Unfinished(ctx, names)
		if err != nil {
			return false, fmt.Errorf("look for unfinished events: %w", err)
		}
		return !left, nil
	})
}

// Close stops claiming, gives back the deliveries that have not begun, waits for running handlers, and writes their outcomes. When ctx
// is done first, the error names the runs that go on and the outcomes that are not written. Close may be called without Start, twice,
// and concurrently.
func (o *Outbox) Close(ctx context.Context) error {
	o.closing.Do(func() {
		o.closeErr = o.close(ctx)
		close(o.closed)
	})
	select {
	case <-o.closed:
		return o.closeErr
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (o *Outbox) close(ctx context.Context) error {
	o.life.Lock()
	defer o.life.Unlock()
	o.stopping.Store(true)
	if !o.started {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	o.claimer.stop(ctx)
	var errs []error
	for _, q := range o.queues.all {
		o.settler.release(q.Close()...)
	}
	o.settler.release(o.quarantine.Close()...)
	handlers, end := handlerDeadline(ctx)
	defer end()
	for _, q := range o.queues.all {
		errs = append(errs, q.Wait(handlers))
	}
	errs = append(errs, o.settler.finish(ctx))
	o.replica.Leave(ctx)
	o.cancel()
	o.tasks.Wait()
	o.quarantine.Wait()
	return errors.Join(errs...)
}

// handlerDeadline returns the context in which Close waits for handlers. It ends before ctx, so that a tenth of the time, but at most a
// second, is left to write outcomes.
func handlerDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(time.Second, time.Until(deadline)/10)))
}
