package outbox

import "time"

// Stats is what this process holds of the outbox.
type Stats struct {
	// Bytes is about how much memory the deliveries hold. Refused counts those that stayed in the database because the memory was full.
	Bytes, Refused int64
	Subscriptions  []SubscriptionStats
}

// SubscriptionStats is what this process holds of one subscription.
type SubscriptionStats struct {
	Name string
	// InMemory are the deliveries in memory; Overdue those whose runs go on although their time is over.
	InMemory, Overdue int64
	// Lost are the claims that nothing ran at the last look; Reclaimed counts those that were given back for it.
	Lost, Reclaimed int64
	// ClaimFailures counts the claims that failed. FailingFor is how long all have failed; 0 when the last one worked.
	ClaimFailures int64
	FailingFor    time.Duration
}

// Stats returns what this process holds now.
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
