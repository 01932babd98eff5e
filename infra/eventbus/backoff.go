package eventbus

import (
	"errors"
	"math/rand/v2"
	"time"

	"plugboard/app"
)

// backoff returns the wait after the nth failure: it doubles from failure to failure up to the cap, and
// half of it is random, so that failures of one cause do not come back together ("equal jitter", Brooker,
// Exponential Backoff And Jitter, 2015).
func backoff(g *Group, n int) time.Duration {
	wait := g.BackoffMax
	if shift := n - 1; g.BackoffMin <= g.BackoffMax>>shift { // so that the other way round cannot overflow
		wait = g.BackoffMin << shift
	}
	half := wait / 2
	return half + rand.N(wait-half+1)
}

// isFinal reports whether err can not be mended by a retry.
func isFinal(err error) bool { return app.IsPermanent(err) && !errors.Is(err, ErrUnreadable) }
