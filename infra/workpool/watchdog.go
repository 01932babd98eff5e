package workpool

import (
	"time"

	"go.uber.org/zap"
)

// One timer serves all jobs, which is cheaper than a timer for each: it fires at the next time at which any of the running
// jobs may be overdue.

// checkOverdueAt sets the timer to at, unless it fires earlier. The caller holds the lock.
func (p *Pool) checkOverdueAt(at, now time.Duration) {
	if p.nextCheck == 0 || at < p.nextCheck {
		p.nextCheck = at
		p.timer.Reset(at - now)
	}
}

// reportOverdue logs the jobs that have become overdue and answers their callers. The timer calls it.
func (p *Pool) reportOverdue() {
	for _, t := range p.newlyOverdue() {
		t.end(started, expired)
		t.Logger().Error("job runs longer than its limit and holds a worker", zap.Duration("limit", p.limit))
	}
}

// newlyOverdue returns the jobs that have become overdue since the last check, and sets the timer for the next one. Once
// the pool has stopped there are none, so that a check which the stop came upon ends at once.
func (p *Pool) newlyOverdue() (late []*task) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nextCheck = 0
	if p.state == stopped {
		return nil
	}
	now := p.now()
	for _, w := range p.workers {
		t := w.current
		if t == nil || t.overdue {
			continue
		}
		age := t.age(now)
		if t.overdue = age >= p.limit; t.overdue {
			late = append(late, t)
			p.metrics.timeouts.Inc()
		} else {
			p.checkOverdueAt(now+p.limit-age, now)
		}
	}
	return late
}
