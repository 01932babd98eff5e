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

// MaxCrashes is after how many process crashes during its own run a quarantined delivery is dead-lettered: the first time among
// others, then alone. It is more than one, since the crash may have another cause: an operator, or another event.
const MaxCrashes = 4

// ErrCrashes is the error of a delivery that is dead because processes crash during its run.
var ErrCrashes = fmt.Errorf("%d processes in a row ended, or hung, while its handler ran, at last by itself", MaxCrashes)

// Quarantine holds claimed deliveries whose earlier claims ended with their processes, perhaps because of their handlers. Most are
// innocent, since each claim of a process that crashes counts a crash. So only few of them run at a time in the whole process, and
// each is counted in the database before it begins, so that the next process knows which they were. Those that were begun before
// a crash run alone, after the others.
//
// Its methods may be called concurrently.
type Quarantine struct {
	host Host
	// calmAfter is how long the process has run before deliveries run alone. A process that is killed soon after its
	// start, again and again, dies before one of them runs, and they are not blamed for it.
	calmAfter time.Duration

	mu      sync.Mutex
	changed sync.Cond // tells of whatever may let another one begin, and of the close
	waiting []*consumer.Item
	// running are those that run, each with the timer that stops waiting for its end.
	running map[*consumer.Item]*time.Timer
	// begun is true while the goroutine of run goes on. taken is the delivery that it has in hand, or nil.
	begun  bool
	taken  *consumer.Item
	closed bool
	over   sync.WaitGroup
	calm   time.Time
	timer  *time.Timer
}

// Host is what the quarantine needs of the outbox. Its methods are called concurrently.
type Host interface {
	// CountBegin notes that d begins, and reports whether this process still holds it.
	CountBegin(ctx context.Context, d *consumer.Item) (held bool, err error)
	// Deliver hands d to its consumer.
	Deliver(d *consumer.Item)
	// Settle is told the outcome of a delivery that is not run.
	Settle(d *consumer.Item, err error)
}

const (
	// runningAtOnce is how many deliveries without a crash of their own run at a time.
	runningAtOnce = 16
	// overtime is how long after its timeout the quarantine waits for the end of a delivery.
	overtime = time.Second
	// countTimeout bounds the statement that counts the begin of a delivery.
	countTimeout = 5 * time.Second
)

// New returns an empty quarantine. CalmAfter is how long after Start deliveries run alone at the earliest.
func New(host Host, calmAfter time.Duration) *Quarantine {
	q := &Quarantine{host: host, calmAfter: calmAfter, running: make(map[*consumer.Item]*time.Timer)}
	q.changed.L = &q.mu
	return q
}

// Start begins the time until deliveries may run alone.
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

// Add takes a delivery whose place in its consumer is reserved. It returns false when the quarantine is closed. Ctx is that
// of the CountBegin calls.
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

// run starts the deliveries until none is left.
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
		// The one with the fewest crashes first: crashes with other causes spread over all, and the guilty delivery runs last.
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

// mayRun reports whether d may begin beside what runs. The caller holds the lock.
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
	for other := range q.running { // one that runs alone is the only one, so any of them tells
		return other.Claim.SoloCrashes == 0
	}
	return true
}

// begin counts the begin of d and hands it to its consumer.
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

// Ended stops counting d as running, so that another one may begin: its outcome is written, or its time is over. It does nothing for a
// delivery that is not quarantined.
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

// Held adds to held the deliveries that wait or are about to begin. Those that run are with their consumers.
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

// Close begins no further delivery and returns those that have not begun.
func (q *Quarantine) Close() []*consumer.Item {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.timer.Stop()
	left := q.waiting
	q.waiting = nil
	q.changed.Broadcast()
	for q.taken != nil { // for countTimeout at most
		q.changed.Wait()
	}
	return left
}

// Wait waits until the quarantine's goroutine has ended, after Close.
func (q *Quarantine) Wait() { q.over.Wait() }
