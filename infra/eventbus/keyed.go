package eventbus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// readyPage is how many due deliveries with a key are looked at in one query.
	readyPage = 512
	// finishLinger is how long the end of a delivery with a key may wait until the next one of the key is looked for, so that
	// one query serves many. There is hardly ever a next one that this process does not know of already.
	finishLinger = 50 * time.Millisecond
)

// working reports whether the lane has a delivery of key.
func (l *lane) working(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ks, ok := l.keys[key]
	return ok && (ks.busy || len(ks.waiting) > 0)
}

// finish notes that the last delivery of key that l had has ended: the poller looks for the next one.
func (p *poller) finish(l *lane, key string) {
	if !p.o.store.postgres && !p.mayBehind.Load() {
		return // nobody else claims, and nothing is behind another
	}
	b := &l.backlog
	b.mu.Lock()
	first := len(b.finished) == 0
	b.finished = append(b.finished, key)
	b.mu.Unlock()
	switch {
	case b.deep.Load():
		p.rouse(l)
	case first:
		p.open(l, finishLinger)
	}
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

// claimKeyed claims the first deliveries of keys: of those that have something due, and of finished ones. What it finds behind
// another it notes as such. It reports whether to go on.
func (p *poller) claimKeyed(ctx context.Context, l *lane, due bool, finished []string) (more bool, err error) {
	if !due && len(finished) == 0 {
		l.backlog.deep.Store(false)
		return false, nil
	}
	if l.used.Load() >= l.capacity {
		l.backlog.putBackFinished(finished)
		return true, nil
	}
	var found []ready
	if due {
		found, err = p.o.store.ready(ctx, l.storedAs(), readyPage)
	}
	if err == nil {
		more, err = p.claimKeys(ctx, l, finished[:min(len(finished), readyPage)], found)
	}
	if err != nil {
		l.backlog.putBackFinished(finished)
		return false, fmt.Errorf("claim ordered events: %w", err)
	}
	if len(finished) > readyPage {
		l.backlog.putBackFinished(finished[readyPage:])
		more = true
	}
	return more, nil
}

// claimKeys claims the first deliveries of the finished keys and of those that something was found of.
func (p *poller) claimKeys(ctx context.Context, l *lane, finished []string, found []ready) (more bool, err error) {
	keys := slices.Clone(finished)
	for _, d := range found {
		keys = append(keys, d.key)
	}
	slices.Sort(keys)
	heads, err := p.o.store.heads(ctx, l.storedAs(), slices.Compact(keys), l.group.Block)
	if err != nil {
		return false, err
	}
	var due []head
	var hidden []string
	for _, h := range heads {
		if h.state != "pending" {
			continue
		}
		if h.behind {
			hidden = append(hidden, h.id)
		}
		if h.wait > 0 {
			p.open(l, time.Duration(h.wait)*time.Millisecond)
		} else {
			due = append(due, h)
		}
	}
	taken := make(map[string]bool)
	full, err := p.claimHeads(ctx, l, due, taken)
	if err != nil {
		return false, err
	}
	hidden = slices.DeleteFunc(hidden, func(id string) bool { return taken[id] })
	if len(hidden) > 0 {
		if _, err := p.o.store.setReady(ctx, l.storedAs(), hidden); err != nil {
			return false, err
		}
	}
	set, err := p.setBehind(ctx, l, heads, found, taken)
	if err != nil {
		return false, err
	}
	progress := len(taken) > 0 || set > 0
	l.backlog.deep.Store(progress)
	return full || progress && len(found) == readyPage, nil
}

// setBehind notes what was found and is neither the first of its key nor claimed now.
func (p *poller) setBehind(ctx context.Context, l *lane, heads []head, found []ready, taken map[string]bool) (int64, error) {
	first := make([]string, len(heads))
	for i, h := range heads {
		first[i] = h.id
	}
	slices.Sort(first)
	var behind []string
	for _, d := range found {
		if _, ok := slices.BinarySearch(first, d.id); !ok && !taken[d.id] {
			behind = append(behind, d.id)
		}
	}
	if len(behind) == 0 {
		return 0, nil
	}
	p.mayBehind.Store(true) // before it is so
	var n int64
	err := p.o.db.InTx(ctx, func(ctx context.Context) (err error) {
		n, err = p.o.store.setBehind(ctx, l.storedAs(), first, behind, l.group.Block)
		return err
	})
	return n, err
}

// claimHeads claims the first deliveries of keys, of a few keys with those that follow, and notes in taken which. It reports
// whether l was full.
func (p *poller) claimHeads(ctx context.Context, l *lane, due []head, taken map[string]bool) (full bool, err error) {
	if len(due) > fewKeys {
		return p.claimPage(ctx, l, due, taken)
	}
	for _, h := range due {
		wasFull, err := p.claimHead(ctx, l, h, taken)
		if err != nil {
			return full, err
		}
		full = full || wasFull
	}
	return full, nil
}

// behindCheck looks whether what is noted as behind another still is. All of it is looked at when the process starts; when another
// has died or stopped, maybe before it could look for the next of a key; and, again and again, as long as a process of a
// version before this one runs, which never looks. A small page is looked at each minute besides, for whatever
// nobody thought of.
type behindCheck struct {
	// full tells that all is being looked at, from the place at on.
	full bool
	at   place
	last time.Time
}

const (
	behindEvery    = time.Minute
	behindPage     = 500
	behindFewAtEnd = 100
)

// look looks at the next page, if it is time, and reports whether there is more to look at now.
func (c *behindCheck) look(ctx context.Context, p *poller, now time.Time, all bool) (more bool, err error) {
	if all && !c.full {
		c.full, c.at = true, place{}
	}
	limit := behindPage
	if !c.full {
		limit = behindFewAtEnd
		if now.Sub(c.last) < behindEvery {
			return false, nil
		}
	}
	c.last = now
	var blocking []string
	for _, l := range p.o.lanes {
		if l.group.Block {
			blocking = append(blocking, l.storedAs())
		}
	}
	freed, last, more, err := p.o.store.freed(ctx, c.at, blocking, limit)
	if err != nil {
		return false, fmt.Errorf("look at what is behind: %w", err)
	}
	for name, ids := range freed {
		l := p.o.laneOf(name)
		if l == nil {
			continue
		}
		if _, err := p.o.store.setReady(ctx, name, ids); err != nil {
			return false, fmt.Errorf("note what is ready: %w", err)
		}
		p.open(l, 0)
	}
	c.at = last
	if !more {
		c.full, c.at = false, place{}
	}
	return c.full, nil
}

// fewKeys is up to how many keys have several of their deliveries claimed at once; of more, the first of each is.
const fewKeys = 32

// claimPage claims the first delivery of each key, and notes in taken which. It reports whether l was full.
func (p *poller) claimPage(ctx context.Context, l *lane, heads []head, taken map[string]bool) (full bool, err error) {
	if full, err = p.claimThese(ctx, l, heads, taken); err != nil {
		return p.claimSingly(ctx, l, heads, taken, err)
	}
	return full, nil
}

// claimThese claims deliveries, of each key its first one, and notes in taken which. It reports whether l was full.
func (p *poller) claimThese(ctx context.Context, l *lane, heads []head, taken map[string]bool) (full bool, err error) {
	places := reserveUpTo(l, len(heads))
	orders := make(map[string]*keyState, places)
	ids := make([]string, 0, places)
	for _, h := range heads[:places] {
		if h.key == "" {
			ids = append(ids, h.id)
		} else if order := l.adopt(h.key, h.seq, h.seq); order != nil {
			orders[h.key] = order
			ids = append(ids, h.id)
		}
	}
	keys := make(map[string]bool, len(ids))
	got, short, err := p.take(ctx, l, places, orders, false, func(ctx context.Context) ([]claimed, error) {
		return p.o.store.claimHeads(ctx, p.o.id(), l.storedAs(), ids)
	})
	for _, c := range got {
		keys[c.key], taken[c.id] = true, true
	}
	for key, order := range orders {
		if !keys[key] { // another process was faster
			p.o.releaseAll(l.forget(key, order))
		}
	}
	return short || places < len(heads), err
}

// claimHead claims a run of deliveries of one key, and notes in taken which. It reports whether l was full.
func (p *poller) claimHead(ctx context.Context, l *lane, h head, taken map[string]bool) (full bool, err error) {
	places := reserveUpTo(l, chain)
	if places == 0 {
		return true, nil
	}
	orders := make(map[string]*keyState, 1)
	run, _, err := p.take(ctx, l, places, orders, true, func(ctx context.Context) ([]claimed, error) {
		if order := orders[h.key]; order != nil { // of a try that did not commit
			p.o.releaseAll(l.forget(h.key, order))
		}
		got, err := p.o.store.claimKey(ctx, p.o.id(), l.storedAs(), h.key, h.seq, places, l.group.Block)
		if err != nil || len(got) == 0 {
			return nil, err
		}
		order := l.adopt(h.key, h.seq, h.seq+int64(len(got))-1)
		if order == nil {
			return nil, errBusyKey
		}
		orders[h.key] = order
		return got, nil
	})
	switch {
	case errors.Is(err, errBusyKey):
		return false, nil
	case errors.Is(err, errNoRoom):
		return p.claimPage(ctx, l, []head{h}, taken)
	case err != nil:
		return p.claimSingly(ctx, l, []head{h}, taken, err)
	}
	for _, c := range run {
		taken[c.id] = true
	}
	return false, nil
}
