// Package contract lists the duties of a connector.
//
// The two connectors are internal/sqlite and internal/pgx. A connector opens connections to one kind of database. It reports errors as a
// [Fault] and with the errors of this package, and tells a [Health] of commits and failures. Each of its transactions fails as a whole
// once a statement in it has failed, and refuses statements that would end it. Nothing in this package keeps state; all of it is safe for
// concurrent use.
package contract

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"plugboard/infra/database/internal/sqltext"
)

var (
	// ErrTxFailed is the error of a statement, or of the commit, after an earlier statement of the transaction has failed.
	ErrTxFailed = errors.New("an earlier statement of this transaction failed: return its error, or run what may fail" +
		" in a nested app.InTx")
	// ErrRowsOpen is the error of a statement in a transaction while the rows of a query are open. Postgres has no way to send it.
	ErrRowsOpen = errors.New("database statement in a transaction while the rows of an earlier query are open: close them" +
		" first with rows.Close(), or read them into a slice with Find or Scan")
	// ErrCommitUnknown marks a commit whose answer was lost: the transaction may or may not have been committed.
	ErrCommitUnknown = errors.New("the connection was lost while committing; whether the transaction was committed is unknown")
	// ErrAnswerLost is the error of a statement that was sent and whose answer never came.
	ErrAnswerLost = fmt.Errorf("the connection was lost while a statement ran; whether it took effect is unknown: %w", io.ErrUnexpectedEOF)
	// ErrNotCommitted marks a commit that was never sent, since the connection was lost before.
	ErrNotCommitted = errors.New("the connection was lost before COMMIT was sent; nothing was committed")
)

// Health is told how the database fares. Its methods are called by all connections, concurrently, and must return at once.
type Health interface {
	// Committed is called when a write was committed.
	Committed()
	// Failed is called with each error of a statement or a commit.
	Failed(err error)
}

// Admit returns an error for a statement that must not run in an open transaction: a statement that would end the transaction, and every
// statement while the rows of a query are open. openRows counts such queries.
func Admit(query string, openRows int) error {
	if openRows > 0 {
		return ErrRowsOpen
	}
	switch word := sqltext.Control(query); word {
	case "", "SAVEPOINT", "RELEASE", sqltext.RollbackTo:
		return nil
	default:
		return fmt.Errorf("%s must not be run in an open transaction: whoever has begun the transaction ends it", word)
	}
}

// Statement is a driver's prepared statement that has only the text. It runs through its connection, which keeps the prepared form and
// checks each statement before it runs.
type Statement struct {
	// Conn runs the statement.
	Conn interface {
		driver.ExecerContext
		driver.QueryerContext
	}
	// Text is the statement itself.
	Text string
}

var (
	_ driver.StmtExecContext  = (*Statement)(nil)
	_ driver.StmtQueryContext = (*Statement)(nil)
)

// Close implements driver.Stmt.
func (s *Statement) Close() error { return nil }

// NumInput implements driver.Stmt. It returns -1, so that database/sql leaves counting the arguments to the connection.
func (s *Statement) NumInput() int { return -1 }

// Exec implements driver.Stmt; database/sql calls ExecContext instead.
func (s *Statement) Exec([]driver.Value) (driver.Result, error) { return nil, errors.ErrUnsupported }

// Query implements driver.Stmt; database/sql calls QueryContext instead.
func (s *Statement) Query([]driver.Value) (driver.Rows, error) { return nil, errors.ErrUnsupported }

// ExecContext implements driver.StmtExecContext.
func (s *Statement) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.Conn.ExecContext(ctx, s.Text, args)
}

// QueryContext implements driver.StmtQueryContext.
func (s *Statement) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.Conn.QueryContext(ctx, s.Text, args)
}
