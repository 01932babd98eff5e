package database

import (
	"context"
	"errors"
	"sync"
	"time"

	"plugboard/infra/database/internal/contract"
)

// Bounds of the transactions that share a commit.
const (
	// groupSize is the most transactions that share one.
	groupSize = 32
	// groupWindow is the age at which a group takes no further members.
	groupWindow = 5 * time.Millisecond
	// groupPatience is how long a transaction may hold up the commit of those before it.
	groupPatience = 100 * time.Millisecond
)

var (
	// errRetryAlone is the error of a transaction that was rolled back because of another one in its group, or along with
	// it; it is run again by itself.
	errRetryAlone = errors.New("the transaction that it shared was rolled back")
	// errPreempted is the error of the statements of a transaction that was rolled back while it ran.
	errPreempted = errors.New("the transaction was rolled back, and will be run again, since others waited for it")
)

// shared is a transaction in a group. Its first member opens the transaction of the database; each later one goes on in that,
// in a savepoint.
type shared struct {
	group *group
	later bool // not the first member
}

// group is a SQLite transaction in which several transactions of this package follow each other, to share the commit and
// its sync of the disk. Only the holder of the writer lock uses it. When a member cannot be undone by itself, all are rolled
// back together, and each is run again alone. No member's InTx returns before the outcome is known, not even one that failed:
// what it has read may be rolled back.
type group struct {
	lock    *writerLock
	session *session
	begun   time.Time
	size    int
	// members are those whose work is in, in order.
	members []*Tx
	// abort rolls all back.
	abort func()
	// err is the outcome once done is closed.
	err  error
	done chan struct{}
}

func newGroup(lock *writerLock, s *session) *group {
	g := &group{lock: lock, session: s, begun: time.Now(), size: 1, done: make(chan struct{})}
	g.abort = sync.OnceFunc(func() {
		s.cancel()
		_ = s.conn.Close() // waits for the rollback
		g.settle(errRetryAlone)
	})
	return g
}

// begin waits for the writer lock and, when a group comes with it, joins that.
func (s *shared) begin(ctx context.Context, t *Tx) error {
	conns, err := t.db.open()
	if err != nil {
		return err
	}
	if s.group, err = conns.lock.take(ctx, t.db.cfg.BusyTimeout, true); err != nil {
		return MapError(err)
	}
	if s.group != nil {
		s.later = true
		return s.join(ctx, t)
	}
	if t.root, err = t.db.openSession(ctx, conns, conns.lock.release, nil); err != nil {
		return err
	}
	s.group = newGroup(conns.lock, t.root.session)
	return nil
}

// join makes t the next member, whose savepoint is open.
func (s *shared) join(ctx context.Context, t *Tx) error {
	g := s.group
	if err := ctx.Err(); err != nil {
		g.next()
		return MapError(err)
	}
	patience := time.AfterFunc(groupPatience, g.abort)
	unhook := context.AfterFunc(ctx, g.abort)
	t.root = &root{session: g.session, preemptible: true, stop: sync.OnceValue(func() bool {
		inTime := patience.Stop()
		return unhook() && inTime
	})}
	return nil
}

// next hands the transaction over to the next waiter, else it commits. Its caller held the writer lock and does no longer.
func (g *group) next() {
	if g.size < groupSize && time.Since(g.begun) < groupWindow && g.lock.wanted() && g.openSavepoint() {
		g.size++
		if g.lock.handOver(g) {
			return
		}
	}
	err := g.session.finish(g.session.sql.Commit)
	if len(g.members) > 1 && violated(err) {
		err = errRetryAlone
	} else {
		err = commitError(err)
	}
	g.settle(err)
}

// openSavepoint opens the savepoint of the next member. It fails when a statement of the first one had failed.
func (g *group) openSavepoint() bool {
	_, err := g.session.sql.ExecContext(context.Background(), "SAVEPOINT plugboard_0")
	return err == nil
}

// violated tells whether a commit failed because of what one of its transactions has written.
func violated(err error) bool {
	fault, _ := faultOf(err)
	return fault.Kind == contract.Dangling || errors.Is(err, contract.ErrTxFailed)
}

// settle follows up on the outcome, gives the writer lock back, and tells the members.
func (g *group) settle(err error) {
	g.err = err
	defer close(g.done)
	defer g.session.free()
	for _, t := range g.members {
		t.root.leave()
	}
	tellAll(g.members, err)
}

// tellAll tells the participants of all members the outcome, in the order of the members, also when one ends the goroutine.
func tellAll(members []*Tx, err error) {
	if len(members) > 0 {
		defer tellAll(members[1:], err)
		members[0].tell(err)
	}
}

// commit adds t's work to the group, and waits for the group's commit.
func (s *shared) commit(t *Tx) error {
	if !t.root.stop() { // the rollback is under way
		if s.later {
			return t.rollback(errRetryAlone)
		}
		_ = t.rollback(nil)
		return MapError(context.Cause(t.ctx))
	}
	if s.later {
		if err := t.perform("RELEASE SAVEPOINT plugboard_0"); err != nil {
			return t.rollback(err)
		}
	}
	t.end()
	t.root.seal()
	g := s.group
	g.members = append(g.members, t)
	g.next()
	<-g.done // bounded by groupPatience and the commit's own time
	return g.err
}

// rollback undoes t alone. It returns once it is known whether what t has read is stored.
func (s *shared) rollback(t *Tx, cause error) error {
	if !s.later {
		return own{}.rollback(t, cause) // nobody has joined yet
	}
	if !t.end() {
		return cause
	}
	s.rollbackMember(t)
	<-s.group.done
	if s.group.err != nil && t.ctx.Err() == nil {
		return errRetryAlone
	}
	return cause
}

// rollbackMember undoes what t has done in its savepoint. When that fails, the whole group is rolled back.
func (s *shared) rollbackMember(t *Tx) {
	next := s.group.next
	t.root.seal()
	if !t.root.stop() || t.perform("ROLLBACK TO SAVEPOINT plugboard_0") != nil || t.perform("RELEASE SAVEPOINT plugboard_0") != nil {
		s.group.abort()
		next = func() {}
	}
	t.root.leave()
	defer next()
	t.afterRollback(t.participants)
}

// perform runs a statement about the member's savepoint, which its own end must not cut short.
func (t *Tx) perform(query string) error {
	_, err := t.root.sql.ExecContext(context.Background(), query)
	return MapError(err)
}

// seal waits for the statements that run in goroutines that should not have the context, and refuses further ones: those
// would land in the next member's work.
func (r *root) seal() {
	r.gate.Lock()
	r.sealed = true
	r.gate.Unlock()
}
