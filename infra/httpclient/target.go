package httpclient

import (
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"plugboard/app"
)

// targets are the services that were called lately.
type targets struct {
	pace    Pace
	metrics *metrics

	mu  sync.Mutex
	all map[string]*target
}

// mostTargets is how many targets are kept. Beyond it, the one that was not called for the longest time is forgotten.
const mostTargets = 256

func newTargets(pace Pace, m *metrics) *targets {
	return &targets{pace: pace, metrics: m, all: map[string]*target{}}
}

// of returns the target of a URL.
func (ts *targets) of(u *url.URL) *target {
	name := u.Scheme + "://" + u.Host
	ts.mu.Lock()
	defer ts.mu.Unlock()
	found := ts.all[name]
	if found == nil {
		if len(ts.all) >= mostTargets {
			ts.forgetOldest()
		}
		found = newTarget(name, u.Host, ts.pace, ts.metrics)
		ts.all[name] = found
	}
	found.used = time.Now()
	return found
}

func (ts *targets) forgetOldest() {
	var oldest *target
	for _, t := range ts.all {
		if oldest == nil || t.used.Before(oldest.used) {
			oldest = t
		}
	}
	delete(ts.all, oldest.name)
	ts.metrics.forget(oldest.name)
}

// target is one service that is called.
type target struct {
	name, host string
	used       time.Time // guarded by the mutex of targets
	breaker    *gobreaker.TwoStepCircuitBreaker[any]
	budget     *budget
	coolDown   time.Duration

	mu     sync.Mutex
	opened time.Time
	failed string // "14 of the last 20 calls"
}

// When a breaker opens: when of at least leastCalls in the window more than half have failed. It then lets through one call at a time
// after the cool-down, until as many have succeeded.
const (
	window     = 10 * time.Second
	buckets    = 10
	leastCalls = 10
	probes     = 2
)

func newTarget(name, host string, pace Pace, m *metrics) *target {
	t := &target{name: name, host: host, budget: newBudget(), coolDown: pace.CoolDown}
	t.breaker = gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Name: name, MaxRequests: probes, Interval: window, BucketPeriod: window / buckets, Timeout: pace.CoolDown,
		IsExcluded: func(err error) bool { return errors.Is(err, errLeft) },
		ReadyToTrip: func(c gobreaker.Counts) bool {
			trips := c.Requests >= leastCalls && c.TotalFailures*2 > c.Requests
			if trips {
				t.note(c)
			}
			return trips
		},
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				t.open()
			}
			m.breaker(name, to)
		},
	})
	return t
}

func (t *target) note(c gobreaker.Counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = fmt.Sprintf("%d of the last %d calls", c.TotalFailures, c.Requests)
}

func (t *target) open() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.opened = time.Now()
}

// allow returns the function that takes the outcome of a try, or an [OpenError].
func (t *target) allow() (done func(error), err error) {
	done, err = t.breaker.Allow()
	if err == nil {
		return done, nil
	}
	t.mu.Lock()
	left, failed := max(0, t.coolDown-time.Since(t.opened)), t.failed
	t.mu.Unlock()
	open := &OpenError{Target: t.name, Failed: failed, Left: left, cause: err}
	e := app.Errorf(app.Unavailable, "a service that is needed for this is not available").Because(open)
	e.RetryAfter = left
	return nil, e
}

// OpenError says that a call was not made, since the target failed too often lately. A plugin may return it as it is: the answer is 503, and
// names no target.
type OpenError struct {
	// Target is the scheme, host and port.
	Target string
	// Failed says how many of the last calls failed.
	Failed string
	// Left is how long the target is left alone; 0 while a call is on its way that tries whether it is well again.
	Left  time.Duration
	cause error
}

// Error tells how long calls fail at once, and why.
func (e *OpenError) Error() string {
	if errors.Is(e.cause, gobreaker.ErrTooManyRequests) || e.Left == 0 {
		return fmt.Sprintf("%s: calls fail at once while one call tests whether it works again; %s failed", e.Target, e.Failed)
	}
	return fmt.Sprintf("%s: calls fail at once for another %s; %s failed", e.Target, e.Left.Round(time.Millisecond), e.Failed)
}

// budget limits retries to a part of the calls, so that a service that fails is not called several times as often as one that is well
// ("retry budgets", Nygard, Release It!, and Finagle's RetryBudget).
type budget struct {
	mu     sync.Mutex
	tokens float64
}

const (
	// reserve is how many retries are allowed without calls, and the most that are saved up.
	reserve = 10
	// perCall is which part of a retry one call earns: one retry for ten calls.
	perCall = 0.1
)

func newBudget() *budget { return &budget{tokens: reserve} }

func (b *budget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(reserve, b.tokens+perCall)
}

func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
