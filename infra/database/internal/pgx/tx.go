package pgx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"plugboard/infra/database/internal/contract"
)

// transaction is an open transaction of a connection.
type transaction struct {
	conn *connection
	// ctx is the context of BeginTx, as in the driver's own transactions.
	ctx context.Context //nolint:containedctx // Commit takes none
}

// rollbackTimeout bounds a rollback, since driver.Tx gives it no context.
const rollbackTimeout = 5 * time.Second

// Commit implements driver.Tx.
func (t *transaction) Commit() error {
	c := t.conn
	last := c.withCommit
	switch {
	case c.beginFailed():
		c.inTx = false
		return contract.ErrTxFailed
	case c.wire.waiting() && len(last) == 0:
		return t.Rollback() // no statement was sent
	}
	if c.wire.hungUp() {
		return t.abandon(fmt.Errorf("%w: %w", contract.ErrNotCommitted, io.EOF))
	}
	sent := c.wire.sent.Load()
	tag, err := t.finish(last)
	if err != nil {
		c.health.Failed(err)
	}
	switch {
	case tag.String() == "COMMIT": // it is committed, also if the server ended the session before it was ready for the next statement
		err = nil
		c.pool.noteLoss(t.ctx, c.Conn.Conn())
		if c.wrote || len(last) > 0 {
			c.health.Committed()
		}
	case err == nil: // the server answered ROLLBACK, because a statement had failed
		err = contract.ErrTxFailed
	case err != nil && c.Conn.Conn().PgConn().TxStatus() != 'I':
		if c.wire.sent.Load() > sent {
			return t.abandon(commitFailure(err, true))
		}
		return t.abandon(commitFailure(c.wire.withServerReason(err), false))
	}
	c.inTx = false
	return err
}

// abandon ends a transaction whose COMMIT failed with err and left the transaction open, as far as the driver knows. It returns err.
func (t *transaction) abandon(err error) error {
	t.conn.pool.noteLoss(t.ctx, t.conn.Conn.Conn())
	_ = t.Rollback() // closes the connection if it cannot
	return err
}

// commitFailure says what the error of a COMMIT means whose CommandComplete did not come. Nothing was committed if the server
// reported an error, for example that it ends the session, or if COMMIT was not sent. Otherwise nobody knows. The driver's
// pgconn.SafeToRetry cannot decide this: it is true also when only the answer was lost.
func commitFailure(err error, sent bool) error {
	if _, refused := errors.AsType[*pgconn.PgError](err); refused {
		return err
	}
	if !sent {
		return fmt.Errorf("%w: %w", contract.ErrNotCommitted, err)
	}
	return fmt.Errorf("%w: %w", contract.ErrCommitUnknown, err)
}

// finish sends the last statements and COMMIT in one round trip. When a statement fails, the server skips the rest and COMMIT.
func (t *transaction) finish(last []FinalStatement) (pgconn.CommandTag, error) {
	conn := t.conn.Conn.Conn()
	if len(last) == 0 {
		return conn.Exec(t.ctx, "commit")
	}
	batch := &pgx.Batch{}
	for _, s := range last {
		batch.Queue(s.Query, s.Args...)
	}
	batch.Queue("commit")
	results := conn.SendBatch(t.ctx, batch)
	for _, s := range last {
		if _, err := results.Exec(); err != nil {
			_ = results.Close() // returns the same error
			return pgconn.CommandTag{}, fmt.Errorf("%s: %w", s.Purpose, err)
		}
	}
	tag, err := results.Exec()
	return tag, errors.Join(err, results.Close())
}

// Rollback implements driver.Tx.
func (t *transaction) Rollback() error {
	c := t.conn
	skip := c.wire.waiting() || c.beginFailed()
	c.wire.dropBegin()
	c.inTx = false
	if skip {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), rollbackTimeout)
	defer cancel()
	if _, err := c.Conn.Conn().Exec(ctx, "rollback"); err != nil {
		return errors.Join(err, c.Close()) // nobody else can use a connection in a transaction
	}
	return nil
}

// resultRows are the rows of a query in a transaction.
type resultRows struct {
	*stdlib.Rows
	conn   *connection
	closed bool
}

// Close implements driver.Rows.
func (r *resultRows) Close() error {
	if !r.closed {
		r.closed = true
		r.conn.openRows--
	}
	return r.Rows.Close()
}
