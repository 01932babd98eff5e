package apptest

import (
	"sync"
	"time"

	"go.uber.org/fx"

	"plugboard/app"
)

// Clock is an [app.Clock] that stands still until it is moved. It is a part for [New], which gives it to the
// plugins and to the columns GORM fills in by itself, such as created_at. Timers and event deliveries
// go by the real time. It is safe for concurrent use.
type Clock struct {
	fx.Option
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at now.
func NewClock(now time.Time) *Clock {
	c := &Clock{now: now}
	c.Option = fx.Decorate(func(app.Clock) app.Clock { return c }) // for rules.With
	return c
}

// Now implements app.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock forward by d.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
