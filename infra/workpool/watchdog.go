package workpool

import (
	"time"

	"go.uber.org/zap"
)

// watchdog reports jobs that run longer than the limit. One timer is enough for all jobs, and cheaper than one for
// each: it is set for the next time at which any of them may be overdue.
type watchdog struct {
	pool  *Pool
	due   time.Duration // when the timer fires; 0 when it is not set; under the pool's lock
	timer *time.Timer
	quit  chan struct{}
	done  chan struct{}
}

func newWatchdog(p *Pool) *watchdog {
	return &watchdog{pool: p, quit: make(chan struct{}), done: make(chan struct{})}
}

// start starts the watchdog's goroutine; stop ends it and waits for it.
func (d *watchdog) start() {
	d.timer = time.NewTimer(d.pool.limit)
	d.timer.Stop()
	go d.loop()
}

func (d *watchdog) stop() {
	close(d.quit)
	<-d.done
}

func (d *watchdog) loop() {
	defer close(d.done)
	defer d.timer.Stop()
	for {
		select {
		case <-d.quit:
			return
		case <-d.timer.C:
			d.look()
		}
	}
}

// arm has the watchdog look at the jobs at the given time, or earlier. The caller holds the pool's lock.
func (d *watchdog) arm(at, now time.Duration) {
	if d.due == 0 || at < d.due {
		d.due = at
		d.timer.Reset(at - now)
	}
}

// look reports the jobs that have become overdue, and ends the wait of their callers.
func (d *watchdog) look() {
	for _, t := range d.overdue() {
		t.end(started, expired)
		t.Logger().Error("work takes longer than its limit and holds a worker", zap.Duration("limit", d.pool.limit))
	}
}

// overdue returns the tasks that have become overdue since the last time, and sets the timer for the next.
func (d *watchdog) overdue() []*task {
	p := d.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	d.due = 0
	var late []*task
	now := p.now()
	for _, w := range p.crew {
		t := w.current
		if t == nil || t.overdue {
			continue
		}
		age := t.age(now)
		if t.overdue = age >= p.limit; t.overdue {
			late = append(late, t)
			p.timeouts++
		} else {
			d.arm(now+p.limit-age, now)
		}
	}
	return late
}
