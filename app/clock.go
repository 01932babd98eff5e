package app

import "time"

// Clock tells the time. A plugin whose rules depend on the time of day takes one from Fx instead of calling
// time.Now, so that a test decides what time it is. It is safe for concurrent use.
type Clock interface {
	// Now returns the time, in UTC.
	Now() time.Time
}

// SystemClock is the [Clock] that plugins get in the running service.
type SystemClock struct{}

// Now implements [Clock].
func (SystemClock) Now() time.Time { return time.Now().UTC() }
