// Package ratelimit counts requests against limits, in memory of a bounded size.
//
// [Rate] has the arithmetic, and [Memory] the counts of one process. The HTTP server calls them for each request to an endpoint that has
// a limit.
//
// The form of the token bucket here is GCRA, the generic cell rate algorithm (ITU-T I.371, annex A): all that is kept of a key is the time at
// which its bucket is full again, one int64. The limiter of golang.org/x/time/rate needs an object with a lock for each key, does not say
// how many requests are left, and cannot tell which of two keys has used less, which the bound on keys needs.
package ratelimit

import "time"

// Rate is a limit of n requests in a time. It is immutable; make it with [NewRate].
type Rate struct {
	// interval is how long a request takes to be forgotten, full how far the time at which the bucket is full again may be ahead, both in nanoseconds.
	interval, full int64
}

// NewRate returns the rate that lets n requests through at once, and then one every per/n, rounded up to a nanosecond. N and per are at least 1,
// and n times per/n fits an int64.
func NewRate(n int, per time.Duration) Rate {
	interval := (int64(per) + int64(n) - 1) / int64(n)
	return Rate{interval: interval, full: interval * int64(n)}
}

// Interval is how long one request takes to be forgotten.
func (r Rate) Interval() time.Duration { return time.Duration(r.interval) }

// Full is how long n requests take to be forgotten.
func (r Rate) Full() time.Duration { return time.Duration(r.full) }

// State says how a key stands after a decision.
type State struct {
	// Refused says that the request goes beyond the limit. It was not counted.
	Refused bool
	// Remaining is how many requests would be let through now.
	Remaining int64
	// Reset is when all requests of the limit are there again.
	Reset time.Duration
	// Retry is when the next request is let through; 0 when that is now.
	Retry time.Duration
}

// State returns how a key stands whose bucket is full again after the time ahead.
func (r Rate) State(ahead time.Duration, refused bool) State {
	left := max(r.full-int64(ahead), 0)
	return State{
		Refused: refused, Remaining: left / r.interval, Reset: max(ahead, 0),
		Retry: time.Duration(max(int64(ahead)+r.interval-r.full, 0)),
	}
}

// take decides about a request at the time now to a bucket that is full again at the time full. It returns when it is full after that.
func (r Rate) take(full, now int64) (after int64, refused bool) {
	after = max(full, now) + r.interval
	if after-now > r.full {
		return full, true
	}
	return after, false
}
