// Package retry has the waits between attempts.
//
// Its functions keep no state and are safe for concurrent use.
package retry

import (
	"math/rand/v2"
	"time"
)

// Backoff returns the wait after the nth failure, counted from 1. The wait doubles from first up to longest. Half of it is random,
// so that failures of one cause do not come back together ("equal jitter": Brooker, Exponential Backoff And Jitter, 2015).
func Backoff(n int, first, longest time.Duration) time.Duration {
	wait := longest
	if shift := n - 1; first <= longest>>shift { // the other way round could overflow
		wait = first << shift
	}
	half := wait / 2
	return half + rand.N(wait-half+1)
}
