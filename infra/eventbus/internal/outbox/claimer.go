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

// claimer claims deliveries that this process did not claim when they were published: those that found no room, became due, were given back,
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
	idle       *message.Notifier
	replica    *replica.Replica
	quarantine *quarantine.Quarantine
	settler    *settler
	registry   *registry
	publisher  *publisher

	// woken holds a value when a queue needs a poll.
	woken chan struct{}
	ended atomic.Bool
	// busy holds a value during a turn.
	busy chan struct{}

	// doubt is true when a transaction with claims has returned an error, since it may have been committed. Until sweepUntil, the claims
	// in the database are compared with those that this process knows of.
	doubt                 atomic.Bool
	sweepUntil, lastSweep time.Time
	// nextReclaim is when to look for held deliveries without a worker. lost are those found so far, with the time of the find.
	nextReclaim time.Time
	lost        map[*consumer.Item]time.Time
	// mayBehind is true when a delivery may be marked as behind another. checkAll asks for a look at all of them in the next turn.
	mayBehind, checkAll atomic.Bool
	behind              behindCheck
}

// rarely is how often all deliveries are searched for lost claims. A search reads all of them.
const rarely = time.Hour

func newClaimer(cfg config.Events, log *zap.Logger, hooks message.Hooks, store store.Deliveries) *claimer {
	c := &claimer{cfg: cfg, log: log, hooks: hooks, store: store, woken: make(chan struct{}, 1), busy: make(chan struct{}, 1)}
	c.mayBehind.Store(true)
	c.checkAll.Store(true)
	return c
}

// openAll has the claimer poll for all queues.
func (c *claimer) openAll() {
	for _, q := range c.queues.all {
		c.open(q, 0)
	}
}

// checkAllBehind has the claimer look at all deliveries that are noted as behind another.
func (c *claimer) checkAllBehind() { c.checkAll.Store(true) }

// current reports whether new deliveries of q may be claimed when they were published: no due ones wait in the database.
func (c *claimer) current(q *queue) bool { return !q.backlog.open.Load() }

// open tells that a delivery of q waits in the database, due after wait.
func (c *claimer) open(q *queue, wait time.Duration) {
	if wait <= 0 {
		q.backlog.open.Store(true)
		c.wake(q)
		return
	}
	q.backlog.setDue(time.Now().Add(wait))
	c.signal()
}

// freed tells that q has room.
func (c *claimer) freed(q *queue) {
	if q.backlog.open.Load() {
		c.wake(q)
	}
}

// wake has the claimer poll for q.
func (c *claimer) wake(q *queue) {
	q.backlog.needsPoll.Store(true)
	c.signal()
}

func (c *claimer) signal() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// stop ends claiming. It waits for the turn that is under way, up to a second and until ctx is done, since nobody would give back
// the deliveries that this turn claims.
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
		case <-c.woken:
		case <-timer.C:
		}
		c.busy <- struct{}{}
		if !c.ended.Load() {
			timer.Reset(max(0, time.Until(c.turn(ctx, &lastTick))))
		}
		<-c.busy
	}
}

// turn polls for the queues that need it, and does the periodic work. It returns when the next turn is due.
func (c *claimer) turn(ctx context.Context, lastTick *time.Time) (next time.Time) {
	now := time.Now()
	tick := now.Sub(*lastTick) >= c.cfg.Poll
	if tick {
		*lastTick = now
		c.periodicWork(ctx, now)
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
		c.poll(ctx, asked)
	}
	if c.mayBehind.Load() && (tick || c.behind.full) {
		more, err := c.behind.poll(ctx, c, now, all)
		if err != nil && ctx.Err() == nil {
			c.log.Warn("check of deliveries marked as behind failed", zap.Error(err))
		}
		if more {
			next = now
		}
	}
	return next
}

// poll claims what the queues have room for, after one query for all of them. Errors are logged, and the next poll tries again.
func (c *claimer) poll(ctx context.Context, queues []*queue) {
	finished := make([][]string, len(queues))
	for i, q := range queues {
		q.backlog.open.Store(false)
		finished[i] = q.backlog.takeFinished() // before the query: when it then finds nothing behind another, these keys need no look
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
		c.pollQueue(ctx, q, w, finished[i])
	}
}

// pollQueue claims what q has room for.
func (c *claimer) pollQueue(ctx context.Context, q *queue, w store.NextDue, finished []string) {
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
			c.wake(q)
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

// periodicWork reads the subscriptions of other versions and, when it is time, looks for claims that nothing runs.
func (c *claimer) periodicWork(ctx context.Context, now time.Time) {
	runLogged(ctx, c.log, "read of the subscriptions of other versions failed", c.registry.refresh)
	if c.doubt.Swap(false) {
		c.sweepUntil = now.Add(c.cfg.Lease)
	}
	wait := rarely
	if now.Before(c.sweepUntil) {
		wait = c.cfg.Lease / 2
	}
	if now.Sub(c.lastSweep) >= wait {
		c.lastSweep = now
		runLogged(ctx, c.log, "sweep of abandoned claims failed", c.sweep)
	}
	if !now.Before(c.nextReclaim) {
		c.nextReclaim = now.Add(c.cfg.Lease / 2)
		c.reclaim(c.sweepAge())
	}
}
