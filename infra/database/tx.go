package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"plugboard/app"
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

	mu            sync.Mutex // guards the rest
	beforeCommit  []func(ctx context.Context) error
	afterCommit   []func()
	afterRollback []func()
	marks         []mark
}

// root is what a transaction and its savepoints have in common.
type root struct {
	sql     *sql.Tx
	conn    *sql.Conn
	last    []finalStatement   // of Postgres; guarded by mu
	current atomic.Pointer[Tx] // the innermost open one; nil once the transaction has ended
	cancel  context.CancelFunc // rolls back
	stop    func() bool        // ends the watch over the caller's context
	free    func()             // gives back connection and slot; may be called again
	leave   func()

	// mistake is why the transaction must not be committed, whatever its function returns.
	mistake atomic.Pointer[error]

	group  *group // the transactions that share the commit, if they may
	joined bool   // tells that this is not the group's first
	use    sync.RWMutex
	sealed bool // set under use

	mu     sync.Mutex // guards values and last
	values map[any]any
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
	if err := t.runBeforeCommit(); err != nil {
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
		t.runHooks("after-rollback", t.afterRollback)
		return commitError(err)
	}
	t.runHooks("after-commit", t.afterCommit)
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
	t.runHooks("after-rollback", t.afterRollback)
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
		err := r.conn.Raw(func(conn any) error {
			conn.(*pgConn).last = r.last //nolint:forcetypeassert // of the pool that Postgres has
			return nil
		})
		if err != nil {
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
		t.afterRollback = append(t.afterRollback, tx.afterRollback...)
		t.mu.Unlock()
	}
	t.root.current.Store(t.parent)
	return true
}

func (t *Tx) runBeforeCommit() error {
	for i := 0; ; i++ {
		t.mu.Lock()
		if i == len(t.beforeCommit) {
			t.mu.Unlock()
			return nil
		}
		hook := t.beforeCommit[i]
		t.mu.Unlock()
		if err := hook(t.ctx); err != nil {
			return err
		}
	}
}

// runHooks runs all hooks, also when one panics: the outcome of the transaction stands.
func (t *Tx) runHooks(kind string, hooks []func()) {
	for _, hook := range hooks {
		t.runHook(kind, hook)
	}
}

func (t *Tx) runHook(kind string, hook func()) {
	defer func() {
		if v := recover(); v != nil {
			t.db.logger.Error(kind+" hook panicked", zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
		}
	}()
	hook()
}

// BeforeCommit has hook run in the transaction, once, right before it commits, in the order of registration and
// after the function given to the outermost InTx has returned. Its error rolls the transaction back. One
// registered in a savepoint that is rolled back is dropped. A hook may register further ones.
func (t *Tx) BeforeCommit(hook func(ctx context.Context) error) {
	t.mu.Lock()
	t.beforeCommit = append(t.beforeCommit, hook)
	t.mu.Unlock()
}

// AfterCommit has hook run after the transaction has committed and before the outermost InTx returns, in the order
// of registration. One registered in a savepoint that is rolled back is dropped. On SQLite the hooks of the
// transactions that share a commit run one transaction after the other, before the next commit, so that they run in
// commit order, maybe in another goroutine; a hook must be short and must not write to the database. A panic in a hook
// is logged.
func (t *Tx) AfterCommit(hook func()) {
	t.mu.Lock()
	t.afterCommit = append(t.afterCommit, hook)
	t.mu.Unlock()
}

// AfterRollback has hook run when the transaction, or the savepoint it was registered in, has been rolled back, its
// commit failed, or the outcome of its commit is unknown.
func (t *Tx) AfterRollback(hook func()) {
	t.mu.Lock()
	t.afterRollback = append(t.afterRollback, hook)
	t.mu.Unlock()
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
	t.root.last = append(t.root.last, finalStatement{purpose, query, args})
	return nil
}

// Value returns what [Tx.SetValue] stored under key in this transaction, savepoints included, or nil.
func (t *Tx) Value(key any) any {
	t.root.mu.Lock()
	defer t.root.mu.Unlock()
	return t.root.values[key]
}

// SetValue stores v under key for as long as the transaction lasts. The rollback of a savepoint does not undo it:
// register an [Tx.AfterRollback] for that. Each retry of a transaction starts without values.
func (t *Tx) SetValue(key, v any) {
	t.root.mu.Lock()
	defer t.root.mu.Unlock()
	if t.root.values == nil {
		t.root.values = make(map[any]any, 1)
	}
	t.root.values[key] = v
}
