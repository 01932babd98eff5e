package sqlite

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/infra/database/internal/contract"
)

// SQLite goes on after a failed statement, and commits what it can. Here a transaction fails as a whole, as on Postgres.
func TestAFailedStatementFailsItsTransaction(t *testing.T) {
	t.Parallel()
	d := opened(t)
	tx, err := d.Writer.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	run(t, tx, "INSERT INTO things (name) VALUES ('x')")
	_, err = tx.ExecContext(t.Context(), "INSERT INTO things (name) VALUES ('x')")
	require.ErrorContains(t, err, "UNIQUE")
	_, err = tx.ExecContext(t.Context(), "INSERT INTO things (name) VALUES ('y')")
	require.ErrorIs(t, err, contract.ErrTxFailed)
	require.ErrorContains(t, err, "UNIQUE", "it says what had failed")
	_, ok := Fault(err)
	require.False(t, ok, "the code of the first failure is not that of the later ones")
	_, err = tx.QueryContext(t.Context(), "SELECT 1")
	require.ErrorIs(t, err, contract.ErrTxFailed)
	require.ErrorIs(t, tx.Commit(), contract.ErrTxFailed)
	require.Equal(t, "0", value(t, d.Reader, "SELECT count(*) FROM things"))
	run(t, d.Writer, "INSERT INTO things (name) VALUES ('the connection is good')")
}

func TestARollbackToASavepointMendsTheTransaction(t *testing.T) {
	t.Parallel()
	d := opened(t)
	tx, err := d.Writer.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	run(t, tx, "INSERT INTO things (name) VALUES ('kept')")
	run(t, tx, "SAVEPOINT s")
	_, err = tx.ExecContext(t.Context(), "INSERT INTO things (name) VALUES ('kept')")
	require.Error(t, err)
	run(t, tx, "ROLLBACK TO SAVEPOINT s")
	run(t, tx, "INSERT INTO things (name) VALUES ('after')")
	require.NoError(t, tx.Commit())
	require.Equal(t, "2", value(t, d.Reader, "SELECT count(*) FROM things"))
}

// A statement that ends the transaction behind the back of whoever began it is refused.
func TestStatementsDoNotEndATransaction(t *testing.T) {
	t.Parallel()
	d := opened(t)
	for _, query := range []string{"COMMIT", "END", "ROLLBACK", "BEGIN", "SELECT 1; COMMIT"} {
		tx, err := d.Writer.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		run(t, tx, "INSERT INTO things (name) VALUES ('x')")
		_, err = tx.ExecContext(t.Context(), query)
		require.ErrorContains(t, err, "must not be run in an open transaction", query)
		require.ErrorIs(t, tx.Commit(), contract.ErrTxFailed)
	}
	require.Equal(t, "0", value(t, d.Reader, "SELECT count(*) FROM things"))
}

// Postgres cannot run a statement while rows are read; SQLite could, and is kept from it, so that both are the same.
func TestAStatementWhileRowsAreOpenIsRefused(t *testing.T) {
	t.Parallel()
	d := opened(t)
	tx, err := d.Writer.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	rows, err := tx.QueryContext(t.Context(), "SELECT value FROM json_each('[1,2]')")
	require.NoError(t, err)
	require.True(t, rows.Next())
	_, err = tx.ExecContext(t.Context(), "INSERT INTO things (name) VALUES ('x')")
	require.ErrorIs(t, err, contract.ErrRowsOpen)
	require.NoError(t, rows.Err())
	require.NoError(t, rows.Close())
	run(t, tx, "INSERT INTO things (name) VALUES ('x')")
	require.NoError(t, tx.Commit())
}

// A transaction that SQLite has rolled back by itself takes no savepoint for a way back.
func TestAnInterruptedWriteLosesItsTransaction(t *testing.T) {
	t.Parallel()
	d := opened(t)
	tx, err := d.Writer.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	run(t, tx, "SAVEPOINT s")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = tx.ExecContext(ctx, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO things SELECT i, 'n' || i, NULL FROM n")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = tx.ExecContext(t.Context(), "ROLLBACK TO SAVEPOINT s")
	require.ErrorIs(t, err, contract.ErrTxFailed)
	require.ErrorIs(t, tx.Commit(), contract.ErrTxFailed)
	require.Equal(t, "0", value(t, d.Reader, "SELECT count(*) FROM things"))
}

// A context that ends while rows are read ends the query, also in the middle of a step.
func TestAQueryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	d := opened(t)
	for i := range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
		var n int
		err := d.Reader.QueryRowContext(ctx, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n").Scan(&n)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	require.Equal(t, "1", value(t, d.Reader, "SELECT 1"))
}

// The cache of prepared statements has a bound, and a statement in use is never taken by another.
func TestStatementsAreCachedUpToABound(t *testing.T) {
	t.Parallel()
	d := opened(t)
	require.NoError(t, onConnection(t.Context(), d.Reader, func(c *connection) error {
		for i := range 3 * cachedStatements {
			if _, err := c.ExecContext(t.Context(), fmt.Sprint("SELECT ", i), nil); err != nil {
				return err
			}
		}
		require.Len(t, c.stmts.byQuery, cachedStatements)
		require.Equal(t, cachedStatements, c.stmts.recent.Len())
		first, err := c.stmts.take(t.Context(), c.rawConn, "SELECT 'busy'")
		require.NoError(t, err)
		second, err := c.stmts.take(t.Context(), c.rawConn, "SELECT 'busy'")
		require.NoError(t, err)
		require.NotSame(t, first, second)
		require.NoError(t, c.stmts.put(first))
		again, err := c.stmts.take(t.Context(), c.rawConn, "SELECT 'busy'")
		require.NoError(t, err)
		require.Same(t, first, again)
		require.NoError(t, c.stmts.put(second))
		require.NoError(t, c.stmts.drop(again))
		require.NotContains(t, c.stmts.byQuery, "SELECT 'busy'")
		long := "SELECT '" + string(make([]byte, cachedLength)) + "'"
		_, _ = c.ExecContext(t.Context(), long, nil)
		require.NotContains(t, c.stmts.byQuery, long)
		return nil
	}))
}

// The driver keeps the handle to itself. A version of the driver without the field is noticed when a connection is opened, not
// when a query hangs.
func TestAnotherDriverIsNoticed(t *testing.T) {
	t.Parallel()
	_, err := handleOf(nil)
	require.ErrorContains(t, err, "modernc.org/sqlite has changed")
}
