package eventbus

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

// overhead is about what a delivery holds beside its payload.
const overhead = 512

// size is about how many bytes a delivery of m holds: the payload as stored, and the handler's struct made of it.
func (m *Message) size() int64 { return overhead + 2*int64(len(m.Payload)) }

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
func (p *poller) gave() {
	if !p.o.budget.short.Load() || !p.o.budget.short.Swap(false) {
		return
	}
	for _, l := range p.o.lanes {
		p.freed(l)
	}
}
