package database

import (
	"context"
	"database/sql"

	"gorm.io/gorm"

	"plugboard/app"
)

// gormTx is a transaction begun by GORM itself.
type gormTx struct{ tx *Tx }

var (
	_ gorm.ConnPool    = (*gormTx)(nil)
	_ gorm.TxCommitter = (*gormTx)(nil)
	_ app.Transactor   = (*gormTx)(nil)
)

// ExecContext implements gorm.ConnPool.
func (g *gormTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := g.tx.refuse(query); err != nil {
		return nil, err
	}
	return g.tx.exec(ctx, query, args)
}

// QueryContext implements gorm.ConnPool.
func (g *gormTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := g.tx.refuse(query); err != nil {
		return nil, err
	}
	return g.tx.query(ctx, query, args)
}

// QueryRowContext implements gorm.ConnPool.
func (g *gormTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := g.tx.refuse(query); err != nil {
		return failedRow(ctx, err)
	}
	return g.tx.queryRow(ctx, query, args)
}

// PrepareContext implements gorm.ConnPool.
func (g *gormTx) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	if err := g.tx.refuse(query); err != nil {
		return nil, err
	}
	return g.tx.root.sql.PrepareContext(ctx, query)
}

// InTx implements app.Transactor: a savepoint of this transaction.
func (g *gormTx) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	if err := g.tx.check(); err != nil {
		return err
	}
	return mapStatement(g.tx.db.run(ctx, g.tx, nested{}, fn))
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
