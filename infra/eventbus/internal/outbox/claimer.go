package outbox

import (
	"context"
	"sync/atomic"
	"time"

	"plugboard/infra/eventbus/internal/consumer"
	"plugboard/infra/eventbus/internal/outbox/quarantine"
	"plugboard/infra/eventbus/internal/outbox/replica"
	"plugboard/infra/eventbus/internal/outbox/store"

	"go.uber.org/zap"
)

// claimer claims the deliveries that no publisher of this process has claimed: there was no room, they were not due, they were given
// back, or another process published them. It also finds claims that no worker runs. One goroutine polls; the other methods may be
// called concurrently.
type claimer struct {
	common
	store  store.Deliveries
	events store.Events

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

	// doubt is true if a transaction with claims has returned an error: the database may have committed it all the same. Until
	// sweepUntil, sweep then often compares the claims in the database with the claims that this process knows.
	doubt                 atomic.Bool
	sweepUntil, lastSweep time.Time
	// nextReclaim is the time of the next search for held deliveries without a worker. lost has the deliveries found so far, with the
	// time of the first find.
	nextReclaim time.Time
	lost        map[*consumer.Item]time.Time
	// mayBehind is true if a delivery may be marked as behind another. checkAll makes the next turn begin to read all marked deliveries.
	mayBehind, checkAll atomic.Bool
	behind              behindCheck
}

// rarely is the wait between two sweeps without doubt. A sweep reads all deliveries.
const rarely = time.Hour

func newClaimer(shared common, st store.Store) *claimer {
	c := &claimer{
		common: shared, store: st.Deliveries(), events: st.Events(), woken: make(chan struct{}, 1), busy: make(chan struct{}, 1),
	}
	c.mayBehind.Store(true)
	c.checkAll.Store(true)
	return c
}

// openAll makes the claimer poll for all queues.
func (c *claimer) openAll() {
	for _, q := range c.queues.all {
		c.open(q, 0)
	}
}

// checkAllBehind makes the claimer read all deliveries that are marked as behind another.
func (c *claimer) checkAllBehind() { c.checkAll.Store(true) }

// current reports whether publishers may claim new deliveries of q, since no due delivery waits in the database.
func (c *claimer) current(q *queue) bool { return !q.backlog.open.Load() }

// open notes that a delivery of q waits in the database, and makes the claimer poll after wait, when the delivery is due.
func (c *claimer) open(q *queue, wait time.Duration) {
	if wait <= 0 {
		q.backlog.open.Store(true)
		c.wake(q)
		return
	}
	q.backlog.setDue(time.Now().Add(wait))
	c.signal()
}

// freed is called when q has room again. It makes the claimer poll if deliveries of q wait in the database.
func (c *claimer) freed(q *queue) {
	if q.backlog.open.Load() {
		c.wake(q)
	}
}

// wake makes the claimer poll for q at once.
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

// stop ends claiming. It waits for the current turn, at most a second and until ctx is done: after the stop nobody would give back the
// deliveries that this turn claims.
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

// turn polls for the queues that need it, and does the periodic work. It returns the time of the next turn.
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

// poll asks with one query for the due deliveries of all queues, and claims as many as the queues have room for. It logs errors, and
// the next poll tries again.
func (c *claimer) poll(ctx context.Context, queues []*queue) {
	finished := make([][]string, len(queues))
	for i, q := range queues {
		q.backlog.open.Store(false)
		finished[i] = q.backlog.takeFinished() // before the query: if the query finds no marked delivery, these keys have none
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

// pollQueue claims as many deliveries as q has room for, and notes whether the claim worked and whether due deliveries are left.
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

// claim claims due deliveries of q. More is true if due deliveries may be left.
func (c *claimer) claim(ctx context.Context, q *queue, w store.NextDue, finished []string) (more bool, err error) {
	if c.due(q, w.Unkeyed) {
		more, err = c.claimUnkeyed(ctx, q)
	}
	if err != nil {
		q.backlog.putBackFinished(finished)
		return false, err
	}
	moreKeyed, err := c.claimKeyed(ctx, q, c.due(q, w.Keyed), finished)
	return more || moreKeyed, err
}

// periodicWork reads the subscriptions of other versions. When it is time, it looks for claims that no worker runs.
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

// gave is called after memory was given back. When a delivery was refused before, it makes the claimer poll for the queues with due
// deliveries in the database.
func (c *claimer) gave() {
	if !c.budget.short.Load() || !c.budget.short.Swap(false) {
		return
	}
	for _, q := range c.queues.all {
		c.freed(q)
	}
}
