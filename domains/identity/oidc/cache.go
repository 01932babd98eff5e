package oidc

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"plugboard/app"
)

const (
	// pause is how long nothing is fetched after a fetch that went well, whatever names of keys come. A new key is accepted after as long at the
	// latest, while somebody sends made-up names.
	pause = 10 * time.Second
	// firstWait and longestWait bound the pause after a fetch that failed. It doubles with each failure.
	firstWait, longestWait = 2 * time.Second, 30 * time.Second
	// longestUse is how long keys are used while the provider cannot be reached.
	longestUse = 24 * time.Hour
)

// known is what a cache knows. It is never changed.
type known struct {
	keys     keySet    // nil: none yet
	at       time.Time // when they were fetched
	next     time.Time // nothing is fetched before
	failures int       // fetches that failed since
}

// usable reports whether the keys may be used now.
func (k *known) usable() bool { return k.keys != nil && time.Since(k.at) < longestUse }

// errUnknownKey says that the provider has no key of the name.
var errUnknownKey = errors.New("the provider has no such key")

// cache keeps a provider's keys. One request at a time fetches them, on its own goroutine; what else needs them waits for it.
type cache struct {
	refresh time.Duration
	fetch   func(context.Context) (keySet, error)
	logger  *zap.Logger
	state   atomic.Pointer[known]
	turn    chan struct{} // has a value while somebody fetches
}

func newCache(refresh time.Duration, fetch func(context.Context) (keySet, error), logger *zap.Logger) *cache {
	c := &cache{refresh: refresh, fetch: fetch, logger: logger, turn: make(chan struct{}, 1)}
	c.state.Store(&known{})
	return c
}

// find returns the keys that a key's name may stand for; "" stands for all. It fetches them when there are none, when they are old, and when
// the name is not among them, unless it is too early for that. The error is errUnknownKey, or one of code Unavailable.
func (c *cache) find(ctx context.Context, name string) (keySet, error) {
	for {
		k := c.state.Load()
		found := k.usable() && k.keys.has(name)
		early := time.Now().Before(k.next)
		switch {
		case found && (early || time.Since(k.at) < c.refresh):
			return k.keys, nil
		case early && k.usable():
			return nil, errUnknownKey
		case early:
			return nil, unavailable(time.Until(k.next))
		}
		if !c.begin(ctx, found) {
			if found {
				return k.keys, nil // old ones will do while another request fetches
			}
			return nil, unavailable(firstWait).Because(context.Cause(ctx))
		}
		c.update(ctx, k)
	}
}

func unavailable(wait time.Duration) *app.Error {
	err := app.Errorf(app.Unavailable, "the identity provider cannot be reached; try again later")
	err.RetryAfter = wait
	return err
}

// begin takes the turn to fetch. It waits for that, unless the caller can do without.
func (c *cache) begin(ctx context.Context, optional bool) bool {
	select {
	case c.turn <- struct{}{}:
		return true
	default:
	}
	if optional {
		return false
	}
	select {
	case c.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// update fetches the keys, unless somebody has while the caller waited for the turn, which it gives back. The fetch goes on when
// the request's client leaves, since others wait for it.
func (c *cache) update(ctx context.Context, seen *known) {
	defer func() { <-c.turn }()
	if c.state.Load() != seen {
		return
	}
	keys, err := c.fetch(context.WithoutCancel(ctx))
	now := time.Now()
	if err == nil {
		c.state.Store(&known{keys: keys, at: now, next: now.Add(pause)})
		return
	}
	wait := min(firstWait<<min(seen.failures, 10), longestWait) //nolint:mnd // beyond the longest, and no overflow
	c.logger.Warn("the identity provider's keys cannot be fetched", zap.Error(err), zap.Bool("old_keys", seen.usable()), zap.Duration("next_try_in", wait))
	c.state.Store(&known{keys: seen.keys, at: seen.at, next: now.Add(wait), failures: seen.failures + 1})
}
