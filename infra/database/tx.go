package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"plugboard/app"
	"plugboard/infra/database/internal/pgx"
)

// commitTimeout bounds a commit or rollback whose caller has no say any more.
const commitTimeout = 30 * time.Second

type txKey struct{}

// Tx is an open transaction, or a savepoint of one. It travels in the context that [DB.InTx] gives its function,
// and is for use by one goroutine.
type Tx struct {
	db     *DB
	root   *root
	outer  *Tx // the transaction of another database that the context carried already
	parent *Tx // nil at the top
	level  int
	ended  atomic.Bool
	// ctx carries this Tx. It is kept for hooks and for GORM's Commit and Rollback, which take none.
	ctx context.Context //nolint:containedctx // hooks and GORM's Commit and Rollback take none

	mu           sync.Mutex // guards the rest
	participants []attachment
	marks        []mark
}

// root is what a transaction and its savepoints have in common.
type root struct {
	sql     *sql.Tx
	conn    *sql.Conn
	last    []pgx.FinalStatement // of Postgres; guarded by mu
	current atomic.Pointer[Tx]   // the innermost open one; nil once the transaction has ended
	cancel  context.CancelFunc   // rolls back
	stop    func() bool          // ends the watch over the caller's context
	free    func()               // gives back connection and slot; may be called again
	leave   func()

	// mistake is why the transaction must not be committed, whatever its function returns.
	mistake atomic.Pointer[error]

	group  *group // the transactions that share the commit, if they may
	joined bool   // tells that this is not the group's first
	use    sync.RWMutex
	sealed bool // set under use

	mu sync.Mutex // guards last
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

// Join returns the transaction that what is done with ctx belongs to, nil outside one. As for a statement, it is an error
// when another one is open here, a savepoint in that of ctx included: its rollback would not undo what is done.
func Join(ctx context.Context) (*Tx, error) {
	if tx, ok := TxFrom(ctx); ok {
		return tx, tx.check()
	}
	if call := app.CallFrom(ctx); call != nil && call.InTx() {
		return nil, errOuterContext
	}
	return nil, nil //nolint:nilnil // neither is there
}

// txOf returns ctx's transaction of this database, which may have ended, or nil.
func (db *DB) txOf(ctx context.Context) *Tx {
	tx, _ := ctx.Value(txKey{}).(*Tx)
	for tx != nil && tx.db != db {
		tx = tx.outer
	}
	return tx
}

// check reports why statements do not belong to t, if they do not.
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

// begin opens a transaction at the top level.
func (db *DB) begin(ctx context.Context, opts *sql.TxOptions) (*Tx, error) {
	conns, err := db.open()
	if err != nil {
		return nil, err
	}
	release, err := db.takeSlot(ctx, conns)
	if err != nil {
		return nil, MapError(err)
	}
	return db.beginHolding(ctx, conns, release, opts)
}

// beginHolding is begin for who holds the slot, which release gives back.
func (db *DB) beginHolding(ctx context.Context, conns *connections, release func(), opts *sql.TxOptions) (*Tx, error) {
	conn, err := db.takeConn(ctx, conns.writer)
	if err != nil {
		release()
		return nil, MapError(err)
	}
	r := &root{conn: conn, leave: func() {}}
	r.free = sync.OnceFunc(func() {
		_ = conn.Close()
		release()
	})
	// The transaction ends with the caller's context, but not in the middle of a commit, whose outcome would
	// then be unknown.
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	r.stop = context.AfterFunc(ctx, func() {
		cancel()
		r.free()
	})
	if r.sql, err = conn.BeginTx(inner, opts); err != nil {
		r.stop()
		cancel()
		r.free()
		return nil, beginError(ctx, err)
	}
	return db.enter(ctx, r), nil
}

func beginError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return MapError(ctx.Err())
	}
	return MapError(err)
}

// enter makes the Tx of a transaction that has begun.
func (db *DB) enter(ctx context.Context, r *root) *Tx {
	if call := app.CallFrom(ctx); call != nil {
		r.leave = call.EnterTx()
	}
	tx := &Tx{db: db, root: r}
	tx.outer, _ = ctx.Value(txKey{}).(*Tx)
	tx.ctx = context.WithValue(ctx, txKey{}, tx)
	r.current.Store(tx)
	return tx
}

// commit ends a transaction at the top level.
func (t *Tx) commit() error {
	_, end := t.db.span(t.ctx, "COMMIT", "")
	err := t.commitChecked()
	end(err)
	return err
}

func (t *Tx) commitChecked() error {
	if err := t.beforeCommit(); err != nil {
		return t.fail(err)
	}
	if mistake := t.root.mistake.Load(); mistake != nil {
		return t.fail(*mistake)
	}
	if t.root.group != nil {
		return t.commitShared()
	}
	return t.commitTop()
}

func (t *Tx) commitTop() error {
	defer t.root.free()
	if !t.root.stop() { // the context is done, the rollback under way
		_ = t.rollback()
		return MapError(context.Cause(t.ctx))
	}
	t.end()
	err := t.root.finish(t.root.commit)
	t.root.leave()
	if err != nil {
		t.afterRollback(t.participants)
		return commitError(err)
	}
	t.afterCommit()
	return nil
}

// rollback ends a transaction at the top level; one that has ended is left alone.
func (t *Tx) rollback() error {
	if !t.end() {
		return nil
	}
	if t.root.joined {
		t.withdraw()
		return nil
	}
	defer t.root.free()
	t.root.stop()
	err := t.root.finish(t.root.sql.Rollback)
	t.root.leave()
	t.afterRollback(t.participants)
	if err == nil || errors.Is(err, sql.ErrTxDone) || t.ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("roll back: %w", MapError(err))
}

// commit sends COMMIT, and with it the statements that were to be the last.
func (r *root) commit() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.last) > 0 {
		if err := pgx.CommitWith(r.conn, r.last); err != nil {
			return errors.Join(err, r.sql.Rollback())
		}
	}
	return r.sql.Commit()
}

// finish runs the last statement of a transaction and gives its connection back.
func (r *root) finish(statement func() error) error {
	timer := time.AfterFunc(commitTimeout, r.cancel)
	err := statement()
	timer.Stop()
	r.cancel()
	_ = r.conn.Close()
	return err
}

// end marks t, and the savepoints in it that are still open, as ended; it reports whether t was open.
func (t *Tx) end() bool {
	if t.ended.Swap(true) {
		return false
	}
	for tx := t.root.current.Load(); tx != nil && tx != t; tx = tx.parent {
		tx.ended.Store(true)
		t.mu.Lock()
		for _, a := range tx.participants {
			t.participants = append(t.participants, attachment{Participant: Participant{AfterRollback: a.AfterRollback}})
		}
		t.mu.Unlock()
	}
	t.root.current.Store(t.parent)
	return true
}

// ExecLast has a statement run after all others of the transaction, BeforeCommit hooks included. On Postgres it goes out
// with the COMMIT, in one round trip, and its error is that of the transaction, with purpose before it; on SQLite, which
// has no round trips, it is run at once. It is not undone with a savepoint: call it in a BeforeCommit hook.
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
	t.root.last = append(t.root.last, pgx.FinalStatement{Purpose: purpose, Query: query, Args: args})
	return nil
}
