package outbox

import "sync/atomic"

// budget bounds the bytes of the deliveries that this process holds in memory, over all durable subscriptions. What does not
// fit waits in the database. A subscription that holds nothing may always take one delivery, whatever its size: none stands
// still because of others, and none is too large ever to be handled.
type budget struct {
	limit int64
	// short tells that something did not fit: whoever gives bytes back has the poller look again.
	short atomic.Bool
	// refused counts what did not fit.
	refused atomic.Int64

	_    [64]byte // every delivery writes used
	used atomic.Int64
}

// take takes n bytes if they fit, or if the subscription has nothing else.
func (b *budget) take(n int64, nothingElse bool) bool {
	if b.used.Add(n) <= b.limit || nothingElse {
		return true
	}
	b.used.Add(-n)
	b.refused.Add(1)
	b.short.Store(true)
	return false
}

func (b *budget) give(n int64) { b.used.Add(-n) }

// gave has the poller look at what waits, when something did not fit before bytes were given back.
func (c *claimer) gave() {
	if !c.budget.short.Load() || !c.budget.short.Swap(false) {
		return
	}
	for _, q := range c.queues.all {
		c.freed(q)
	}
}
