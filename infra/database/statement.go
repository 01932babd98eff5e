package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"plugboard/infra/database/internal/contract"
	"plugboard/infra/database/internal/orm"
	"plugboard/infra/database/internal/sqltext"
)

// rollbackTimeout bounds a rollback to a savepoint. The end of the caller's context does not stop such a rollback.
const rollbackTimeout = 5 * time.Second

// ExecContext runs a statement in the transaction. Its error carries a code.
func (t *Tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := t.refuse(query); err != nil {
		return nil, err
	}
	defer t.db.slow(ctx, query, time.Now())
	return t.exec(ctx, query, args)
}

// QueryContext runs a query in the transaction. Its error carries a code; that of the rows is for [MapError].
func (t *Tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := t.refuse(query); err != nil {
		return nil, err
	}
	defer t.db.slow(ctx, query, time.Now())
	return t.query(ctx, query, args)
}

// QueryRowContext runs a query in the transaction that returns at most one row. The error of Scan is for
// [MapError].
func (t *Tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if err := t.refuse(query); err != nil {
		return failedRow(ctx, err)
	}
	defer t.db.slow(ctx, query, time.Now())
	return t.queryRow(ctx, query, args)
}

func (t *Tx) exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	done, err := t.enterStatement()
	if err != nil {
		return nil, err
	}
	defer done()
	if sqltext.IsRollbackTo(query) { // if ctx ended it, the transaction could commit what it should undo
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
	}
	_, end := t.db.span(ctx, "", query)
	result, err := t.root.sql.ExecContext(ctx, query, args...)
	end(err)
	return result, t.statementError(err)
}

func (t *Tx) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	done, err := t.enterStatement()
	if err != nil {
		return nil, err
	}
	defer done()
	_, end := t.db.span(ctx, "", query)
	rows, err := t.root.sql.QueryContext(ctx, query, args...)
	end(err)
	return rows, t.statementError(err)
}

func (t *Tx) queryRow(ctx context.Context, query string, args []any) *sql.Row {
	done, err := t.enterStatement()
	if err != nil {
		return failedRow(ctx, err)
	}
	defer done()
	_, end := t.db.span(ctx, "", query)
	row := t.root.sql.QueryRowContext(ctx, query, args...)
	_ = t.statementError(row.Err()) // the row itself returns the error
	end(row.Err())
	return row
}

// statementError replaces an error of database/sql by one that says what happened. If a statement was refused because rows are open,
// statementError also forbids the commit: the connector did not send the statement, so the database itself would commit the rest.
func (t *Tx) statementError(err error) error {
	switch {
	case err == nil:
	case errors.Is(err, contract.ErrRowsOpen):
		return t.forbidCommit(contract.ErrRowsOpen)
	case !errors.Is(err, sql.ErrTxDone):
	case t.ctx.Err() != nil:
		err = context.Cause(t.ctx)
	case t.root.preemptible:
		err = errPreempted
	}
	return MapError(err)
}

// slow logs a slow statement of the host's own packages, as GORM's logger does for its statements.
func (db *DB) slow(ctx context.Context, query string, begin time.Time) {
	if db.cfg.SlowQuery <= 0 || time.Since(begin) < db.cfg.SlowQuery {
		return
	}
	orm.NewLogger(db.logger, db.cfg.SlowQuery).Trace(ctx, begin, func() (string, int64) { return query, -1 }, nil)
}

// enterStatement lets a statement begin. The caller calls done when the statement has ended.
func (t *Tx) enterStatement() (done func(), err error) {
	r := t.root
	if reason := r.commitForbidden.Load(); reason != nil {
		return nil, *reason
	}
	r.gate.RLock()
	if r.sealed {
		r.gate.RUnlock()
		return nil, errTxEnded
	}
	return r.gate.RUnlock, nil
}

// refuse returns an error if query must not run in t now. If query itself is the reason, refuse also forbids the commit.
func (t *Tx) refuse(query string) error {
	if err := t.check(); err != nil {
		return err
	}
	if err := refuseControl(query); err != nil {
		return t.forbidCommit(err)
	}
	return nil
}

// controlError is the error for SQL that begins, ends or divides a transaction. Participants of the transaction, such as the event bus,
// would not hear of its end.
type controlError struct{ word string }

// Error implements error.
func (e *controlError) Error() string {
	return fmt.Sprintf("%s must not be run as SQL: use app.InTx for a transaction, and within it a nested app.InTx,"+
		" or SavePoint and RollbackTo of *gorm.DB, for a savepoint", e.word)
}

// refuseControl returns an error for a query in which a statement begins, ends or divides a transaction.
func refuseControl(query string) error {
	if word := sqltext.Control(query); word != "" {
		return &controlError{word}
	}
	return nil
}
