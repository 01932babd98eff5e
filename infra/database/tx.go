package database

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"plugboard/app"
	"plugboard/infra/database/internal/pgx"
)

type txKey struct{}

// Tx is an open transaction, or a savepoint of one. It travels in the context that [DB.InTx] gives its function,
// and is for use by one goroutine.
type Tx struct {
	db     *DB
	root   *root
	outer  *Tx // the transaction of another database, if the context carries one as well
	parent *Tx // what the savepoint is in; nil for a whole transaction
	unit   unit
	level  int
	ended  atomic.Bool
	// ctx is the context that carries this Tx.
	ctx context.Context //nolint:containedctx // GORM's Commit and Rollback, and the end of a transaction, get no context

	mu           sync.Mutex // guards the rest
	participants []attachment
	savepoints   []gormSavepoint
}

// unit is how a Tx begins and ends in the database: in a transaction of its own ([own]), in one that it shares with others
// ([shared]), or in a savepoint ([nested]).
type unit interface {
	// begin opens the unit for t and sets t.root. ctx is the caller's.
	begin(ctx context.Context, t *Tx) error
	// commit ends t and keeps its work. After an error the work is undone, with one exception: if the error matches
	// contract.ErrCommitUnknown, nobody knows whether the work was stored.
	commit(t *Tx) error
	// rollback ends t and undoes its work. It does nothing if t has ended. It returns the error for the caller: cause, joined with an
	// error of the rollback itself. A shared unit returns errRetryAlone instead if its group was rolled back.
	rollback(t *Tx, cause error) error
}

// root is what a transaction and its savepoints have in common.
type root struct {
	*txConn
	// current is the innermost open savepoint, or the transaction itself; nil once the transaction has ended.
	current atomic.Pointer[Tx]
	// stop ends the watch over the caller's context: from now on its end does not roll back. It reports false if the rollback has
	// begun already.
	stop func() bool
	// leave tells the [app.Call] of the context that the transaction has ended.
	leave func()
	// commitForbidden, once set, is why the transaction must not be committed, whatever the transaction's function returns.
	commitForbidden atomic.Pointer[error]

	preemptible bool         // the group may roll the transaction back while it runs
	gate        sync.RWMutex // read-locked by each statement while it runs
	sealed      bool         // no further statement may begin; guarded by gate
}

// TxFrom returns the open transaction of ctx, the innermost savepoint if there are any. It reports false outside a
// transaction and when the transaction has ended.
func TxFrom(ctx context.Context) (*Tx, bool) {
	tx, ok := ctx.Value(txKey{}).(*Tx)
	if !ok || tx == nil || tx.ended.Load() {
		return nil, false
	}
	return tx, true
}

// Join returns the transaction of ctx; nil if ctx carries none. It fails where a statement with ctx would fail: if a savepoint is open
// within the transaction of ctx, or if ctx is from outside the transaction that is open here. The rollback of that savepoint or
// transaction would not undo what the caller does.
func Join(ctx context.Context) (*Tx, error) {
	if tx, ok := TxFrom(ctx); ok {
		return tx, tx.check()
	}
	if call := app.CallFrom(ctx); call != nil && call.InTx() {
		return nil, errOuterContext
	}
	return nil, nil //nolint:nilnil // neither is there
}

// InTransaction reports whether ctx is that of a transaction, or from outside of one that is open in the same call. What waits for another
// service must not run then, since the database waits with it.
func InTransaction(ctx context.Context) bool {
	tx, err := Join(ctx)
	return tx != nil || err != nil
}

// WithoutTx returns a context without a transaction. Its statements run alone.
func WithoutTx(ctx context.Context) context.Context {
	return context.WithValue(ctx, txKey{}, (*Tx)(nil))
}

// txOf returns ctx's transaction of this database, which may have ended, or nil.
func (db *DB) txOf(ctx context.Context) *Tx {
	tx, _ := ctx.Value(txKey{}).(*Tx)
	for tx != nil && tx.db != db {
		tx = tx.outer
	}
	return tx
}

// check returns nil if statements may join t now, else an error that says why not.
func (t *Tx) check() error {
	switch {
	case t.root.current.Load() == t:
		return nil
	case t.ended.Load():
		return errTxEnded
	default:
		return errOuterContext
	}
}

// begin opens a transaction, or a savepoint in parent if there is one.
func (db *DB) begin(ctx context.Context, parent *Tx, u unit) (*Tx, error) {
	t := &Tx{db: db, parent: parent, unit: u}
	if parent != nil {
		t.outer, t.level = parent.outer, parent.level+1
	} else {
		t.outer, _ = ctx.Value(txKey{}).(*Tx)
	}
	t.ctx = context.WithValue(ctx, txKey{}, t)
	if err := u.begin(ctx, t); err != nil {
		return nil, err
	}
	if parent == nil {
		t.root.leave = func() {}
		if call := app.CallFrom(ctx); call != nil {
			t.root.leave = call.EnterTx()
		}
	}
	t.root.current.Store(t)
	return t, nil
}

// commit ends t and keeps its work. If t is a whole transaction, it calls the participants first.
func (t *Tx) commit() (err error) {
	if t.parent != nil {
		return t.unit.commit(t)
	}
	_, end := t.db.span(t.ctx, "COMMIT", "")
	defer func() { end(err) }()
	if err := t.beforeCommit(); err != nil {
		return t.rollback(err)
	}
	if reason := t.root.commitForbidden.Load(); reason != nil {
		return t.rollback(*reason)
	}
	return t.unit.commit(t)
}

// rollback ends t and undoes its work. It returns the error for the caller; see unit.
func (t *Tx) rollback(cause error) error { return t.unit.rollback(t, cause) }

// end marks t as ended, and the savepoints in it that are still open. It reports whether t was open. Nobody released those savepoints,
// so their participants move to t with AfterRollback alone.
func (t *Tx) end() bool {
	if t.ended.Swap(true) {
		return false
	}
	for tx := t.root.current.Load(); tx != nil && tx != t; tx = tx.parent {
		tx.ended.Store(true)
		for _, a := range tx.participants {
			t.Attach(nil, Participant{AfterRollback: a.AfterRollback})
		}
	}
	t.root.current.Store(t.parent)
	return true
}

// ExecLast makes a statement the last one of the transaction. On Postgres the statement is sent together with COMMIT, in one round trip;
// if it fails, the transaction fails with its error and purpose before the error. On SQLite, which has no round trips, it runs at once.
// Call it in a participant's BeforeCommit: the rollback of a savepoint would undo the statement on SQLite, but not on Postgres.
func (t *Tx) ExecLast(ctx context.Context, purpose, query string, args ...any) error {
	if t.db.Dialect() == SQLite {
		if _, err := t.ExecContext(ctx, query, args...); err != nil {
			return fmt.Errorf("%s: %w", purpose, err)
		}
		return nil
	}
	if err := t.check(); err != nil {
		return err
	}
	t.root.mu.Lock()
	defer t.root.mu.Unlock()
	t.root.withCommit = append(t.root.withCommit, pgx.FinalStatement{Purpose: purpose, Query: query, Args: args})
	return nil
}
