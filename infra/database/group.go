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
	// groupWindow is the age at which nobody is let in any more.
	groupWindow = 5 * time.Millisecond
	// groupPatience is how long a transaction may hold up the commit of those before it.
	groupPatience = 100 * time.Millisecond
)

var (
	// errRegroup is the error of a transaction that was rolled back because of another one in its group, or along with
	// it; it is run again by itself.
	errRegroup = errors.New("the transaction that it shared was rolled back")
	// errPreempted is the error of the statements of a transaction that was rolled back while it ran.
	errPreempted = errors.New("the transaction was rolled back, and will be run again, since others waited for it")
)

// group is a SQLite transaction in which several transactions of this package follow each other, to share the commit and
// its sync of the disk. Whoever holds the slot is its only user; the first member runs in the transaction itself, each
// later one in a savepoint. When a member cannot be undone by itself, all are rolled back together, and each is run
// again alone. No member's InTx returns before the outcome is known, not even one that failed: what it has read may be
// rolled back.
type group struct {
	slot  *slot
	first *root
	begun time.Time
	size  int
	// members are those whose work is in, in order.
	members []*Tx
	// abort rolls all back.
	abort func()
	// err is the outcome once done is closed.
	err  error
	done chan struct{}
}

func newGroup(s *slot, first *root) *group {
	g := &group{slot: s, first: first, begun: time.Now(), size: 1, done: make(chan struct{})}
	g.abort = sync.OnceFunc(func() {
		g.first.cancel()
		_ = g.first.conn.Close() // waits for the rollback
		g.settle(errRegroup)
	})
	return g
}

// beginShared opens a transaction at the top level, or goes on in one that is passed on to it. Alone, and on
// Postgres, it shares none.
func (db *DB) beginShared(ctx context.Context, alone bool) (*Tx, error) {
	conns, err := db.open()
	if err != nil {
		return nil, err
	}
	if alone || conns.slot == nil {
		return db.begin(ctx, nil)
	}
	g, err := conns.slot.take(ctx, db.cfg.BusyTimeout, true)
	if err != nil {
		return nil, MapError(err)
	}
	if g != nil {
		return db.join(ctx, g)
	}
	tx, err := db.beginHolding(ctx, conns, conns.slot.release, nil)
	if err != nil {
		return nil, err
	}
	tx.root.group = newGroup(conns.slot, tx.root)
	return tx, nil
}

// join makes the next member of g, whose savepoint is open.
func (db *DB) join(ctx context.Context, g *group) (*Tx, error) {
	if err := ctx.Err(); err != nil {
		g.next()
		return nil, MapError(err)
	}
	r := &root{sql: g.first.sql, conn: g.first.conn, cancel: g.first.cancel, free: func() {}, leave: func() {}, group: g, joined: true}
	patience := time.AfterFunc(groupPatience, g.abort)
	watch := context.AfterFunc(ctx, g.abort)
	r.stop = sync.OnceValue(func() bool {
		inTime := patience.Stop()
		return watch() && inTime
	})
	return db.enter(ctx, r), nil
}

// next passes the transaction on to who waits for it, else it commits. Only the holder of the slot calls it, who holds
// it no longer.
func (g *group) next() {
	if g.size < groupSize && time.Since(g.begun) < groupWindow && g.slot.wanted() && g.mark() {
		g.size++
		if g.slot.pass(g) {
			return
		}
	}
	g.commit()
}

// mark opens the savepoint of the next member. It fails when a statement of the first one had failed.
func (g *group) mark() bool {
	_, err := g.first.sql.ExecContext(context.Background(), "SAVEPOINT plugboard_0")
	return err == nil
}

// commit commits for all members.
func (g *group) commit() {
	err := g.first.finish(g.first.sql.Commit)
	switch {
	case err == nil:
	case len(g.members) > 1 && violated(err):
		err = errRegroup
	default:
		err = commitError(err)
	}
	g.settle(err)
}

// violated tells whether a commit failed because of what one of its transactions has written.
func violated(err error) bool {
	fault, _ := faultOf(err)
	return fault.Kind == contract.Dangling || errors.Is(err, contract.ErrTxFailed)
}

// settle follows up on the outcome, gives the slot back, and tells the members.
func (g *group) settle(err error) {
	g.err = err
	defer close(g.done)
	defer g.first.free()
	for _, t := range g.members {
		t.root.leave()
	}
	runOutcome(g.members, err)
}

// runOutcome runs the members' hooks, in the order of the members, also when one ends the goroutine.
func runOutcome(members []*Tx, err error) {
	if len(members) == 0 {
		return
	}
	defer runOutcome(members[1:], err)
	t := members[0]
	if err == nil {
		t.afterCommit()
	} else {
		t.afterRollback(t.participants)
	}
}

// commitShared ends a member whose work stays, and waits for the commit.
func (t *Tx) commitShared() error {
	g := t.root.group
	if !t.root.stop() { // the rollback is under way
		if t.root.joined {
			return t.fail(errRegroup)
		}
		_ = t.rollback()
		return MapError(context.Cause(t.ctx))
	}
	if t.root.joined {
		if err := t.perform("RELEASE SAVEPOINT plugboard_0"); err != nil {
			return t.fail(err)
		}
	}
	t.end()
	t.root.seal()
	g.members = append(g.members, t)
	g.next()
	<-g.done // bounded by groupPatience and the commit's own time
	return g.err
}

// fail rolls t back. In a group it returns err once what t has read is known to be stored.
func (t *Tx) fail(err error) error {
	err = errors.Join(err, t.rollback())
	if !t.root.joined {
		return err
	}
	<-t.root.group.done
	if t.root.group.err != nil && t.ctx.Err() == nil {
		return errRegroup
	}
	return err
}

// withdraw undoes a member that is not the first of its group.
func (t *Tx) withdraw() {
	g, next := t.root.group, t.root.group.next
	t.root.seal()
	if !t.root.stop() || t.perform("ROLLBACK TO SAVEPOINT plugboard_0") != nil || t.perform("RELEASE SAVEPOINT plugboard_0") != nil {
		g.abort()
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

// seal waits for the statements that run, in goroutines that should not have the context, and refuses further ones:
// they would land in the next member's work.
func (r *root) seal() {
	r.use.Lock()
	r.sealed = true
	r.use.Unlock()
}

// using starts a statement, which done ends.
func (t *Tx) using() (done func(), err error) {
	r := t.root
	if mistake := r.mistake.Load(); mistake != nil {
		return nil, *mistake
	}
	if r.group == nil {
		return func() {}, nil
	}
	r.use.RLock()
	if r.sealed {
		r.use.RUnlock()
		return nil, errTxEnded
	}
	return r.use.RUnlock, nil
}
