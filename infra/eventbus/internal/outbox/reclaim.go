package outbox

import (
	"context"
	"time"

	"plugboard/infra/eventbus/internal/consumer"

	"go.uber.org/zap"
)

// sweepAge is how long sweep and reclaim leave a claim alone that no worker runs: its run may be about to begin.
func (c *claimer) sweepAge() time.Duration { return c.cfg.Lease / 6 }

// No other process takes over the claims of a process that lives. When this process has lost track of a claim, it must give the
// delivery back itself. So sweep looks for such claims in the database, and reclaim in memory.

// sweep gives back the deliveries that this process has claimed according to the database, but does not know: the answer to the commit
// of the claim was lost with the connection.
func (c *claimer) sweep(ctx context.Context) error {
	age := c.sweepAge()
	owned, err := c.store.HeldBy(ctx, c.replica.ID(), age)
	if err != nil {
		return err
	}
	for _, d := range owned {
		q := c.queues.storedAs(d.StoredAs)
		if q == nil || q.backlog.holds(d.EventID) {
			continue
		}
		if _, err := c.store.Release(ctx, d, 0); err != nil {
			return err
		}
		c.noteLost(q, d.EventID)
		c.open(q, 0)
	}
	return nil
}

// reclaim compares the claims that this process knows with the deliveries that it is working on. It gives a delivery back if it finds
// no worker for it in two calls at least age apart.
func (c *claimer) reclaim(age time.Duration) {
	now, runs, lost := time.Now(), c.runs(), make(map[*consumer.Item]time.Time)
	for _, q := range c.queues.all {
		without := int64(0)
		for _, d := range q.backlog.claims() {
			if _, ok := runs[d]; ok {
				continue
			}
			since, known := c.lost[d]
			if known && now.Sub(since) >= age {
				c.noteLost(q, d.ID())
				c.settler.release(append(q.Drop(d), d)...)
				continue
			}
			if !known {
				since = now
			}
			lost[d] = since
			without++
		}
		q.backlog.lost.Store(without)
		for _, d := range q.GiveUpStuck(age) {
			c.noteLost(q, d.ID())
			c.settler.release(d)
		}
	}
	c.lost = lost
	if len(lost) > 0 {
		c.nextReclaim = now.Add(age)
	}
}

// noteLost counts and logs a claim that no worker ran.
func (c *claimer) noteLost(q *queue, id string) {
	q.backlog.found.Add(1)
	c.log.Warn("gave back a claimed event that no worker was running",
		zap.String("subscription", q.Subscription.Name), zap.String("event", id))
}

// runs returns the deliveries on which this process is working: with a consumer, in quarantine, in a transaction, or with an outcome
// that is not written yet. A delivery that moves from one to another at this moment may be missing; therefore reclaim looks twice.
func (c *claimer) runs() map[*consumer.Item]struct{} {
	runs := make(map[*consumer.Item]struct{})
	c.quarantine.Held(runs)
	for _, q := range c.queues.all {
		q.Held(runs)
	}
	c.settler.held(runs)
	return runs
}
