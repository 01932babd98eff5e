package eventbus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"plugboard/app"
)

const (
	// suspectAfter is after how many ends of processes in a row a delivery that they had claimed is a suspect.
	suspectAfter = 2
	// guiltyAfter is after how many of them in which it was begun as a suspect it is dead: the first time among others,
	// then by itself. Several, since what ends a process may also be an operator, or an event that is not suspected yet.
	guiltyAfter = 4
)

// suspicious reports whether a delivery is a suspect that so many processes in a row had claimed which ended.
func suspicious(ends int16) bool { return ends >= suspectAfter }

// errProcessEnded is the error of a delivery that is dead since processes end with it.
var errProcessEnded = fmt.Errorf("%d processes in a row ended, or hung, while its handler ran, at last by itself", guiltyAfter)

// suspects are claimed deliveries of which earlier claims ended with their processes, maybe by their handlers. Most are
// innocent, since a process that ends takes all that it has claimed along. So few of them run at a time in the whole
// process, and each is counted in the database before it begins, so that the next process knows which they were. Of those,
// one runs at a time, after the others.
type suspects struct {
	o *Outbox

	mu      sync.Mutex
	changed sync.Cond // tells of whatever may let another one begin, and of the close
	waiting []*Incoming
	running map[*Incoming]*time.Timer
	// begun tells that run runs, and taken is the one it has that is neither waiting nor with its lane, or nil.
	begun  bool
	taken  *Incoming
	closed bool
	over   sync.WaitGroup
	// calm is when those may begin that run by themselves.
	calm  time.Time
	timer *time.Timer
}

const (
	// suspectsAtATime is how many run that were not begun yet when a process ended.
	suspectsAtATime = 16
	// calmPolls is for how many polls a process has run before suspects run by themselves in it. One that is killed for
	// other reasons, again and again, then hardly ever finds one of them at work.
	calmPolls = 5
	// overtime is how long after its timeout a suspect's end is waited for, before another one begins all the same.
	overtime = time.Second
	// countTimeout bounds the statement that counts the begin of a suspect.
	countTimeout = 5 * time.Second
)

func newSuspects(o *Outbox) *suspects {
	s := &suspects{o: o, running: make(map[*Incoming]*time.Timer)}
	s.changed.L = &s.mu
	return s
}

// start begins the time until suspects may run by themselves.
func (s *suspects) start() {
	wait := calmPolls * s.o.cfg.Poll
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calm = time.Now().Add(wait)
	s.timer = time.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed.Broadcast()
	})
}

// add takes a suspect, whose place in its lane is reserved.
func (s *suspects) add(ctx context.Context, d *Incoming) {
	s.o.poller.hold(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.o.settler.add(op{kind: opRelease, d: d})
		return
	}
	s.waiting = append(s.waiting, d)
	s.changed.Broadcast()
	if !s.begun {
		s.begun = true
		s.over.Go(func() { s.run(ctx) })
	}
}

// run has the suspects run until none is left.
func (s *suspects) run(ctx context.Context) {
	for d := s.next(); d != nil; d = s.next() {
		if d.alone >= guiltyAfter {
			s.o.settled(d, &handlerError{app.Permanent(errProcessEnded)})
		} else {
			s.begin(ctx, d)
		}
		s.mu.Lock()
		s.taken = nil
		s.changed.Broadcast()
		s.mu.Unlock()
	}
}

// next waits until another one may begin, and takes it. It returns nil when none is left, or may begin any more.
func (s *suspects) next() *Incoming {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && len(s.waiting) > 0 {
		// Who was begun least: processes that end for other reasons then count evenly, and what ends them is last.
		d := slices.MinFunc(s.waiting, func(x, y *Incoming) int { return cmp.Compare(x.alone, y.alone) })
		if s.mayRun(d) {
			i := slices.Index(s.waiting, d)
			s.waiting = slices.Delete(s.waiting, i, i+1)
			s.taken = d
			return d
		}
		s.changed.Wait()
	}
	s.begun = false
	return nil
}

// mayRun reports whether d may begin beside what runs. The caller holds the lock.
func (s *suspects) mayRun(d *Incoming) bool {
	switch {
	case d.alone >= guiltyAfter:
		return true
	case d.alone > 0 && time.Now().Before(s.calm):
		return false
	case len(s.running) == 0:
		return true
	case d.alone > 0 || len(s.running) >= suspectsAtATime:
		return false
	}
	for other := range s.running { // all of them, or the only one
		return other.alone == 0
	}
	return true
}

// begin counts the begin of d and hands it to its lane.
func (s *suspects) begin(ctx context.Context, d *Incoming) {
	limit, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	mine, err := s.o.store.countBegin(limit, d)
	switch {
	case err != nil:
		s.o.settled(d, errors.Join(errNotBegun, err))
	case !mine:
		s.o.settled(d, errTaken)
	default:
		s.mu.Lock()
		s.running[d] = time.AfterFunc(d.lane.group.Timeout+overtime, func() { s.ended(d) })
		s.mu.Unlock()
		s.o.deliver(d.lane, d)
	}
}

// written tells that the outcome of a delivery is in the database. One that begins then and ends the process is not
// confused with it.
func (s *suspects) written(d *Incoming) {
	if suspicious(d.ends) {
		s.ended(d)
	}
}

func (s *suspects) ended(d *Incoming) {
	s.mu.Lock()
	defer s.mu.Unlock()
	timer, ok := s.running[d]
	if !ok {
		return
	}
	timer.Stop()
	delete(s.running, d)
	s.changed.Broadcast()
}

// has notes in runs the suspects that wait or are about to begin; those that run are with their lanes.
func (s *suspects) has(runs map[*Incoming]struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.waiting {
		runs[d] = struct{}{}
	}
	if s.taken != nil {
		runs[s.taken] = struct{}{}
	}
}

// close begins no further suspect and returns those that have not begun. Those that run are their lanes' to wait for.
func (s *suspects) close() []*Incoming {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.timer.Stop()
	left := s.waiting
	s.waiting = nil
	s.changed.Broadcast()
	for s.taken != nil { // for countTimeout at most
		s.changed.Wait()
	}
	return left
}
