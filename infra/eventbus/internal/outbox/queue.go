package outbox

import (
	"context"
	"slices"
	"sync/atomic"

	"plugboard/app"
	"plugboard/infra/eventbus/internal/consumer"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/outbox/replica"
	"plugboard/infra/eventbus/internal/outbox/store"
)

// queue is a subscription in the outbox: its consumer, and the notes of the claimer and the settler. A queue is the owner of its
// consumer.
type queue struct {
	*consumer.Consumer
	replica   *replica.Replica
	completer *completer
	settler   *settler
	// stored is the name under which the deliveries are stored; nil before the registration, which means the subscription's own name.
	stored atomic.Pointer[string]
	// backlog has the claimer's notes on the deliveries in the database.
	backlog backlog
	// isolated is the number of transactional deliveries that still run in savepoints of their own after a failure, on SQLite. Only the
	// settler uses it.
	isolated int
	// abandoned counts the handlers on SQLite that were abandoned and have not returned.
	abandoned atomic.Int64
}

func newQueue(o *Outbox, s message.Subscription) *queue {
	q := &queue{replica: o.replica, completer: o.completer, settler: o.settler}
	opts := consumer.Options{Capacity: o.cfg.Buffer}
	s.Complete = func(ctx context.Context, d *message.Delivery) error { return o.completer.complete(ctx, d, q.held(d)) }
	switch {
	case s.Tx && o.store.Postgres:
		opts.Batch = postgresBatch
	case s.Tx:
		opts.OwnerRuns, opts.Ready = true, o.settler.wakeUp
	}
	q.Consumer = consumer.New(&s, q, opts)
	q.backlog.held = make(map[string]*consumer.Item)
	return q
}

// queueOf returns the queue of d.
func queueOf(d *consumer.Item) *queue { return d.Consumer().Owner().(*queue) }

// storedAs returns the name under which the deliveries are stored.
func (q *queue) storedAs() string {
	if name := q.stored.Load(); name != nil {
		return *name
	}
	return q.Subscription.Name
}

// held returns the event id, the stored name and the token of the claim of d.
func (q *queue) held(d *message.Delivery) store.Held {
	return store.Held{EventID: d.ID(), StoredAs: q.storedAs(), Token: d.Claim.Token}
}

// heldOf returns held of the queue of d.
func heldOf(d *consumer.Item) store.Held { return queueOf(d).held(&d.Delivery) }

// Run implements [consumer.Owner]. On Postgres it begins no handler when the lease may have run out.
func (q *queue) Run(ctx context.Context, d *consumer.Item) error {
	switch {
	case !q.replica.Alive():
		return message.ErrNotBegun
	case q.Subscription.Tx:
		return q.completer.runInTx(ctx, d)
	}
	return handle(ctx, d)
}

// postgresBatch is how many transactional deliveries share a transaction on Postgres, where each round trip and each commit
// costs time.
const postgresBatch = 32

// RunBatch implements [consumer.Owner]. It runs the handlers of a batch in one transaction that completes all deliveries of the batch.
// When a handler fails, RunBatch rolls the transaction back, and the consumer runs each delivery in a transaction of its own. So a
// handler may run once more than the number of its attempts.
func (q *queue) RunBatch(ctx context.Context, batch []*consumer.Item) bool {
	if !q.replica.Alive() || slices.ContainsFunc(batch, func(d *consumer.Item) bool { return d.Attempt > 1 }) {
		return false // a delivery that has failed once runs alone, so that it does not roll the others back
	}
	return q.completer.runAllInTx(ctx, batch)
}

// Settle implements [consumer.Owner]. The settler gives the place of d back when the outcome is written.
func (q *queue) Settle(d *consumer.Item, err error) (free bool) {
	q.settler.Settle(d, err)
	return false
}

// Idle is never called: the outbox gives places back with Unreserve.
func (*queue) Idle() {}

// handle calls the handler. If the event cannot be read, the delivery fails for good without a call.
func handle(ctx context.Context, d *consumer.Item) error {
	if d.Fault != nil {
		return app.Permanent(d.Fault)
	}
	return d.Subscription.Handle(ctx, &d.Delivery)
}

// deliver hands a claimed delivery to the consumer.
func (q *queue) deliver(d *consumer.Item) {
	q.backlog.hold(d)
	if !q.Push(d) {
		q.settler.release(d)
	}
}

// queues holds the queues of all subscriptions of the outbox. It does not change after the start.
type queues struct {
	all     []*queue
	byTopic map[string][]*queue
}

func (qs *queues) add(q *queue) {
	qs.all = append(qs.all, q)
	qs.byTopic[q.Subscription.Topic] = append(qs.byTopic[q.Subscription.Topic], q)
}

// storedAs returns the queue whose deliveries are stored under name, or nil.
func (qs *queues) storedAs(name string) *queue {
	for _, q := range qs.all {
		if q.storedAs() == name {
			return q
		}
	}
	return nil
}

func (qs *queues) names() []string {
	names := make([]string, len(qs.all))
	for i, q := range qs.all {
		names[i] = q.Subscription.Name
	}
	return names
}

func (qs *queues) storedNames() []string {
	names := make([]string, len(qs.all))
	for i, q := range qs.all {
		names[i] = q.storedAs()
	}
	return names
}

func (qs *queues) quiet() bool {
	return !slices.ContainsFunc(qs.all, func(q *queue) bool { return !q.Quiet() })
}
