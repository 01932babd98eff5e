package outbox

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"plugboard/infra/eventbus/internal/consumer"
)

// failing describes the failed claims since the last claim that worked: their first time, their number, and their last error.
type failing struct {
	since time.Time
	times int
	err   error
}

func (b *backlog) claimFailed(err error) {
	b.failures.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failing.times == 0 {
		b.failing.since = time.Now()
	}
	b.failing.times++
	b.failing.err = err
}

func (b *backlog) claimWorked() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failing = failing{}
}

// failingFor returns how long every claim has failed; 0 when the last claim worked.
func (b *backlog) failingFor(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failing.times == 0 {
		return 0
	}
	return now.Sub(b.failing.since)
}

// fewFailures is how many claims in a row may fail before the service is reported as not ready.
const fewFailures = 3

// backlog holds the claimer's notes on the deliveries of a queue in the database.
type backlog struct {
	// open is true if due deliveries wait in the database. Publishers then do not claim new deliveries, so that these do not overtake
	// the waiting ones.
	open atomic.Bool
	// moreKeys is true if the last poll for keys claimed or marked deliveries, so that others may be due. When a key then has no more
	// delivery in memory, the claimer polls at once.
	moreKeys atomic.Bool
	// needsPoll makes the claimer poll for the queue in its next turn.
	needsPoll atomic.Bool

	mu sync.Mutex
	// due is the time at which the next delayed delivery is due; zero when none is known.
	due time.Time
	// held has the deliveries that this process has claimed, by the event's id.
	held map[string]*consumer.Item
	// finished has the keys without a delivery in memory. The next delivery of such a key may wait in the database.
	finished []string

	// failing describes the failed claims since the last claim that worked.
	failing failing
	// failures counts all claims that failed.
	failures atomic.Int64
	// lost counts the held deliveries that no worker runs. found counts the deliveries that were given back for this reason.
	lost, found atomic.Int64
}

func (b *backlog) setDue(at time.Time) {
	b.mu.Lock()
	if b.due.IsZero() || at.Before(b.due) {
		b.due = at
	}
	b.mu.Unlock()
}

// takeDue reports whether a delayed delivery is due at now. If not, it returns the time at which the next one is due.
func (b *backlog) takeDue(now time.Time) (bool, time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.due.IsZero() || b.due.After(now) {
		return false, b.due
	}
	b.due = time.Time{}
	return true, time.Time{}
}

// takeFinished takes the keys for whose next deliveries the claimer looks now.
func (b *backlog) takeFinished() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	keys := b.finished
	b.finished = nil
	return keys
}

func (b *backlog) putBackFinished(keys []string) {
	b.mu.Lock()
	b.finished = append(keys, b.finished...)
	b.mu.Unlock()
}

// hold notes that this process has claimed d.
func (b *backlog) hold(d *consumer.Item) {
	b.mu.Lock()
	b.held[d.ID()] = d
	b.mu.Unlock()
}

// drop notes that the outcome of d is in the database.
func (b *backlog) drop(d *consumer.Item) {
	b.mu.Lock()
	if b.held[d.ID()] == d { // if not, the event was claimed again: keep the new delivery
		delete(b.held, d.ID())
	}
	b.mu.Unlock()
}

func (b *backlog) holds(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.held[id]
	return ok
}

func (b *backlog) claims() []*consumer.Item {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.held))
}

// Claiming returns nil as long as the claims of all durable subscriptions work. When the claims of a subscription have failed again and
// again, for half a lease at least, the error names the subscription, the time of the first failure, and the cause. The events of this
// subscription then wait and are not handled.
func (o *Outbox) Claiming() error {
	now := time.Now()
	for _, q := range o.queues.all {
		q.backlog.mu.Lock()
		f := q.backlog.failing
		q.backlog.mu.Unlock()
		if f.times >= fewFailures && now.Sub(f.since) >= o.cfg.Lease/2 {
			return fmt.Errorf("subscription %s has not been able to claim its events since %s: %w", q.Subscription.Name, f.since.UTC().Format(time.RFC3339), f.err)
		}
	}
	return nil
}
