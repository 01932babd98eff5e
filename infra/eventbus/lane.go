package eventbus

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// lane is the part of a group that lives in memory: what waits, in which order, and who works on it. The
// transport puts deliveries in with push and learns the outcome of each through settle, after which it
// says how the delivery's key goes on: advance, or drop.
type lane struct {
	group Group
	// stored is the name under which the group's deliveries are stored, nil as long as that is its own; see heritage.go.
	stored atomic.Pointer[string]
	// settle decides what becomes of a delivery, and reports whether its place is free.
	settle func(d *Incoming, err error) bool
	// complete completes a delivery in the transaction of ctx; it may be nil.
	complete func(ctx context.Context, d *Incoming) error
	// batch is how many deliveries a worker takes at a time at most.
	batch int
	// onQuiet is called after the last place has been given back; it may be nil.
	onQuiet func()
	// together runs several deliveries as one, and reports whether all are done; if not, each is run by itself.
	together func(ctx context.Context, batch []*Incoming) bool
	// pulled tells that the lane has no workers: its deliveries are fetched with pull.
	pulled bool
	// onReady is called after a delivery has become ready in a pulled lane.
	onReady func()
	// late counts the runs that were overdue at the last look; abandoned, on SQLite, those that were given up and have not ended.
	late, abandoned atomic.Int64
	// wary is how many deliveries of a pulled lane are not to share a savepoint; the settler's alone.
	wary int

	// backlog is the poller's.
	backlog backlog

	capacity int64
	made     time.Time
	base     context.Context //nolint:containedctx // the parent of the runs, ended by wait
	cancel   context.CancelFunc
	wake     sync.Cond
	keys     map[string]*keyState
	workers  map[*worker]struct{}
	closed   atomic.Bool
	// room is closed when a place is given back while publishers wait for one; stalled tells that
	// they have waited in vain since.
	room    chan struct{}
	waiters atomic.Int32
	stalled atomic.Bool

	// What publishers and workers write for each delivery is in a cache line of its own.
	_  [64]byte
	mu sync.Mutex
	// used counts the places taken, of at most capacity.
	used  atomic.Int64
	idle  int
	open  bool
	ready queue
	// apart tells that a handler ended the goroutine of a batch: none is run together any more.
	apart bool
	_     [64]byte
}

// keyState orders the deliveries of one key: they run one at a time, in the order of their numbers.
type keyState struct {
	// next is the number that may run next, tail the highest taken by this process.
	next, tail int64
	busy       bool
	waiting    []*Incoming
	// stuck is when unstick first found the key waiting for a number, on the lane's clock; 0 when it did not.
	stuck time.Duration
}

// idle reports whether the lane has nothing of the key, and no publisher is about to give it any.
func (ks *keyState) idle() bool { return !ks.busy && len(ks.waiting) == 0 && ks.next > ks.tail }

// maxIdleKeys bounds what a lane remembers of keys it has nothing to do for. To forget one costs a look
// into the database when its next event is published.
const maxIdleKeys = 4096

func newLane(g Group, capacity int, settle func(*Incoming, error) bool) *lane {
	if g.Observe == nil {
		g.Observe = func(int, time.Duration, error) {}
	}
	l := &lane{group: g, settle: settle, batch: 1, capacity: int64(capacity), made: time.Now(), keys: make(map[string]*keyState), workers: make(map[*worker]struct{})}
	l.wake.L = &l.mu
	l.backlog.held = make(map[string]*Incoming)
	return l
}

// reserve takes a place, if there is one.
func (l *lane) reserve() bool {
	if l.used.Add(1) > l.capacity {
		l.used.Add(-1)
		return false
	}
	return true
}

func (l *lane) unreserve() { l.used.Add(-1) }

// awaitRoom waits up to limit for a place. After a wait in vain it does not wait again until a place has
// been given back.
func (l *lane) awaitRoom(limit time.Duration) bool {
	if l.stalled.Load() {
		return false
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	l.waiters.Add(1)
	defer l.waiters.Add(-1)
	for {
		l.mu.Lock()
		if l.room == nil {
			l.room = make(chan struct{})
		}
		room := l.room
		l.mu.Unlock()
		if l.reserve() {
			return true
		}
		select {
		case <-room:
		case <-timer.C:
			l.stalled.Store(true)
			return false
		}
	}
}

// freed gives n places back and tells publishers that wait for one.
func (l *lane) freed(n int) {
	if l.used.Add(-int64(n)) == 0 && l.onQuiet != nil {
		l.onQuiet()
	}
	if l.stalled.Load() {
		l.stalled.Store(false)
	}
	if l.waiters.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
}

// start lets workers run under base.
func (l *lane) start(base context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.base, l.cancel = context.WithCancel(base)
	l.open = true
	l.rouse()
}

// push hands the lane a delivery. Its place has been reserved. One with a number waits for its turn. It reports false
// when the lane is closed, or has given the key's order back to storage in the meantime, to which the delivery must go too.
func (l *lane) push(d *Incoming) bool {
	l.mu.Lock()
	taken := l.enqueue(d)
	l.mu.Unlock()
	l.notify()
	return taken
}

func (l *lane) enqueue(d *Incoming) bool {
	switch {
	case l.closed.Load():
		return false
	case d.Key == "":
		l.ready.push(d)
	case d.order != nil && l.keys[d.Key] != d.order:
		return false
	default:
		l.enqueueKeyed(d)
	}
	l.rouse()
	return true
}

func (l *lane) notify() {
	if l.pulled && l.onReady != nil {
		l.onReady()
	}
}

func (l *lane) enqueueKeyed(d *Incoming) {
	ks := l.key(d.Key)
	d.order = ks
	if d.seq == 0 { // the transport does not number: first come, first served
		ks.tail++
		d.seq = ks.tail
	}
	at, _ := slices.BinarySearchFunc(ks.waiting, d.seq, func(w *Incoming, seq int64) int { return int(w.seq - seq) })
	ks.waiting = slices.Insert(ks.waiting, at, d)
	l.next(ks)
}

// next makes the delivery whose turn it is ready.
func (l *lane) next(ks *keyState) {
	if ks.busy || len(ks.waiting) == 0 || ks.waiting[0].seq > ks.next {
		return
	}
	ks.busy = true
	l.ready.push(ks.waiting[0])
	ks.waiting = slices.Delete(ks.waiting, 0, 1)
}

func (l *lane) key(key string) *keyState {
	ks, ok := l.keys[key]
	if !ok {
		if len(l.keys) >= maxIdleKeys {
			l.forgetKeys()
		}
		ks = &keyState{next: 1}
		l.keys[key] = ks
	}
	return ks
}

func (l *lane) forgetKeys() {
	for k, ks := range l.keys {
		if ks.idle() {
			delete(l.keys, k)
		}
	}
}

// claimKey takes number seq of key for this process if all earlier ones are done or taken by it too; otherwise it
// returns nil. First tells that there are no earlier ones. The caller holds the key's number until its transaction ends;
// when that rolls back it calls unclaimKey.
func (l *lane) claimKey(key string, seq int64, first bool) *keyState {
	l.mu.Lock()
	defer l.mu.Unlock()
	ks, known := l.keys[key]
	if first && (!known || ks.idle()) {
		ks, known = l.key(key), true
		*ks = keyState{next: seq, tail: seq - 1}
	}
	if !known || ks.tail != seq-1 {
		return nil
	}
	ks.tail = seq
	return ks
}

// unclaimKey gives number seq back. When later numbers have been taken on top of it, somebody else may have seq by now:
// the lane forgets the key, and what it returns, or refuses when it is pushed, must go back to storage.
func (l *lane) unclaimKey(key string, ks *keyState, seq int64) []*Incoming {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ks.tail == seq {
		ks.tail = seq - 1
		return nil
	}
	return l.giveUp(key, ks)
}

// giveUp removes ks, if it still is the state of key, and returns what waits in it. What it returns, and what push refuses
// from then on, must go back to storage. The caller holds the lock.
func (l *lane) giveUp(key string, ks *keyState) []*Incoming {
	if ks == nil || l.keys[key] != ks {
		return nil
	}
	delete(l.keys, key)
	waiting := ks.waiting
	ks.waiting = nil
	return waiting
}

// adopt tells the lane that number seq of key, taken from storage, is the first unfinished one, and that
// this process holds the numbers up to tail. It returns nil when the lane is at work on the key, or a publisher is
// about to give it one.
func (l *lane) adopt(key string, seq, tail int64) *keyState {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ks, ok := l.keys[key]; ok && !ks.idle() {
		return nil
	}
	ks := &keyState{next: seq, tail: tail}
	l.keys[key] = ks
	return ks
}

// forget gives up an adopted order whose deliveries could not be taken after all. It returns what publishers have queued
// behind them meanwhile: that must go back to storage.
func (l *lane) forget(key string, ks *keyState) []*Incoming {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.giveUp(key, ks)
}

// unstick gives up the keys that have waited for longer than age for a number that nobody brings: no delivery of theirs is
// ready or runs, and one is expected. It returns what waited there, which must go back to storage.
func (l *lane) unstick(age time.Duration) (left []*Incoming) {
	now := l.clock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, ks := range l.keys {
		switch {
		case ks.busy || ks.idle():
			ks.stuck = 0
		case ks.stuck == 0:
			ks.stuck = now
		case now-ks.stuck >= age:
			left = append(left, l.giveUp(key, ks)...)
		}
	}
	return left
}

// has notes in runs what the lane has: what is ready, waits for its turn, or is with a worker.
func (l *lane) has(runs map[*Incoming]struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ready.each(func(d *Incoming) { runs[d] = struct{}{} })
	for _, ks := range l.keys {
		for _, d := range ks.waiting {
			runs[d] = struct{}{}
		}
	}
	for w := range l.workers {
		for _, d := range w.batch {
			runs[d] = struct{}{}
		}
	}
}

// advance says that d is finished, one way or the other, and its key may go on.
func (l *lane) advance(d *Incoming) {
	if d.Key == "" {
		return
	}
	l.mu.Lock()
	ks := d.order
	if l.keys[d.Key] != ks {
		l.mu.Unlock()
		return
	}
	ks.busy = false
	ks.next = d.seq + 1
	l.next(ks)
	more := ks.busy || len(ks.waiting) > 0
	l.rouse()
	l.mu.Unlock()
	if more {
		l.notify()
	}
}

// drop says that d goes back to storage, and returns the later deliveries of its key, which must go back
// too. The lane forgets the key.
func (l *lane) drop(d *Incoming) []*Incoming {
	if d.Key == "" {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.giveUp(d.Key, d.order)
}

// again makes d ready once more, ahead of its key. It reports false when the lane is closed.
func (l *lane) again(d *Incoming) bool {
	l.mu.Lock()
	defer l.notify()
	defer l.mu.Unlock()
	if l.closed.Load() {
		return false
	}
	l.ready.push(d)
	l.rouse()
	return true
}

// pull takes the next ready delivery of a pulled lane, or nil.
func (l *lane) pull() *Incoming {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open || l.ready.len() == 0 {
		return nil
	}
	return l.ready.pop()
}

// orders reports whether the lane still orders the key of d, which has one: it may have been dropped since d became ready.
func (l *lane) orders(d *Incoming) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keys[d.Key] == d.order
}

// waits reports whether pull would find something.
func (l *lane) waits() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open && l.ready.len() > 0
}

// rouse has a worker look at the queue. The caller holds the lock.
func (l *lane) rouse() {
	if !l.open || l.pulled || l.ready.len() == 0 {
		return
	}
	if l.idle > 0 {
		l.wake.Signal()
		return
	}
	if len(l.workers) < l.group.Concurrency {
		w := &worker{lane: l, size: 1}
		l.workers[w] = struct{}{}
		go w.run()
	}
}

// clock is the time since the lane was made: monotonic, and cheaper to read than the time of day.
func (l *lane) clock() time.Duration { return time.Since(l.made) }

// quiet reports whether nothing is waiting or running.
func (l *lane) quiet() bool { return l.used.Load() == 0 }

// close stops taking and returns what was waiting.
func (l *lane) close() []*Incoming {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = false
	l.closed.Store(true)
	l.wake.Broadcast()
	left := l.ready.drain()
	for _, ks := range l.keys {
		left = append(left, ks.waiting...)
		ks.waiting = nil
	}
	return left
}

// recall takes back what has not begun.
func (l *lane) recall() []*Incoming {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.ready.drain()
	for key, ks := range l.keys {
		left = append(left, l.giveUp(key, ks)...)
	}
	return left
}

// wait returns nil when all workers have ended; when ctx is done first it cancels their contexts and reports
// how many run on.
func (l *lane) wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		l.wake.Broadcast()
		l.mu.Unlock()
	})
	defer stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.workers) > 0 && ctx.Err() == nil {
		l.wake.Wait()
	}
	if l.cancel != nil {
		l.cancel()
	}
	if n := len(l.workers); n > 0 {
		return fmt.Errorf("subscription %s: %d still running", l.group.Name, n)
	}
	return nil
}

// lateRun is a run that goes on although its time is over.
type lateRun struct {
	d    *Incoming
	took time.Duration
}

const (
	// overdueGrace is how long a run may take to end after its context has ended, before somebody is told.
	overdueGrace = time.Second
	// overdueAgain is how long after the first word the next one comes; after that, whenever the run has taken twice as long.
	overdueAgain = time.Minute
)

// overdue ends the contexts of the runs that have outlived the group's timeout, and returns those to tell somebody about.
func (l *lane) overdue() (tell []lateRun) {
	now, late := l.clock(), int64(0)
	limit := int64(now - l.group.Timeout)
	l.mu.Lock()
	defer l.mu.Unlock()
	for w := range l.workers {
		switch at := w.since.Load(); {
		case at == begun:
			w.since.CompareAndSwap(begun, int64(now))
		case at > 0 && at < limit:
			w.expire(at)
			w.began, w.tellAt = time.Duration(at), now+overdueGrace
		case at == expired && now >= w.tellAt:
			late++
			if d := w.current.Load(); d != nil && now >= w.tellNext() {
				tell = append(tell, lateRun{d, now - w.began})
				w.told = now
			}
		}
	}
	l.late.Store(late)
	return tell
}
