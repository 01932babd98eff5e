package quarantine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"plugboard/infra/eventbus/internal/consumer"
	"plugboard/infra/eventbus/internal/message"
)

// MaxCrashes is the number of process crashes during its own runs after which a quarantined delivery is dead. One crash is not enough,
// since it may have another cause: an operator, or another event.
const MaxCrashes = 4

// ErrCrashes is the error of a delivery that is dead because processes crash during its run.
var ErrCrashes = fmt.Errorf("%d processes in a row ended, or hung, while its handler ran, at last by itself", MaxCrashes)

// Quarantine holds claimed deliveries whose processes crashed, perhaps because of their handlers. Most of these handlers are innocent,
// since a crash counts for all deliveries that the process held. Therefore only few quarantined deliveries run at a time in a process,
// and each run is counted in the database before it begins. After a crash, the next process knows by this count which of them were
// running, and runs these alone, after the others.
//
// The methods may be called concurrently.
type Quarantine struct {
	host Host
	// calmAfter is how long the process must run before a delivery may run alone. If somebody kills the process again and again soon
	// after its start, no delivery runs alone before that, and none is blamed.
	calmAfter time.Duration

	mu      sync.Mutex
	changed sync.Cond // wakes next when another delivery may begin, and Close when a delivery has begun
	waiting []*consumer.Item
	// running has the deliveries that run, each with a timer: when it fires, the quarantine waits no longer for the end of the run.
	running map[*consumer.Item]*time.Timer
	// begun is true while the goroutine of run goes on. taken is the delivery that this goroutine is about to begin, or nil.
	begun  bool
	taken  *consumer.Item
	closed bool
	over   sync.WaitGroup
	calm   time.Time
	timer  *time.Timer
}

// Host has the functions of the outbox that the quarantine calls. They may be called concurrently.
type Host interface {
	// CountBegin counts a run of d before it begins, and reports whether this process still holds d.
	CountBegin(ctx context.Context, d *consumer.Item) (held bool, err error)
	// Deliver hands d to its consumer.
	Deliver(d *consumer.Item)
	// Settle decides on the outcome of a delivery that the quarantine does not run, because of err.
	Settle(d *consumer.Item, err error)
}

const (
	// runningAtOnce is how many deliveries run at a time that had no crash during their own runs.
	runningAtOnce = 16
	// overtime is how long after the timeout of a run the quarantine waits for its end.
	overtime = time.Second
	// countTimeout is the time limit of CountBegin.
	countTimeout = 5 * time.Second
)

// New returns an empty quarantine. No delivery runs alone before calmAfter has passed since Start.
func New(host Host, calmAfter time.Duration) *Quarantine {
	q := &Quarantine{host: host, calmAfter: calmAfter, running: make(map[*consumer.Item]*time.Timer)}
	q.changed.L = &q.mu
	return q
}

// Start starts the time after which a delivery may run alone.
func (q *Quarantine) Start() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.calm = time.Now().Add(q.calmAfter)
	q.timer = time.AfterFunc(q.calmAfter, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.changed.Broadcast()
	})
}

// Add takes a delivery whose place in its consumer is reserved. It returns false when the quarantine is closed. The quarantine calls
// CountBegin with ctx.
func (q *Quarantine) Add(ctx context.Context, d *consumer.Item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.waiting = append(q.waiting, d)
	q.changed.Broadcast()
	if !q.begun {
		q.begun = true
		q.over.Go(func() { q.run(ctx) })
	}
	return true
}

// run begins one delivery after the other until none is left.
func (q *Quarantine) run(ctx context.Context) {
	for d := q.next(); d != nil; d = q.next() {
		if d.Claim.SoloCrashes >= MaxCrashes {
			q.host.Settle(d, ErrCrashes)
		} else {
			q.begin(ctx, d)
		}
		q.mu.Lock()
		q.taken = nil
		q.changed.Broadcast()
		q.mu.Unlock()
	}
}

// next waits until a delivery may begin, and takes it. It returns nil when none is left, or the quarantine is closed.
func (q *Quarantine) next() *consumer.Item {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && len(q.waiting) > 0 {
		// Take the delivery with the fewest crashes. So crashes with other causes spread over all, and the guilty delivery runs last.
		d := slices.MinFunc(q.waiting, func(x, y *consumer.Item) int { return cmp.Compare(x.Claim.SoloCrashes, y.Claim.SoloCrashes) })
		if q.mayRun(d) {
			i := slices.Index(q.waiting, d)
			q.waiting = slices.Delete(q.waiting, i, i+1)
			q.taken = d
			return d
		}
		q.changed.Wait()
	}
	q.begun = false
	return nil
}

// mayRun reports whether d may begin beside the running deliveries. The caller holds the lock.
func (q *Quarantine) mayRun(d *consumer.Item) bool {
	solo := d.Claim.SoloCrashes
	switch {
	case solo >= MaxCrashes:
		return true
	case solo > 0 && time.Now().Before(q.calm):
		return false
	case len(q.running) == 0:
		return true
	case solo > 0 || len(q.running) >= runningAtOnce:
		return false
	}
	for other := range q.running { // a delivery that runs alone is the only one, so it is enough to ask any of them
		return other.Claim.SoloCrashes == 0
	}
	return true
}

// begin counts the run of d and hands d to its consumer.
func (q *Quarantine) begin(ctx context.Context, d *consumer.Item) {
	limit, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	held, err := q.host.CountBegin(limit, d)
	switch {
	case err != nil:
		q.host.Settle(d, errors.Join(message.ErrNotBegun, err))
	case !held:
		q.host.Settle(d, message.ErrTaken)
	default:
		q.mu.Lock()
		q.running[d] = time.AfterFunc(d.Subscription.Timeout+overtime, func() { q.Ended(d) })
		q.mu.Unlock()
		q.host.Deliver(d)
	}
}

// Ended is called when the outcome of d is written, or its time is over. The quarantine then no longer counts d as running, so that
// another delivery may begin. Ended does nothing for a delivery that is not quarantined.
func (q *Quarantine) Ended(d *consumer.Item) {
	if !d.Claim.Quarantined() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	timer, ok := q.running[d]
	if !ok {
		return
	}
	timer.Stop()
	delete(q.running, d)
	q.changed.Broadcast()
}

// Held adds to held the deliveries that wait or are about to begin. The running deliveries are with their consumers.
func (q *Quarantine) Held(held map[*consumer.Item]struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, d := range q.waiting {
		held[d] = struct{}{}
	}
	if q.taken != nil {
		held[q.taken] = struct{}{}
	}
}

// Close stops the quarantine from beginning further deliveries, and returns the deliveries that have not begun.
func (q *Quarantine) Close() []*consumer.Item {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.timer.Stop()
	left := q.waiting
	q.waiting = nil
	q.changed.Broadcast()
	for q.taken != nil { // at most countTimeout
		q.changed.Wait()
	}
	return left
}

// Wait waits until the quarantine's goroutine has ended, after Close.
func (q *Quarantine) Wait() { q.over.Wait() }
