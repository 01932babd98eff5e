package outbox

import (
	"context"
	"sync/atomic"
	"time"

	"plugboard/config"
	"plugboard/infra/eventbus/internal/consumer"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/outbox/quarantine"
	"plugboard/infra/eventbus/internal/outbox/replica"
	"plugboard/infra/eventbus/internal/outbox/store"

	"go.uber.org/zap"
)

// claimer claims deliveries that this process did not claim at their birth: those that found no room, came due, were given back,
// or were left by a process that died. It also finds claims that nothing runs. One goroutine polls; the other methods may be
// called concurrently.
type claimer struct {
	cfg    config.Events
	log    *zap.Logger
	hooks  message.Hooks
	store  store.Deliveries
	events store.Events

	queues     *queues
	budget     *budget
	idle       *notifier
	replica    *replica.Replica
	quarantine *quarantine.Quarantine
	settler    *settler
	registry   *registry
	publisher  *publisher

	wake  chan struct{}
	ended atomic.Bool
	// busy holds a token during a turn.
	busy chan struct{}

	// doubt tells that a transaction with claims has failed, which may have been committed all the same. Until sweepUntil, the claims
	// in the database are compared with those that this process knows of.
	doubt                 atomic.Bool
	sweepUntil, lastSweep time.Time
	// nextReclaim is when to look for held deliveries that nothing runs. lost are those found so far, with the time of the find.
	nextReclaim time.Time
	lost        map[*consumer.Item]time.Time
	// mayBehind tells that a delivery may be noted as behind another. checkAll asks behind to look at all of them.
	mayBehind, checkAll atomic.Bool
	behind              behindCheck
}

// rarely is how often all deliveries are read for what should not be there, since reading them costs by their number.
const rarely = time.Hour

func newClaimer(cfg config.Events, log *zap.Logger, hooks message.Hooks, store store.Deliveries) *claimer {
	c := &claimer{cfg: cfg, log: log, hooks: hooks, store: store, wake: make(chan struct{}, 1), busy: make(chan struct{}, 1)}
	c.mayBehind.Store(true)
	c.checkAll.Store(true)
	return c
}

// openAll has the claimer look for deliveries of all queues.
func (c *claimer) openAll() {
	for _, q := range c.queues.all {
		c.open(q, 0)
	}
}

// checkAllBehind has the claimer look at all deliveries that are noted as behind another.
func (c *claimer) checkAllBehind() { c.checkAll.Store(true) }

// deliver hands a claimed delivery to its queue.
func (c *claimer) deliver(d *consumer.Item) {
	c.hold(d)
	if !queueOf(d).Push(d) {
		c.settler.release(d)
	}
}

// current reports whether new deliveries of q may go ahead: none that are due wait in the database.
func (c *claimer) current(q *queue) bool { return !q.backlog.open.Load() }

// open tells that a delivery of q waits in the database, due after wait.
func (c *claimer) open(q *queue, wait time.Duration) {
	if wait <= 0 {
		q.backlog.open.Store(true)
		c.poll(q)
		return
	}
	q.backlog.setDue(time.Now().Add(wait))
	c.signal()
}

// freed tells that q has room.
func (c *claimer) freed(q *queue) {
	if q.backlog.open.Load() {
		c.poll(q)
	}
}

func (c *claimer) poll(q *queue) {
	q.backlog.needsPoll.Store(true)
	c.signal()
}

func (c *claimer) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// stop has the poller claim nothing more, and waits for the turn in which it is, up to a second and until ctx is done: what that
// claims would come after what this process gives back, and nobody would be left to give it back too.
func (c *claimer) stop(ctx context.Context) {
	c.ended.Store(true)
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	select {
	case c.busy <- struct{}{}:
		<-c.busy
	case <-ctx.Done():
	}
}

func (c *claimer) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	lastTick := time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-timer.C:
		}
		c.busy <- struct{}{}
		if !c.ended.Load() {
			timer.Reset(max(0, time.Until(c.turn(ctx, &lastTick))))
		}
		<-c.busy
	}
}

// turn does what is to be done now, and returns when to do so next.
func (c *claimer) turn(ctx context.Context, lastTick *time.Time) (next time.Time) {
	now := time.Now()
	tick := now.Sub(*lastTick) >= c.cfg.Poll
	if tick {
		*lastTick = now
		c.chores(ctx, now)
	}
	next = lastTick.Add(c.cfg.Poll)
	var asked []*queue
	for _, q := range c.queues.all {
		due, at := q.backlog.takeDue(now)
		if !due && !at.IsZero() && at.Before(next) {
			next = at
		}
		if q.backlog.needsPoll.Swap(false) || due || tick {
			asked = append(asked, q)
		}
	}
	all := tick && c.checkAll.Swap(false)
	if len(asked) > 0 {
		c.look(ctx, asked)
	}
	if c.mayBehind.Load() && (tick || c.behind.full) {
		more, err := c.behind.look(ctx, c, now, all)
		if err != nil && ctx.Err() == nil {
			c.log.Warn("look at events behind others failed", zap.Error(err))
		}
		if more {
			next = now
		}
	}
	return next
}

// look claims what the lanes have room for, after one query for all of them.
func (c *claimer) look(ctx context.Context, queues []*queue) {
	finished := make([][]string, len(queues))
	for i, q := range queues {
		q.backlog.open.Store(false)
		finished[i] = q.backlog.takeFinished() // before the query, which tells whether anything is behind them
	}
	all, behind, err := c.store.NextDue(ctx)
	if err != nil && ctx.Err() == nil {
		c.log.Warn("search for waiting events failed", zap.Error(err))
	}
	if err == nil {
		c.mayBehind.Store(behind)
	}
	for i, q := range queues {
		if err != nil {
			q.backlog.putBackFinished(finished[i])
			q.backlog.claimFailed(err)
			q.backlog.open.Store(true)
			continue
		}
		w := all[q.storedAs()]
		if !w.Behind {
			finished[i] = nil
		}
		c.lookAt(ctx, q, w, finished[i])
	}
}

// lookAt claims what q has room for. Errors are logged and tried again at the next tick.
func (c *claimer) lookAt(ctx context.Context, q *queue, w store.NextDue, finished []string) {
	more, err := c.claim(ctx, q, w, finished)
	if err != nil && ctx.Err() == nil {
		c.log.Warn("claim of events failed", zap.String("subscription", q.Subscription.Name), zap.Error(err))
		q.backlog.claimFailed(err)
		q.backlog.open.Store(true)
		return
	}
	q.backlog.claimWorked()
	if more {
		q.backlog.open.Store(true)
		if !q.Full() && !c.budget.short.Load() {
			c.poll(q)
		}
	}
}

// claim claims due deliveries of q, and reports whether due ones are left.
func (c *claimer) claim(ctx context.Context, q *queue, w store.NextDue, finished []string) (more bool, err error) {
	if c.due(q, w.Unkeyed) {
		more, err = c.claimFree(ctx, q)
	}
	if err != nil {
		q.backlog.putBackFinished(finished)
		return false, err
	}
	moreKeyed, err := c.claimKeyed(ctx, q, c.due(q, w.Keyed), finished)
	return more || moreKeyed, err
}

// chores are done at each tick, as far as they are due.
func (c *claimer) chores(ctx context.Context, now time.Time) {
	if err := c.registry.refresh(ctx); err != nil && ctx.Err() == nil {
		c.log.Warn("read of the subscriptions of other versions failed", zap.Error(err))
	}
	if c.doubt.Swap(false) {
		c.sweepUntil = now.Add(max(c.cfg.Lease, 2*c.sweepAge()))
	}
	wait := rarely
	if now.Before(c.sweepUntil) {
		wait = c.cfg.Lease / 2
	}
	if now.Sub(c.lastSweep) >= wait {
		c.lastSweep = now
		periodic(ctx, c.log, "sweep of abandoned claims failed", c.sweep)
	}
	if !now.Before(c.nextReclaim) {
		c.nextReclaim = now.Add(c.cfg.Lease / 2)
		c.reclaim(c.sweepAge())
	}
}
