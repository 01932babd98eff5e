package eventbus

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// poller claims deliveries that this process did not take at their birth: those that found no room, came due, were
// given back, or were left by a process that died. It also finds claims nobody holds.
type poller struct {
	o     *Outbox
	wake  chan struct{}
	ended atomic.Bool
	// busy holds a token during a turn.
	busy chan struct{}

	// doubt tells that a transaction with claims has failed, which may have been committed all the same. The claims of this process
	// are then compared with what it knows, until sweepUntil.
	doubt                 atomic.Bool
	sweepUntil, lastSweep time.Time
	// nextReclaim is when to look for held deliveries without a run; lost has those found so far, and since when.
	nextReclaim time.Time
	lost        map[*Incoming]time.Time
	// mayBehind tells that a delivery may be noted as behind another. CheckAll asks for a look at all of them, by check.
	mayBehind, checkAll atomic.Bool
	check               behindCheck
}

// backlog is what the poller knows of a lane.
type backlog struct {
	// open tells that due deliveries wait in the database: later ones queue up behind them.
	open atomic.Bool
	// deep tells that there may be more of the keys whose deliveries were claimed last: each key that ends asks for a look at
	// once.
	deep atomic.Bool
	// dirty asks for a look at the database.
	dirty atomic.Bool

	mu sync.Mutex
	// due is when the next delivery that waits for its time is due; zero when none is known.
	due time.Time
	// held are the deliveries this process has claimed, by the event's id.
	held map[string]*Incoming
	// finished are keys whose last delivery here has ended: the next one may wait in the database.
	finished []string

	// failing says since when, how often in a row, and with which error the claims have failed last.
	failing failing
	// failures counts all claims that failed.
	failures atomic.Int64
	// lost counts the held deliveries without a run, found the claims without a run that were given back.
	lost, found atomic.Int64
}

const (
	// claimBatch is the most deliveries claimed at a time.
	claimBatch = 256
	// fullLook is how often all deliveries are read for what should not be there, since reading them costs by their number.
	fullLook = time.Hour
)

func newPoller(o *Outbox) *poller {
	p := &poller{o: o, wake: make(chan struct{}, 1), busy: make(chan struct{}, 1)}
	p.mayBehind.Store(true)
	p.checkAll.Store(true)
	return p
}

// current reports whether new deliveries of l may go ahead: none that are due wait in the database.
func (p *poller) current(l *lane) bool { return !l.backlog.open.Load() }

// open tells that a delivery of l waits in the database, due after wait.
func (p *poller) open(l *lane, wait time.Duration) {
	if wait <= 0 {
		l.backlog.open.Store(true)
		p.rouse(l)
		return
	}
	l.backlog.setDue(time.Now().Add(wait))
	p.signal()
}

// freed tells that l has room.
func (p *poller) freed(l *lane) {
	if l.backlog.open.Load() {
		p.rouse(l)
	}
}

func (p *poller) rouse(l *lane) {
	l.backlog.dirty.Store(true)
	p.signal()
}

func (p *poller) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
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

// stop has the poller claim nothing more, and waits for the turn in which it is, up to a second and until ctx is done: what that
// claims would come after what this process gives back, and nobody would be left to give it back too.
func (p *poller) stop(ctx context.Context) {
	p.ended.Store(true)
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	select {
	case p.busy <- struct{}{}:
		<-p.busy
	case <-ctx.Done():
	}
}

func (p *poller) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	lastTick := time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-timer.C:
		}
		p.busy <- struct{}{}
		if !p.ended.Load() {
			timer.Reset(max(0, time.Until(p.turn(ctx, &lastTick))))
		}
		<-p.busy
	}
}

// turn does what is to be done now, and returns when to do so next.
func (p *poller) turn(ctx context.Context, lastTick *time.Time) (next time.Time) {
	now := time.Now()
	tick := now.Sub(*lastTick) >= p.o.cfg.Poll
	if tick {
		*lastTick = now
		p.chores(ctx, now)
	}
	next = lastTick.Add(p.o.cfg.Poll)
	var asked []*lane
	for _, l := range p.o.lanes {
		due, at := l.backlog.takeDue(now)
		if !due && !at.IsZero() && at.Before(next) {
			next = at
		}
		if l.backlog.dirty.Swap(false) || due || tick {
			asked = append(asked, l)
		}
	}
	all := tick && p.checkAll.Swap(false)
	if len(asked) > 0 {
		p.look(ctx, asked)
	}
	if p.mayBehind.Load() && (tick || p.check.full) {
		more, err := p.check.look(ctx, p, now, all)
		if err != nil && ctx.Err() == nil {
			p.o.log.Warn("events behind others not looked at", zap.Error(err))
		}
		if more {
			next = now
		}
	}
	return next
}

// look claims what the lanes have room for, after one query for all of them.
func (p *poller) look(ctx context.Context, lanes []*lane) {
	finished := make([][]string, len(lanes))
	for i, l := range lanes {
		l.backlog.open.Store(false)
		finished[i] = l.backlog.takeFinished() // before the query, which tells whether anything is behind them
	}
	all, behind, err := p.o.store.waiting(ctx)
	if err != nil && ctx.Err() == nil {
		p.o.log.Warn("search for waiting events failed, the next poll tries again", zap.Error(err))
	}
	if err == nil {
		p.mayBehind.Store(behind)
	}
	for i, l := range lanes {
		if err != nil {
			l.backlog.putBackFinished(finished[i])
			l.backlog.claimFailed(err)
			l.backlog.open.Store(true)
			continue
		}
		w := all[l.storedAs()]
		if !w.behind {
			finished[i] = nil
		}
		p.lookAt(ctx, l, w, finished[i])
	}
}

// lookAt claims what l has room for. Errors are logged and tried again at the next tick.
func (p *poller) lookAt(ctx context.Context, l *lane, w waiting, finished []string) {
	more, err := p.claim(ctx, l, w, finished)
	if err != nil && ctx.Err() == nil {
		p.o.log.Warn("events not claimed yet", zap.String("subscription", l.group.Name), zap.Error(err))
		l.backlog.claimFailed(err)
		l.backlog.open.Store(true)
		return
	}
	l.backlog.claimWorked()
	if more {
		l.backlog.open.Store(true)
		if l.used.Load() < l.capacity && !p.o.budget.short.Load() {
			p.rouse(l)
		}
	}
}

// claim claims due deliveries of l, and reports whether due ones are left.
func (p *poller) claim(ctx context.Context, l *lane, w waiting, finished []string) (more bool, err error) {
	if p.due(l, w.free) {
		more, err = p.claimFree(ctx, l)
	}
	if err != nil {
		l.backlog.putBackFinished(finished)
		return false, err
	}
	moreKeyed, err := p.claimKeyed(ctx, l, p.due(l, w.keyed), finished)
	return more || moreKeyed, err
}

// due reports whether a delivery of l is due that is so after wait milliseconds, if there is one; when not yet, it is looked for
// then.
func (p *poller) due(l *lane, wait sql.NullInt64) bool {
	if wait.Valid && wait.Int64 > 0 {
		l.backlog.setDue(time.Now().Add(time.Duration(wait.Int64) * time.Millisecond))
	}
	return wait.Valid && wait.Int64 <= 0
}

// claimFree claims deliveries without key.
func (p *poller) claimFree(ctx context.Context, l *lane) (more bool, err error) {
	places := reserveUpTo(l, claimBatch)
	if places == 0 {
		return true, nil
	}
	taken, full, err := p.take(ctx, l, places, nil, false, func(ctx context.Context) ([]claimed, error) {
		return p.o.store.claim(ctx, p.o.id(), l.storedAs(), places)
	})
	if err == nil {
		return full || len(taken) == places, nil
	}
	heads, listErr := p.o.store.dueFree(ctx, l.storedAs(), places)
	if listErr != nil {
		return false, errors.Join(err, listErr)
	}
	return p.claimSingly(ctx, l, heads, map[string]bool{}, err)
}

func reserveUpTo(l *lane, n int) (places int) {
	for places < n && l.reserve() {
		places++
	}
	return places
}

// take claims with fn in a transaction, reads the events and hands them to l, which has places reserved for them, each
// under the order of its key. It gives back the places not used. What does not fit the budget stays in the database, and full
// tells that; the whole of it fails with errNoRoom.
func (p *poller) take(ctx context.Context, l *lane, places int, orders map[string]*keyState, whole bool,
	fn func(context.Context) ([]claimed, error),
) (got []claimed, full bool, err error) {
	nothingElse := l.used.Load() == int64(places)
	defer func() {
		for range places - len(got) {
			l.unreserve()
		}
	}()
	var messages map[string]*Message
	bytes := int64(0)
	err = p.o.db.InTx(ctx, func(ctx context.Context) error {
		p.o.budget.give(bytes) // of a try that did not commit
		bytes = 0
		if got, err = fn(ctx); err != nil || len(got) == 0 {
			return err
		}
		messages, full, err = p.read(ctx, l, got, nothingElse, &bytes)
		switch {
		case err != nil || !full:
			return err
		case whole && len(got) > 1:
			return errNoRoom
		}
		got, err = p.leaveRest(ctx, l, got, messages)
		return err
	})
	if err != nil {
		p.o.budget.give(bytes)
		got = nil
		p.doubt.Store(true)
		for key, order := range orders {
			p.o.releaseAll(l.forget(key, order))
		}
		return nil, full, fmt.Errorf("claim events: %w", err)
	}
	//crash:point after claim: len(got)>0
	for _, c := range got {
		m := messages[c.id]
		d := m.incoming(l, c.attempts)
		d.seq, d.token, d.order = c.seq, c.token, orders[c.key]
		d.ends, d.alone = c.ends, c.alone
		if suspicious(d.ends) {
			p.o.suspects.add(ctx, d)
			continue
		}
		p.o.deliver(l, d)
	}
	p.o.progress()
	return got, full, nil
}

// errNoRoom gives up the claim of several deliveries that do not fit the budget together.
var errNoRoom = errors.New("the deliveries do not fit the memory that events may use")

// read reads the events of claimed deliveries, as far as they fit the budget, of which it takes bytes. The first one fits if l
// has nothing else. Full tells that one did not fit; its message is nil.
func (p *poller) read(ctx context.Context, l *lane, got []claimed, nothingElse bool, bytes *int64) (messages map[string]*Message, full bool, err error) {
	ids := make([]string, len(got))
	for i := range got {
		ids[i] = got[i].id
	}
	missing := make(map[string]bool, len(got))
	for _, id := range ids {
		missing[id] = true
	}
	keep := func(m *Message) bool {
		delete(missing, m.ID())
		if full || !p.o.budget.take(m.size(), nothingElse && *bytes == 0) {
			full = true
			return false
		}
		*bytes += m.size()
		return true
	}
	if messages, err = p.o.store.events(ctx, ids, keep); err != nil {
		return nil, false, err
	}
	for _, c := range got {
		if m := unknownEvent(l, c.id, c.key, errNoEvent); missing[c.id] {
			p.o.budget.take(m.size(), true)
			*bytes += m.size()
			messages[c.id] = m
		}
	}
	return messages, full, nil
}

// leaveRest gives back what was claimed and did not fit, and returns the rest.
func (p *poller) leaveRest(ctx context.Context, l *lane, got []claimed, messages map[string]*Message) (kept []claimed, err error) {
	var rest []string
	for _, c := range got {
		if messages[c.id] != nil {
			kept = append(kept, c)
		} else {
			rest = append(rest, c.id)
		}
	}
	return kept, p.o.store.unclaim(ctx, p.o.id(), l.storedAs(), rest)
}

// chores are done at each tick, as far as they are due.
func (p *poller) chores(ctx context.Context, now time.Time) {
	if err := p.o.refresh(ctx); err != nil && ctx.Err() == nil {
		p.o.log.Warn("subscriptions of other versions not read", zap.Error(err))
	}
	if p.doubt.Swap(false) {
		p.sweepUntil = now.Add(max(p.o.cfg.Lease, 2*p.sweepAge()))
	}
	wait := fullLook
	if now.Before(p.sweepUntil) {
		wait = p.o.cfg.Lease / 2
	}
	if now.Sub(p.lastSweep) >= wait {
		p.lastSweep = now
		p.o.chore(ctx, "claims without a run not found", p.sweep)
	}
	if !now.Before(p.nextReclaim) {
		p.nextReclaim = now.Add(p.o.cfg.Lease / 2)
		p.reclaim(p.sweepAge())
	}
}
