package outbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"plugboard/infra/database"
	"plugboard/infra/eventbus/internal/consumer"
	"plugboard/infra/eventbus/internal/message"
	"plugboard/infra/eventbus/internal/outbox/replica"
	"plugboard/infra/eventbus/internal/outbox/store"
)

// publisher writes events with their deliveries.
type publisher struct {
	common
	store    store.Events
	registry *registry
	replica  *replica.Replica
	claimer  *claimer
	settler  *settler
	// running reports whether the outbox delivers.
	running func() bool
}

// Publish stores m with its deliveries in the transaction of ctx. The event takes effect at the commit; after a rollback it was never
// published. Without a transaction, m is stored when Publish returns nil. Publish never waits for handlers.
func (o *Outbox) Publish(ctx context.Context, m *message.Message) error {
	return o.publisher.publish(ctx, m)
}

func (p *publisher) publish(ctx context.Context, m *message.Message) error {
	if !utf8.ValidString(m.Key) || slices.Contains([]byte(m.Key), 0) {
		return errors.New("the key is not valid text")
	}
	tx, err := database.Join(ctx)
	if err != nil {
		return fmt.Errorf("cannot join the transaction: %w", err)
	}
	if tx == nil {
		return p.store.DB.InTx(ctx, func(ctx context.Context) error { return p.publish(ctx, m) })
	}
	//crash:point publish after commit: ctx p.publish m
	// The event is attached to ctx's savepoint, so that a rollback of the savepoint removes it.
	tx.Attach(nil, database.Participant{BeforeCommit: func(ctx context.Context) error { return p.collect(ctx, m) }})
	return nil
}

// batch holds the events that one transaction publishes.
type batch struct {
	*publisher
	owner   string
	entries []*entry
	// written counts the entries that write has begun to store.
	written int
}

// entry is an event on its way into the database.
type entry struct {
	m      *message.Message
	number int64
	// first is true if number is the first number of the key.
	first bool
	rows  []store.NewDelivery
	// claims has, for each subscription of this version, the reserved place and the state of the key.
	claims []claim
}

// claim is a reserved place in a queue, with the state of the key. Taken is false if the delivery waits in the database instead.
type claim struct {
	queue *queue
	order *consumer.KeyState
	taken bool
}

// collect adds m to the batch of its transaction. The batch is written at the end of the transaction.
func (p *publisher) collect(ctx context.Context, m *message.Message) error {
	tx, ok := database.TxFrom(ctx)
	if !ok {
		return errors.New("publish: the transaction has ended")
	}
	b, ok := tx.Attached(p).(*batch)
	if !ok {
		b = &batch{publisher: p, owner: p.replica.ID()}
	}
	if b.written == len(b.entries) { // attach the batch behind all other participants, also for entries that come after a write
		tx.Attach(p, database.Participant{Value: b, BeforeCommit: b.write, AfterCommit: b.deliver, AfterRollback: b.undo})
	}
	b.entries = append(b.entries, &entry{m: m})
	return nil
}

// write stores the batch.
func (b *batch) write(ctx context.Context) error {
	entries := b.entries[b.written:]
	b.written = len(b.entries)
	if err := b.number(ctx, entries); err != nil {
		return err
	}
	for _, e := range entries {
		b.place(e)
		if err := b.store.Insert(ctx, b.owner, e.m, e.number, e.rows); err != nil {
			return fmt.Errorf("store event %s: %w", e.m.Topic, err)
		}
		//crash:point after outbox row
	}
	return nil
}

// number gives every event with a key its number. It locks the rows of the keys in sorted order, to avoid deadlocks.
func (b *batch) number(ctx context.Context, entries []*entry) error {
	keyed := make(map[store.Sequence][]*entry)
	for _, e := range entries {
		if e.m.Key != "" {
			s := store.Sequence{Topic: e.m.Topic, Key: e.m.Key}
			keyed[s] = append(keyed[s], e)
		}
	}
	for _, s := range slices.SortedFunc(maps.Keys(keyed), store.Sequence.Compare) {
		entries := keyed[s]
		first, last, err := b.store.TakeNumbers(ctx, s.Topic, s.Key, len(entries))
		if err != nil {
			return fmt.Errorf("number event %s: %w", s.Topic, err)
		}
		for i, e := range entries {
			e.number = last - int64(len(entries)-1-i)
			e.first = e.number == first
		}
	}
	return nil
}

// place decides for each subscription whether this process claims the delivery at once.
func (b *batch) place(e *entry) {
	for _, q := range b.queues.byTopic[e.m.Topic] {
		c := b.claim(q, e)
		e.rows = append(e.rows, store.NewDelivery{Subscription: q.storedAs(), Claimed: c.taken})
		e.claims = append(e.claims, c)
	}
	if !b.store.Postgres { // on Postgres, the statement of Insert adds the subscriptions of other versions
		for _, name := range b.registry.others(e.m.Topic) {
			e.rows = append(e.rows, store.NewDelivery{Subscription: name})
		}
	}
}

// claim reserves a place and memory for the delivery of e to q, and takes the number of the key. It takes nothing if one of these is
// not possible, if e is delayed, or if q does not take new deliveries now. The delivery then waits in the database.
func (b *batch) claim(q *queue, e *entry) claim {
	c := claim{queue: q}
	if e.m.Delay > 0 || !b.running() || !b.claimer.current(q) || !q.Reserve() {
		return c
	}
	if !b.budget.take(e.m.Size(), q.Used() == 1) {
		q.Unreserve(1)
		return c
	}
	if e.m.Key != "" {
		if c.order = q.ClaimKey(e.m.Key, e.number, e.first); c.order == nil {
			b.budget.give(e.m.Size())
			q.Unreserve(1)
			return c
		}
	}
	c.taken = true
	return c
}

// deliver hands the claimed deliveries to their queues after the commit, and makes the claimer look for the others.
func (b *batch) deliver() {
	//crash:point after commit
	for _, e := range b.entries {
		for _, c := range e.claims {
			if !c.taken {
				b.claimer.open(c.queue, e.m.Delay)
				continue
			}
			d := c.queue.NewItem(e.m, 1, e.number, c.order)
			d.Claim.Token = 1
			c.queue.deliver(d)
		}
	}
}

// undo gives back the places of a transaction that was rolled back. If the database has committed the transaction all the same, the
// claimer's sweep finds the deliveries.
func (b *batch) undo() {
	b.claimer.doubt.Store(true)
	for _, e := range slices.Backward(b.entries) { // the last number of a key first
		for _, c := range e.claims {
			if !c.taken {
				continue
			}
			b.budget.give(e.m.Size())
			c.queue.Unreserve(1)
			if c.order != nil {
				b.settler.release(c.queue.UnclaimKey(e.m.Key, c.order, e.number)...)
			}
		}
	}
	b.claimer.gave()
	b.idle.Tell()
}

// announce publishes the death of a delivery to durable subscribers, in the transaction of ctx, which also marks the delivery as dead.
func (p *publisher) announce(ctx context.Context, d *message.Delivery, cause error) error {
	m, ok := message.DeadLetter(d, cause)
	if !ok || !p.registry.wants(m.Topic) {
		return nil
	}
	if err := p.publish(ctx, m); err != nil {
		return fmt.Errorf("announce dead delivery: %w", err)
	}
	return nil
}
