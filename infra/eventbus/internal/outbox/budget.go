package outbox

import "sync/atomic"

// budget limits the bytes of the deliveries that this process holds in memory, over all durable subscriptions. Deliveries that do not
// fit wait in the database. A subscription without a delivery in memory may always take one delivery of any size, so that no
// subscription stands still because of others, and no delivery is too large.
type budget struct {
	limit int64
	// short is true if a delivery was refused since gave last woke the claimer.
	short atomic.Bool
	// refused counts the deliveries that did not fit.
	refused atomic.Int64
	used    atomic.Int64
}

// take takes n bytes if they fit, or if nothingElse is true: the subscription has no other delivery in memory.
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
