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
	// groupSize is the most transactions in a group.
	groupSize = 32
	// groupWindow is the age at which a group takes no further members.
	groupWindow = 5 * time.Millisecond
	// groupPatience is how long a later member may run, since the members before it wait for the commit. Then the group is rolled
	// back. A statement that runs at that moment is not interrupted: the rollback waits for it.
	groupPatience = 100 * time.Millisecond
)

var (
	// errRetryAlone is the error of a member whose group was rolled back. [DB.attempts] runs it again in a transaction of its own.
	errRetryAlone = errors.New("the transaction that it shared with others was rolled back")
	// errPreempted is the error of a statement in a member that was rolled back after groupPatience.
	errPreempted = errors.New("the transaction took too long while others waited for its commit; it was rolled back and runs again")
)

// shared is a unit that is a member of a group. The first member opens the transaction of the database. Each later member works in a
// savepoint of that transaction.
type shared struct {
	group *group
	later bool // not the first member
}

// group is one SQLite transaction that several members use one after the other. They share its commit, and so the sync of the disk.
// Only the holder of the writer lock uses the group, and passes both on to the next member. If a member cannot be undone by itself,
// all members are rolled back, and each runs again alone. No InTx returns before the outcome of the group is known. This holds for a
// failed member too: it may have read the work of the others, which may be rolled back.
//
// The end of a member: end marks the Tx, seal refuses further statements, next passes the group on or commits, settle makes the outcome
// known. abort rolls the whole group back instead.
type group struct {
	lock   *writerLock
	txConn *txConn
	begun  time.Time
	size   int
	// finished are the members whose work is done, in order.
	finished []*Tx
	// abort rolls back the work of all members.
	abort func()
	// err is the outcome once done is closed.
	err  error
	done chan struct{}
}

func newGroup(lock *writerLock, s *txConn) *group {
	g := &group{lock: lock, txConn: s, begun: time.Now(), size: 1, done: make(chan struct{})}
	g.abort = sync.OnceFunc(func() {
		s.cancel()
		_ = s.conn.Close() // waits for the rollback
		g.settle(errRetryAlone)
	})
	return g
}

// begin waits for the writer lock. If the lock comes with a group, t joins the group; otherwise t begins a group.
func (s *shared) begin(ctx context.Context, t *Tx) error {
	conns, err := t.db.connections()
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
	if t.root, err = t.db.openTxConn(ctx, conns, conns.lock.release, nil); err != nil {
		return err
	}
	s.group = newGroup(conns.lock, t.root.txConn)
	return nil
}

// join makes t the next member of its group. The member before it has opened the savepoint.
func (s *shared) join(ctx context.Context, t *Tx) error {
	g := s.group
	if err := ctx.Err(); err != nil {
		g.next()
		return MapError(err)
	}
	patience := time.AfterFunc(groupPatience, g.abort)
	unhook := context.AfterFunc(ctx, g.abort)
	t.root = &root{txConn: g.txConn, preemptible: true, stop: sync.OnceValue(func() bool {
		inTime := patience.Stop()
		return unhook() && inTime
	})}
	return nil
}

// next passes the group and the writer lock on to the next waiter. If there is none, or the group is full or too old, it commits and
// releases the lock. Its caller has the lock, and must not write afterwards.
func (g *group) next() {
	if g.size < groupSize && time.Since(g.begun) < groupWindow && g.lock.wanted() && g.openSavepoint() {
		g.size++
		if g.lock.handOver(g) {
			return
		}
	}
	err := g.txConn.finish(g.txConn.sql.Commit)
	if len(g.finished) > 1 && violated(err) {
		err = errRetryAlone
	} else {
		err = commitError(err)
	}
	g.settle(err)
}

// openSavepoint opens the savepoint for the next member. It reports false if that fails, as it does after a failed statement of the
// first member, which has no savepoint of its own.
func (g *group) openSavepoint() bool {
	_, err := g.txConn.sql.ExecContext(context.Background(), "SAVEPOINT plugboard_0")
	return err == nil
}

// violated is true if a commit failed because of the work of one member: a foreign key that is checked late, or a failed statement. The
// other members are not at fault.
func violated(err error) bool {
	fault, _ := faultOf(err)
	return fault.Kind == contract.Dangling || errors.Is(err, contract.ErrTxFailed)
}

// settle makes the outcome known: it tells the participants, gives back the connection and the writer lock, and then wakes the members.
func (g *group) settle(err error) {
	g.err = err
	defer close(g.done)
	defer g.txConn.free()
	for _, t := range g.finished {
		t.root.leave()
	}
	tellAll(g.finished, err)
}

// tellAll tells the participants of all members the outcome, member by member. A participant that ends the goroutine does not keep it
// from the others, because the next call is deferred.
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
	g.finished = append(g.finished, t)
	g.next()
	<-g.done // soon: later members have groupPatience and the statement that runs then, the commit has commitTimeout
	return g.err
}

// rollback undoes t alone. It returns after the outcome of the group is known, because t may have read what the group has written.
func (s *shared) rollback(t *Tx, cause error) error {
	if !s.later {
		return own{}.rollback(t, cause) // t is the only member so far
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

// perform runs a statement about the member's savepoint. It ignores t.ctx: the statement must run even if that context has ended.
func (t *Tx) perform(query string) error {
	_, err := t.root.sql.ExecContext(context.Background(), query)
	return MapError(err)
}

// seal refuses further statements and waits for those that run. A goroutine that a member has left behind may still use the member's
// context; its statements would become part of the next member's work.
func (r *root) seal() {
	r.gate.Lock()
	r.sealed = true
	r.gate.Unlock()
}
