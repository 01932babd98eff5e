package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"

	"plugboard/app"
)

// gormTx is a transaction that GORM has begun, by db.Begin or db.Transaction. It passes its statements to the pool, with a context that
// carries the transaction.
type gormTx struct {
	pool *pool
	tx   *Tx
}

var (
	_ gorm.ConnPool    = (*gormTx)(nil)
	_ gorm.TxCommitter = (*gormTx)(nil)
	_ app.Transactor   = (*gormTx)(nil)
)

func (g *gormTx) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, txKey{}, g.tx)
}

// ExecContext implements gorm.ConnPool.
func (g *gormTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return g.pool.ExecContext(g.in(ctx), query, args...)
}

// QueryContext implements gorm.ConnPool.
func (g *gormTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return g.pool.QueryContext(g.in(ctx), query, args...)
}

// QueryRowContext implements gorm.ConnPool.
func (g *gormTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return g.pool.QueryRowContext(g.in(ctx), query, args...)
}

// PrepareContext implements gorm.ConnPool.
func (g *gormTx) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	return g.pool.PrepareContext(g.in(ctx), query)
}

// InTx implements app.Transactor: a savepoint of this transaction.
func (g *gormTx) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return g.pool.InTx(g.in(ctx), fn)
}

// Commit implements gorm.TxCommitter.
func (g *gormTx) Commit() error {
	if err := g.tx.check(); err != nil {
		return err
	}
	return g.tx.commit()
}

// Rollback implements gorm.TxCommitter.
func (g *gormTx) Rollback() error {
	if err := g.tx.check(); err != nil {
		return err
	}
	return g.tx.rollback(nil)
}

// gormSavepoint is a savepoint that was set with GORM's SavePoint, and how many participants the transaction had by then.
type gormSavepoint struct {
	name         string
	participants int
}

var errNoTx = errors.New("SavePoint and RollbackTo need an open transaction: use them within app.InTx")

// Translate implements gorm.ErrorTranslator.
func (p *pool) Translate(err error) error { return MapError(err) }

// SavePoint implements gorm.SavePointerDialectorInterface.
func (p *pool) SavePoint(handle *gorm.DB, name string) error {
	t, err := txOfHandle(handle)
	if err != nil {
		return err
	}
	return t.setSavepoint(handle.Statement.Context, name)
}

// RollbackTo implements gorm.SavePointerDialectorInterface.
func (p *pool) RollbackTo(handle *gorm.DB, name string) error {
	t, err := txOfHandle(handle)
	if err != nil {
		return err
	}
	return t.undoTo(handle.Statement.Context, name)
}

// txOfHandle returns the transaction that a statement of the handle would be part of.
func txOfHandle(handle *gorm.DB) (*Tx, error) {
	switch p := handle.Statement.ConnPool.(type) {
	case *gormTx:
		return p.tx, p.tx.check()
	case *pool:
		t, _, err := p.db.route(handle.Statement.Context)
		if err == nil && t == nil {
			err = errNoTx
		}
		return t, err
	default:
		return nil, errNoTx
	}
}

// setSavepoint sets a savepoint.
func (t *Tx) setSavepoint(ctx context.Context, name string) error {
	t.mu.Lock()
	n := len(t.savepoints)
	t.mu.Unlock()
	if _, err := t.exec(ctx, "SAVEPOINT "+t.savepointName(n), nil); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.savepoints = append(t.savepoints, gormSavepoint{name, len(t.participants)})
	return nil
}

// savepointName is the name of the n-th savepoint in the database. The name that the plugin chose could be one of ours.
func (t *Tx) savepointName(n int) string { return t.name() + "_" + strconv.Itoa(n) }

// undoTo undoes everything since the savepoint, and drops the participants that were attached since.
func (t *Tx) undoTo(ctx context.Context, name string) error {
	n := t.findSavepoint(name)
	if n < 0 {
		return t.forbidCommit(fmt.Errorf("there is no savepoint %q in this transaction; a nested app.InTx does not know those around it", name))
	}
	if _, err := t.exec(ctx, "ROLLBACK TO SAVEPOINT "+t.savepointName(n), nil); err != nil {
		return t.forbidCommit(err)
	}
	t.mu.Lock()
	kept := t.savepoints[n].participants
	undone := t.participants[kept:]
	t.savepoints = t.savepoints[:n+1]
	t.participants = t.participants[:kept:kept]
	t.mu.Unlock()
	t.afterRollback(undone)
	return nil
}

// findSavepoint returns the place of the last savepoint of that name, -1 if there is none.
func (t *Tx) findSavepoint(name string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n, s := range slices.Backward(t.savepoints) {
		if strings.EqualFold(s.name, name) {
			return n
		}
	}
	return -1
}

// forbidCommit forbids the commit of the transaction because of err, and returns err. The function of the transaction may ignore the
// error of a statement that was refused; the rest would then be committed without it.
func (t *Tx) forbidCommit(err error) error {
	t.root.commitForbidden.CompareAndSwap(nil, &err)
	return err
}
