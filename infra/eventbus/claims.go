package eventbus

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"
)

// hold notes that this process has claimed d; drop notes that the outcome of d is in the database.
func (p *poller) hold(d *Incoming) {
	b := &d.lane.backlog
	b.mu.Lock()
	b.held[d.ID()] = d
	b.mu.Unlock()
}

func (p *poller) drop(d *Incoming) {
	b := &d.lane.backlog
	b.mu.Lock()
	if b.held[d.ID()] == d { // not of a later claim
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

func (b *backlog) claims() []*Incoming {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.held))
}

// sweepAge is how long a claim without a run stays, in case its run is about to begin.
func (p *poller) sweepAge() time.Duration { return p.o.cfg.Lease / 6 }

// Claims without a run are looked for in two places, since nobody else would ever handle such an event as long as this process
// lives: sweep reads what it has claimed according to the database, reclaim looks at its own list.

// sweep gives back what this process has claimed according to the database and does not know of: the outcome of a commit
// may have been lost with the connection.
func (p *poller) sweep(ctx context.Context) error {
	age := p.sweepAge()
	owned, err := p.o.store.owned(ctx, p.o.id(), age)
	if err != nil {
		return err
	}
	for _, d := range owned {
		l := p.o.laneOf(d.storedAs())
		if l == nil || l.backlog.holds(d.ID()) {
			continue
		}
		if _, err := p.o.store.release(ctx, d, 0); err != nil {
			return err
		}
		p.noteLost(l, d)
		p.open(l, 0)
	}
	return nil
}

// reclaim compares the list of claims with what this process is really at work on, and gives back what has been found without
// a run twice, age apart.
func (p *poller) reclaim(age time.Duration) {
	now, runs, lost := time.Now(), p.o.runs(), make(map[*Incoming]time.Time)
	for _, l := range p.o.lanes {
		without := int64(0)
		for _, d := range l.backlog.claims() {
			if _, ok := runs[d]; ok {
				continue
			}
			since, known := p.lost[d]
			if known && now.Sub(since) >= age {
				p.noteLost(l, d)
				p.o.releaseAll(append(l.drop(d), d))
				continue
			}
			if !known {
				since = now
			}
			lost[d] = since
			without++
		}
		l.backlog.lost.Store(without)
		for _, d := range l.unstick(age) {
			p.noteLost(l, d)
			p.o.releaseAll([]*Incoming{d})
		}
	}
	p.lost = lost
	if len(lost) > 0 {
		p.nextReclaim = now.Add(age)
	}
}

// noteLost counts a claim without a run and logs it.
func (p *poller) noteLost(l *lane, d *Incoming) {
	l.backlog.found.Add(1)
	p.o.log.Warn("an event was claimed by this process and nothing ran it; it is given back",
		zap.String("subscription", l.group.Name), zap.String("event", d.ID()))
}

// runs returns the deliveries that this process is at work on: with a lane, held back as a suspect, in a transaction, or
// with an outcome that is yet to be written. One that moves from one to the next may be missing.
func (o *Outbox) runs() map[*Incoming]struct{} {
	runs := make(map[*Incoming]struct{})
	o.suspects.has(runs)
	for _, l := range o.lanes {
		l.has(runs)
	}
	o.settler.has(runs)
	return runs
}
