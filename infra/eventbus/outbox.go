package eventbus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"plugboard/config"
	"plugboard/infra/database"
)

// Outbox is the transport of durable subscriptions. An event and one delivery per subscription are written in the
// publisher's transaction, already claimed by this process as far as it has room, and handed over in memory after
// the commit. What finds no room, fails or is left by a dead process is claimed from the database.
//
// One goroutine writes outcomes (and, on SQLite, runs the transactional handlers), one claims, one deletes what is old,
// one watches over timeouts, and on Postgres one keeps the process registered; while there are suspects, one has them run.
// Handlers run on the lanes' workers.
type Outbox struct {
	cfg   config.Events
	db    *database.DB
	log   *zap.Logger
	hooks Hooks
	store store

	lanes  []*lane
	topics map[string][]*lane
	// others holds, by topic, the subscriptions that this version does not know.
	others atomic.Pointer[map[string][]string]
	owner  atomic.Pointer[string]

	budget   budget
	settler  *settler
	poller   *poller
	member   *member
	suspects *suspects

	life    sync.Mutex
	started bool
	// began is when it was started.
	began    time.Time
	stopping atomic.Bool
	closing  sync.Once
	closed   chan struct{}
	closeErr error
	cancel   context.CancelFunc
	tasks    sync.WaitGroup
	// waiters is closed and replaced whenever something is settled or claimed.
	waiting atomic.Int32
	waitMu  sync.Mutex
	waiters chan struct{}
}

// NewOutbox returns an Outbox in db. It opens and starts nothing.
func NewOutbox(cfg config.Events, db *database.DB, log *zap.Logger, hooks Hooks) *Outbox {
	o := &Outbox{
		cfg: cfg, db: db, log: log, hooks: hooks, store: newStore(db),
		topics: make(map[string][]*lane), closed: make(chan struct{}), waiters: make(chan struct{}),
	}
	o.budget.limit = cfg.Memory
	o.settler = newSettler(o)
	o.poller = newPoller(o)
	o.member = newMember(o)
	o.suspects = newSuspects(o)
	return o
}

// Subscribe implements [Transport].
func (o *Outbox) Subscribe(g Group) {
	g.Handle = readable(g.Handle)
	l := newLane(g, o.cfg.Buffer, o.settled)
	l.complete = o.complete
	if g.Tx {
		if o.store.postgres {
			l.group.Handle = o.inTx(g.Handle)
			l.batch, l.together = txTogether, o.together(g.Handle)
		} else {
			l.pulled, l.onReady = true, o.settler.rouse
		}
	}
	if o.store.postgres {
		l.group.Handle = o.guarded(l.group.Handle)
	}
	o.lanes = append(o.lanes, l)
	o.topics[g.Topic] = append(o.topics[g.Topic], l)
}

// Start implements [Transport]: it registers the subscriptions, takes back what earlier runs left, and begins.
func (o *Outbox) Start(ctx context.Context) error {
	o.life.Lock()
	defer o.life.Unlock()
	if o.started || o.stopping.Load() {
		return errors.New("start outbox: started before")
	}
	ctx, stop := context.WithCancel(ctx) // statements refuse a bare context.Background()
	defer stop()
	if err := o.member.join(ctx); err != nil {
		return err
	}
	if err := o.register(ctx); err != nil {
		o.member.leave(ctx)
		return err
	}
	o.started, o.began = true, time.Now()
	o.suspects.start()
	run, cancel := context.WithCancel(context.Background())
	o.cancel = cancel
	for _, l := range o.lanes {
		l.start(run)
	}
	o.tasks.Go(func() { o.settler.run(run) })
	o.tasks.Go(func() { o.poller.run(run) })
	o.tasks.Go(func() { o.member.run(run) })
	o.tasks.Go(func() { (&janitor{o: o}).run(run) })
	o.tasks.Go(func() { repeat(run, o.overdue) })
	return nil
}

// Wants reports whether subscriptions of other versions take topic.
func (o *Outbox) Wants(topic string) bool { return o.topics[topic] != nil || o.othersWant(topic) }

func (o *Outbox) othersWant(topic string) bool {
	others := o.others.Load()
	return others != nil && len(*others) > 0 && len((*others)[topic]) > 0
}

// Publish implements [Transport].
func (o *Outbox) Publish(ctx context.Context, m *Message) error {
	//crash:point publish after commit: ctx o.Publish m
	if !utf8.ValidString(m.Key) || containsNUL(m.Key) {
		return errors.New("the key is not valid text")
	}
	tx, err := database.Join(ctx)
	if err != nil {
		return fmt.Errorf("not in the transaction: %w", err)
	}
	if tx == nil {
		return o.db.InTx(ctx, func(ctx context.Context) error { return o.Publish(ctx, m) })
	}
	// A hook of a savepoint goes with the savepoint, and so does the event.
	tx.Attach(nil, database.Participant{BeforeCommit: func(ctx context.Context) error { return o.collect(ctx, m) }})
	return nil
}

func containsNUL(s string) bool { return slices.Contains([]byte(s), 0) }

// batch is what one transaction publishes.
type batch struct {
	o       *Outbox
	owner   string
	entries []*entry
	// written counts the entries that are stored.
	written int
}

// entry is an event on its way into the database.
type entry struct {
	m   *Message
	seq int64
	// first tells that seq is the first number of its key.
	first bool
	rows  []deliveryRow
	// lanes has, for each row, the lane that has a place for it, or nil; orders the key's state there.
	lanes  []*lane
	orders []*keyState
}

type sequence struct{ topic, key string }

// compare is the order in which the rows of sequences are locked, that of their bytes.
func (s sequence) compare(other sequence) int {
	return cmp.Or(cmp.Compare(s.topic, other.topic), cmp.Compare(s.key, other.key))
}

// collect adds m to its transaction's batch, which is written last of all.
func (o *Outbox) collect(ctx context.Context, m *Message) error {
	tx, ok := database.TxFrom(ctx)
	if !ok {
		return errors.New("publish: the transaction has ended")
	}
	b, ok := tx.Attached(o).(*batch)
	if !ok {
		b = &batch{o: o, owner: o.id()}
	}
	if b.written == len(b.entries) { // it writes once more, after all that is attached by now
		tx.Attach(o, database.Participant{Value: b, BeforeCommit: b.write, AfterCommit: b.hand, AfterRollback: b.undo})
	}
	b.entries = append(b.entries, &entry{m: m})
	return nil
}

// write stores the batch. The rows of ordered keys are locked in sorted order, so that two transactions never wait
// for each other.
func (b *batch) write(ctx context.Context) error {
	entries := b.entries[b.written:]
	b.written = len(b.entries)
	if err := b.number(ctx, entries); err != nil {
		return err
	}
	for _, e := range entries {
		b.place(e)
		if err := b.o.store.insert(ctx, b.owner, e); err != nil {
			return fmt.Errorf("store event %s: %w", e.m.Topic, err)
		}
		//crash:point after outbox row
	}
	return nil
}

// number gives every ordered event its number.
func (b *batch) number(ctx context.Context, entries []*entry) error {
	keyed := make(map[sequence][]*entry)
	for _, e := range entries {
		if e.m.Key != "" {
			s := sequence{e.m.Topic, e.m.Key}
			keyed[s] = append(keyed[s], e)
		}
	}
	sorted := slices.SortedFunc(maps.Keys(keyed), sequence.compare)
	for _, s := range sorted {
		entries := keyed[s]
		first, last, err := b.o.store.sequence(ctx, s.topic, s.key, len(entries))
		if err != nil {
			return fmt.Errorf("number event %s: %w", s.topic, err)
		}
		for i, e := range entries {
			e.seq = last - int64(len(entries)-1-i)
			e.first = e.seq == first
		}
	}
	return nil
}

// place decides for each subscription whether this process takes the delivery at once.
func (b *batch) place(e *entry) {
	for _, l := range b.o.topics[e.m.Topic] {
		order, taken := b.o.take(l, e)
		e.rows = append(e.rows, deliveryRow{group: l.storedAs(), claimed: taken})
		e.orders = append(e.orders, order)
		if !taken {
			l = nil
		}
		e.lanes = append(e.lanes, l)
	}
	if others := b.o.others.Load(); others != nil && !b.o.store.postgres {
		for _, name := range (*others)[e.m.Topic] {
			e.rows = append(e.rows, deliveryRow{group: name})
		}
	}
}

func (o *Outbox) take(l *lane, e *entry) (order *keyState, taken bool) {
	if e.m.Delay > 0 || !o.running() || !o.poller.current(l) || !l.reserve() {
		return nil, false
	}
	if !o.budget.take(e.m.size(), l.used.Load() == 1) {
		l.unreserve()
		return nil, false
	}
	if e.m.Key == "" {
		return nil, true
	}
	if order = l.claimKey(e.m.Key, e.seq, e.first); order == nil {
		o.budget.give(e.m.size())
		l.unreserve()
		return nil, false
	}
	return order, true
}

// hand gives the lanes what was committed.
func (b *batch) hand() {
	//crash:point after commit
	for _, e := range b.entries {
		for i, l := range e.lanes {
			if l == nil {
				b.o.poller.open(b.o.topics[e.m.Topic][i], e.m.Delay)
				continue
			}
			d := e.m.incoming(l, 1)
			d.seq, d.token, d.order = e.seq, 1, e.orders[i]
			b.o.deliver(l, d)
		}
	}
}

// deliver hands a claimed delivery to its lane.
func (o *Outbox) deliver(l *lane, d *Incoming) {
	o.poller.hold(d)
	if !l.push(d) {
		o.settler.add(op{kind: opRelease, d: d})
	}
}

// undo gives back the places of a transaction that was rolled back. If in truth it was committed, the sweep of the
// poller finds the deliveries.
func (b *batch) undo() {
	b.o.poller.doubt.Store(true)
	for _, e := range slices.Backward(b.entries) {
		for i, l := range e.lanes {
			if l == nil {
				continue
			}
			b.o.budget.give(e.m.size())
			l.unreserve()
			if order := e.orders[i]; order != nil {
				b.o.releaseAll(l.unclaimKey(e.m.Key, order, e.seq))
			}
		}
	}
	b.o.progress()
}

// errTaken is the error of a completion that came too late: somebody else has taken the delivery over.
var errTaken = errors.New("the delivery has been taken over by another process")

// complete completes d in the transaction of ctx.
func (o *Outbox) complete(ctx context.Context, d *Incoming) error {
	tx, ok := database.TxFrom(ctx)
	if !ok {
		return errors.New("app.Complete: not inside app.InTx")
	}
	if d.completed {
		return nil
	}
	mine, err := o.store.complete(ctx, d)
	if err != nil {
		return fmt.Errorf("complete delivery: %w", err)
	}
	if !mine {
		return errTaken
	}
	d.completed = true
	tx.Attach(nil, database.Participant{AfterRollback: func() { d.completed = false }})
	return nil
}

// handlerError is an error of the handler, as opposed to one of the transaction around it.
type handlerError struct{ err error }

func (h *handlerError) Error() string { return h.err.Error() }
func (h *handlerError) Unwrap() error { return h.err }

// inTx runs handle in the transaction that completes the delivery.
func (o *Outbox) inTx(handle func(context.Context, *Incoming) error) func(context.Context, *Incoming) error {
	return func(ctx context.Context, d *Incoming) error {
		return o.db.InTx(ctx, func(ctx context.Context) error { return o.perform(ctx, d, handle) })
	}
}

// perform runs handle and completes the delivery, in the transaction of ctx. When it returns nil, no statement in it has
// failed.
func (o *Outbox) perform(ctx context.Context, d *Incoming, handle func(context.Context, *Incoming) error) error {
	err := func() (err error) {
		defer recovered(&err)
		return foreign(handle(ctx, d))
	}()
	switch {
	case err != nil:
		return &handlerError{err}
	case d.completed: // by the handler; a statement that failed since has this one fail too
		_, err = o.store.complete(ctx, d)
		return err
	}
	//crash:point after transactional effect
	return o.complete(ctx, d)
}

// txTogether is how many transactional deliveries share a transaction on Postgres, where each round trip and each commit
// counts.
const txTogether = 32

// together runs handle for a batch in one transaction that completes all its deliveries. When one fails, nothing has
// happened, and each is run in a transaction of its own: a handler may thus run once more than its attempts say.
func (o *Outbox) together(handle func(context.Context, *Incoming) error) func(context.Context, []*Incoming) bool {
	return func(ctx context.Context, batch []*Incoming) bool {
		if !o.member.alive() || slices.ContainsFunc(batch, func(d *Incoming) bool { return d.Attempt > 1 }) {
			return false // what has failed once does not spoil it for others
		}
		err := o.db.InTx(ctx, func(ctx context.Context) (err error) {
			defer recovered(&err)
			open := make([]*Incoming, 0, len(batch))
			for _, d := range batch {
				if err := handle(ctx, d); err != nil {
					return foreign(err)
				}
				if !d.completed { // by the handler itself
					open = append(open, d)
				}
			}
			//crash:point after transactional effect
			n, err := o.store.completeAll(ctx, open)
			if err == nil && int(n) < len(open) {
				err = errTaken
			}
			return err
		})
		for _, d := range batch {
			d.completed = err == nil
		}
		return err == nil
	}
}

// id returns the id under which this process claims.
func (o *Outbox) id() string {
	if id := o.owner.Load(); id != nil {
		return *id
	}
	return ""
}

func (o *Outbox) newID() string {
	id := uuid.Must(uuid.NewV7()).String()
	o.owner.Store(&id)
	return id
}

// running reports whether the outbox has been started and not been told to stop.
func (o *Outbox) running() bool { return o.member.joined.Load() && !o.stopping.Load() }

// progress wakes who waits for the outbox to be idle.
func (o *Outbox) progress() {
	if o.waiting.Load() == 0 {
		return
	}
	o.waitMu.Lock()
	defer o.waitMu.Unlock()
	close(o.waiters)
	o.waiters = make(chan struct{})
}

func (o *Outbox) quiet() bool {
	for _, l := range o.lanes {
		if !l.quiet() {
			return false
		}
	}
	return true
}

// Idle implements [Transport].
func (o *Outbox) Idle(ctx context.Context) error {
	groups := o.storedNames()
	if len(groups) == 0 {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	o.waiting.Add(1)
	defer o.waiting.Add(-1)
	o.settler.hurry(true)
	defer o.settler.hurry(false)
	for {
		o.waitMu.Lock()
		changed := o.waiters
		o.waitMu.Unlock()
		if o.quiet() {
			left, err := o.store.unfinished(ctx, groups)
			if err != nil {
				return fmt.Errorf("look for unfinished events: %w", err)
			}
			if !left {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-time.After(o.cfg.Poll):
		}
	}
}

// Close implements [Transport]: it stops claiming, waits for running handlers, gives back what they had not begun and
// writes their outcomes.
func (o *Outbox) Close(ctx context.Context) error {
	o.closing.Do(func() {
		o.closeErr = o.close(ctx)
		close(o.closed)
	})
	select {
	case <-o.closed:
		return o.closeErr
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (o *Outbox) close(ctx context.Context) error {
	o.life.Lock()
	defer o.life.Unlock()
	o.stopping.Store(true)
	if !o.started {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	o.poller.stop(ctx)
	var errs []error
	for _, l := range o.lanes {
		for _, d := range l.close() {
			o.settler.add(op{kind: opRelease, d: d})
		}
	}
	for _, d := range o.suspects.close() {
		o.settler.add(op{kind: opRelease, d: d})
	}
	handlers, end := shortly(ctx)
	defer end()
	for _, l := range o.lanes {
		errs = append(errs, l.wait(handlers))
	}
	errs = append(errs, o.settler.finish(ctx))
	o.member.leave(ctx)
	o.cancel()
	o.tasks.Wait()
	o.suspects.over.Wait()
	return errors.Join(errs...)
}

// overdue ends runs that have outlived their timeouts, whether or not the database answers.
func (o *Outbox) overdue() (wait time.Duration) {
	for _, l := range o.lanes {
		o.hooks.tell(l.overdue())
	}
	return o.cfg.Poll
}

// shortly returns a context that ends before ctx does, by a tenth of what is left, at most a second: the time to write down
// the outcomes of what has ended by then.
func shortly(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(time.Second, time.Until(deadline)/10)))
}

// recall takes back what waits in memory: other processes may have taken it over. What is still this process's goes
// back to the database.
func (o *Outbox) recall() {
	for _, l := range o.lanes {
		for _, d := range l.recall() {
			o.settler.add(op{kind: opRelease, d: d})
		}
	}
}

// errNotBegun is the outcome of a delivery that was not begun: the lease may have run out, or the transport closes.
var errNotBegun = errors.New("the handler was not begun")

// guarded runs handle only while the lease lasts.
func (o *Outbox) guarded(handle func(context.Context, *Incoming) error) func(context.Context, *Incoming) error {
	return func(ctx context.Context, d *Incoming) error {
		if !o.member.alive() {
			return errNotBegun
		}
		return handle(ctx, d)
	}
}
