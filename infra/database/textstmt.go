package database

import (
	"context"
	"database/sql/driver"
	"errors"
)

// textStmt is a prepared statement that is its text alone: the connections keep the prepared form, and look at each
// statement before they run it.
type textStmt struct {
	conn interface {
		driver.ExecerContext
		driver.QueryerContext
	}
	query string
}

var (
	_ driver.StmtExecContext  = (*textStmt)(nil)
	_ driver.StmtQueryContext = (*textStmt)(nil)
)

// Close implements driver.Stmt.
func (s *textStmt) Close() error { return nil }

// NumInput implements driver.Stmt: the connection counts.
func (s *textStmt) NumInput() int { return -1 }

// Exec implements driver.Stmt; database/sql calls ExecContext instead.
func (s *textStmt) Exec([]driver.Value) (driver.Result, error) { return nil, errors.ErrUnsupported }

// Query implements driver.Stmt; database/sql calls QueryContext instead.
func (s *textStmt) Query([]driver.Value) (driver.Rows, error) { return nil, errors.ErrUnsupported }

// ExecContext implements driver.StmtExecContext.
func (s *textStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, s.query, args)
}

// QueryContext implements driver.StmtQueryContext.
func (s *textStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, s.query, args)
}
