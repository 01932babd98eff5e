package outbox

import "time"

// Stats describes the deliveries of the outbox in this process.
type Stats struct {
	// Bytes estimates the memory of the deliveries. Refused counts the deliveries that stayed in the database since the memory was full.
	Bytes, Refused int64
	Subscriptions  []SubscriptionStats
}

// SubscriptionStats describes the deliveries of one subscription in this process.
type SubscriptionStats struct {
	Name string
	// InMemory is the number of deliveries in memory. Overdue is the number of runs that go on although their contexts have ended.
	InMemory, Overdue int64
	// Lost is the number of claims that no worker ran at the last check. Reclaimed counts the claims given back for this reason.
	Lost, Reclaimed int64
	// ClaimFailures counts the claims that failed. FailingFor is how long every claim has failed; 0 when the last one worked.
	ClaimFailures int64
	FailingFor    time.Duration
}

// Stats returns the present numbers of this process.
func (o *Outbox) Stats() Stats {
	now := time.Now()
	all := Stats{Bytes: o.budget.used.Load(), Refused: o.budget.refused.Load()}
	for _, q := range o.queues.all {
		b := &q.backlog
		all.Subscriptions = append(all.Subscriptions, SubscriptionStats{
			Name: q.Subscription.Name, InMemory: q.Used(), Overdue: q.Late() + q.abandoned.Load(),
			Lost: b.lost.Load(), Reclaimed: b.found.Load(), ClaimFailures: b.failures.Load(), FailingFor: b.failingFor(now),
		})
	}
	return all
}
