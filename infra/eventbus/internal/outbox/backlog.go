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

// failing says since when claims fail, how often in a row, and with which error.
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

// failingFor returns how long all claims have failed.
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

// backlog is what the claimer notes of a queue.
type backlog struct {
	// open is true when due deliveries wait in the database. New events are not claimed when they are published then, so that they do
	// not overtake.
	open atomic.Bool
	// moreKeys is true when the last poll for keys made progress, so that more may be due: a key without a delivery in memory polls at
	// once then.
	moreKeys atomic.Bool
	// needsPoll asks for a look at the database.
	needsPoll atomic.Bool

	mu sync.Mutex
	// due is when the next delivery that waits for its time is due; zero when none is known.
	due time.Time
	// held are the deliveries this process has claimed, by the event's id.
	held map[string]*consumer.Item
	// finished are the keys without a delivery in memory: the next one may wait in the database.
	finished []string

	// failing tells of the latest claims, when they failed.
	failing failing
	// failures counts all claims that failed.
	failures atomic.Int64
	// lost counts the held deliveries that nothing runs. found counts those that were given back for it.
	lost, found atomic.Int64
}

func (b *backlog) setDue(at time.Time) {
	b.mu.Lock()
	if b.due.IsZero() || at.Before(b.due) {
		b.due = at
	}
	b.mu.Unlock()
}

// takeDue reports whether something is due at now, and when the next is due otherwise.
func (b *backlog) takeDue(now time.Time) (bool, time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.due.IsZero() || b.due.After(now) {
		return false, b.due
	}
	b.due = time.Time{}
	return true, time.Time{}
}

// takeFinished takes the keys whose next deliveries are to be looked for.
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
	if b.held[d.ID()] == d { // keep it when the event was claimed again
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

// Claiming returns nil as long as the claims of all durable subscriptions work. When those of one have failed again and again, for
// half a lease at least, it says which, since when, and why: events of that subscription wait and are not handled.
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
