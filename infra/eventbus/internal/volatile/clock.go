package volatile

import (
	"sync/atomic"
	"time"
)

// clock tells the time of day by the monotonic clock, which takes half as long to read; a volatile event takes a twentieth less
// processor time with it. It follows a change of the time of day within the 100 ms in which set is called again.
type clock struct {
	made time.Time
	// offset is from the monotonic clock to the time of day, in nanoseconds.
	offset atomic.Int64
}

// set follows the time of day.
func (c *clock) set() {
	now := time.Now()
	c.offset.Store(now.UnixNano() - int64(now.Sub(c.made)))
}

// now returns the time in UTC, in whole milliseconds as the database keeps it.
func (c *clock) now() time.Time {
	return time.UnixMilli((c.offset.Load() + int64(time.Since(c.made))) / 1e6).UTC()
}
