package consumer

import (
	"time"

	"plugboard/infra/eventbus/internal/message"
)

const (
	// overdueGrace is how long a run may go on after its context has ended, before it is reported.
	overdueGrace = time.Second
	// overdueAgain is the wait between the first report of a run and the second. Later reports come whenever the run has taken
	// twice as long.
	overdueAgain = time.Minute
)

// overdueRun is what is noted of a run whose context has ended: when it began, when it is to be reported first, and when it was
// reported last.
type overdueRun struct{ began, tellAt, told time.Duration }

// next returns when to report the run next.
func (r *overdueRun) next() time.Duration {
	if r.told < r.tellAt { // the last report was of another run
		return r.tellAt
	}
	return r.told + max(overdueAgain, r.told-r.began)
}

// EndOverdue ends the contexts of the runs that have outlived the subscription's timeout, and reports the runs that go on all the
// same. The owner calls it several times a second, from one goroutine. Report may be nil.
func (c *Consumer) EndOverdue(report func(d *message.Delivery, took time.Duration)) {
	for d, took := range c.endOverdue() {
		if report != nil {
			report(&d.Delivery, took)
		}
	}
}

// endOverdue returns the runs to report, which it does not do itself because it holds the lock.
func (c *Consumer) endOverdue() map[*Item]time.Duration {
	report := make(map[*Item]time.Duration)
	now, late := c.clock(), int64(0)
	limit := int64(now - c.Subscription.Timeout)
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.workers {
		switch at := w.since.Load(); {
		case at > 0 && at < limit:
			w.expire(at)
			w.overdue.began, w.overdue.tellAt = time.Duration(at), now+overdueGrace
		case at == expired && now >= w.overdue.tellAt:
			late++
			if now >= w.overdue.next() {
				report[w.batch[0]] = now - w.overdue.began
				w.overdue.told = now
			}
		}
	}
	c.late.Store(late)
	return report
}

// Late returns how many runs were overdue when EndOverdue was last called.
func (c *Consumer) Late() int64 { return c.late.Load() }
