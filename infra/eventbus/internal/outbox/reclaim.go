package outbox

import (
	"context"
	"time"

	"plugboard/infra/eventbus/internal/consumer"

	"go.uber.org/zap"
)

// hold notes that this process has claimed d; drop notes that the outcome of d is in the database.
func (c *claimer) hold(d *consumer.Item) {
	b := &queueOf(d).backlog
	b.mu.Lock()
	b.held[d.ID()] = d
	b.mu.Unlock()
}

func (c *claimer) drop(d *consumer.Item) {
	b := &queueOf(d).backlog
	b.mu.Lock()
	if b.held[d.ID()] == d { // not of a later claim
		delete(b.held, d.ID())
	}
	b.mu.Unlock()
}

// sweepAge is how long a claim without a run stays, in case its run is about to begin.
func (c *claimer) sweepAge() time.Duration { return c.cfg.Lease / 6 }

// Claims without a run are looked for in two places, since nobody else would ever handle such an event as long as this process
// lives: sweep reads what it has claimed according to the database, reclaim looks at its own list.

// sweep gives back what this process has claimed according to the database and does not know of: the outcome of a commit
// may have been lost with the connection.
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

// reclaim compares the list of claims with what this process is really at work on, and gives back what has been found without
// a run twice, age apart.
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

// noteLost counts a claim without a run and logs it.
func (c *claimer) noteLost(q *queue, id string) {
	q.backlog.found.Add(1)
	c.log.Warn("an event was claimed by this process and nothing ran it; it is given back",
		zap.String("subscription", q.Subscription.Name), zap.String("event", id))
}

// runs returns the deliveries that this process is at work on: with a consumer, in quarantine, in a transaction, or with an
// outcome that is yet to be written. One that moves from one to the next may be missing.
func (c *claimer) runs() map[*consumer.Item]struct{} {
	runs := make(map[*consumer.Item]struct{})
	c.quarantine.Held(runs)
	for _, q := range c.queues.all {
		q.Held(runs)
	}
	c.settler.held(runs)
	return runs
}
