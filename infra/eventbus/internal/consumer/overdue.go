package consumer

import (
	"time"

	"plugboard/infra/eventbus/internal/message"
)

const (
	// overdueGrace is how long a run may go on after its context has ended, before it is reported.
	overdueGrace = time.Second
	// overdueAgain is the shortest wait between two reports of a run. A report comes when the run has taken twice as long as at the
	// last report, if this is later.
	overdueAgain = time.Minute
)

// overdueRun holds the times of a run whose context has ended, on the consumer's clock: it began at began, its first report is due at
// firstReport, and its last report was at lastReport.
type overdueRun struct{ began, firstReport, lastReport time.Duration }

// next returns when to report the run next.
func (r *overdueRun) next() time.Duration {
	if r.lastReport < r.firstReport { // the last report was of another run
		return r.firstReport
	}
	return r.lastReport + max(overdueAgain, r.lastReport-r.began)
}

// EndOverdue ends the contexts of the runs that take longer than the subscription's timeout, and reports the runs that go on although
// their contexts have ended. The owner calls it regularly, from one goroutine. Report may be nil.
func (c *Consumer) EndOverdue(report func(d *message.Delivery, took time.Duration)) {
	for d, took := range c.endOverdue() {
		if report != nil {
			report(&d.Delivery, took)
		}
	}
}

// endOverdue returns the runs to report. It holds the lock, so it does not call report itself.
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
			w.overdue.began, w.overdue.firstReport = time.Duration(at), now+overdueGrace
		case at == expired && now >= w.overdue.firstReport:
			late++
			if now >= w.overdue.next() {
				report[w.batch[0]] = now - w.overdue.began
				w.overdue.lastReport = now
			}
		}
	}
	c.late.Store(late)
	return report
}

// Late returns how many runs were overdue at the last call of EndOverdue.
func (c *Consumer) Late() int64 { return c.late.Load() }
