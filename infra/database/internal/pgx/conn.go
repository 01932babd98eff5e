package pgx

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"plugboard/infra/database/internal/contract"
	"plugboard/infra/database/internal/sqltext"
)

// connector makes connections to Postgres whose transactions save round trips.
type connector struct {
	driver.Connector
	pool   *poolHealth
	params *poolParams
	health contract.Health
}

// newConnector returns a connector for config, which it changes.
func newConnector(config *pgx.ConnConfig, health contract.Health) connector {
	config.AfterNetConnect = newWire
	pool := &poolHealth{}
	return connector{stdlib.GetConnector(*config, stdlib.OptionShouldPing(pool.shouldPing)), pool, &poolParams{}, health}
}

// poolHealth is what the connections of a pool learn from each other.
//
// One thing is when a connection was last found dead: the others may be dead too, and are pinged before their next use. A dead
// connection costs its transaction one attempt, because a transaction cannot change its connection.
//
// The other thing is how often a prepared statement did not fit its table any more, because another version of the service has migrated
// the table. The other connections then drop their prepared statements before their next use.
type poolHealth struct {
	// lastLoss is when a connection was last found dead; nil if none was.
	lastLoss atomic.Pointer[time.Time]
	// stale counts the prepared statements that did not fit.
	stale atomic.Int64
}

// trustFor is how long a connection may lie idle and still be used without a ping.
const trustFor = time.Second

// shouldPing reports whether database/sql must ping a connection before it hands the connection out again.
func (h *poolHealth) shouldPing(_ context.Context, p stdlib.ShouldPingParams) bool {
	last := h.lastLoss.Load()
	return p.IdleDuration > trustFor || last != nil && time.Since(*last) < p.IdleDuration
}

// noteLoss remembers the time if conn is closed. If ctx has ended, that is why the driver closed conn, and the server may be well.
func (h *poolHealth) noteLoss(ctx context.Context, conn *pgx.Conn) {
	if conn.IsClosed() && ctx.Err() == nil {
		now := time.Now()
		h.lastLoss.Store(&now)
	}
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	std, ok := conn.(*stdlib.Conn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("connect to Postgres: pgx has changed: its connection is of type %T", conn), conn.Close())
	}
	w, ok := std.Conn().PgConn().Conn().(*wire)
	if !ok {
		return nil, errors.Join(errors.New("connect to Postgres: pgx has changed: it does not use the network connection it was given"), conn.Close())
	}
	pg := &connection{Conn: std, wire: w, pool: c.pool, stale: c.pool.stale.Load(), params: c.params, health: c.health}
	if err := pg.applyParams(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return pg, nil
}

// connection is the driver's connection, changed in two ways: BEGIN is sent with the first statement of a transaction, and COMMIT
// with the last ones.
type connection struct {
	*stdlib.Conn
	wire *wire
	pool *poolHealth
	// inTx is true while a transaction is open. BEGIN may not have been sent yet.
	inTx bool
	// openRows counts the queries of the open transaction whose rows are not closed.
	openRows int
	// withCommit are the statements that are sent together with COMMIT.
	withCommit []FinalStatement
	// stale is the value that pool.stale had when this connection last dropped its prepared statements.
	stale int64
	// applied are the parameters that were last applied to this connection; nil before the first time.
	applied *sessionParams
	params  *poolParams
	// changed is true if a statement has changed the server's session. The connection is closed after its use then, so that no other
	// user meets the change.
	changed bool
	health  contract.Health
	// wrote is true if the open transaction contains an INSERT, UPDATE or DELETE.
	wrote bool
}

// FinalStatement is a statement that is sent together with COMMIT, before it.
type FinalStatement struct {
	// Purpose stands before the text of the statement's error.
	Purpose string
	Query   string
	Args    []any
}

// BeginTx implements driver.ConnBeginTx. It sends nothing.
func (c *connection) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if c.Conn.Conn().IsClosed() {
		return nil, driver.ErrBadConn
	}
	begin, err := beginStatement(opts)
	if err != nil {
		return nil, err
	}
	c.withCommit, c.wrote = nil, false
	c.wire.dropBegin()
	if err := c.wire.queueBegin(begin); err != nil {
		return nil, err
	}
	c.inTx, c.openRows = true, 0
	return &transaction{conn: c, ctx: ctx}, nil
}

// beginFailed reports whether BEGIN has failed. Further statements would run outside a transaction, and each would be committed by itself.
func (c *connection) beginFailed() bool {
	server := c.Conn.Conn().PgConn()
	return c.inTx && !c.wire.waiting() && server.TxStatus() == 'I' && !server.IsBusy() && !server.IsClosed()
}

// ExecContext implements driver.ExecerContext.
func (c *connection) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.admit(query); err != nil {
		return nil, err
	}
	sent := c.wire.sent.Load()
	result, err := c.Conn.ExecContext(ctx, query, args)
	if err != nil && c.renew(ctx, err) {
		result, err = c.Conn.ExecContext(ctx, query, args)
	}
	err = c.errorAfterSend(err, sent)
	c.afterStatement(ctx, query, err)
	return result, err
}

// QueryContext implements driver.QueryerContext.
func (c *connection) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.admit(query); err != nil {
		return nil, err
	}
	sent := c.wire.sent.Load()
	rows, err := c.Conn.QueryContext(ctx, query, args)
	if err != nil && c.renew(ctx, err) {
		rows, err = c.Conn.QueryContext(ctx, query, args)
	}
	err = c.errorAfterSend(err, sent)
	c.afterStatement(ctx, query, err)
	if std, ok := rows.(*stdlib.Rows); ok && err == nil && c.inTx {
		c.openRows++
		return &resultRows{Rows: std, conn: c}, nil
	}
	return rows, err
}

// afterStatement records what a statement did: to the session, to the health of the database, to the transaction. A statement that
// failed half-way may still have changed the session.
func (c *connection) afterStatement(ctx context.Context, query string, err error) {
	word, rest := sqltext.NextWord(query)
	word = strings.ToUpper(word)
	c.changed = c.changed || changesSession(word, rest)
	switch {
	case err != nil:
		c.pool.noteLoss(ctx, c.Conn.Conn())
		c.health.Failed(err)
	case word != "INSERT" && word != "UPDATE" && word != "DELETE":
	case c.inTx:
		c.wrote = true
	default:
		c.health.Committed()
	}
}

// errorAfterSend corrects the driver's error of a statement. before is the number of bytes sent before the statement. If bytes were sent
// since, it replaces ErrBadConn: the driver returns that also if only the answer was lost, and database/sql would run the statement a
// second time. If none were sent in a transaction, it adds why the server has ended the session.
func (c *connection) errorAfterSend(err error, before int64) error {
	sent := c.wire.sent.Load() > before
	switch {
	case errors.Is(err, driver.ErrBadConn) && sent:
		return contract.ErrAnswerLost
	case err != nil && c.inTx && !sent:
		return c.wire.withServerReason(err)
	default:
		return err
	}
}

// PrepareContext implements driver.ConnPrepareContext. The connection itself keeps the prepared form.
func (c *connection) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return &contract.Statement{Conn: c, Text: query}, nil
}

// admit returns an error for a statement that must not run now: any statement in a transaction whose BEGIN has failed, and those that
// [contract.Admit] refuses.
func (c *connection) admit(query string) error {
	switch {
	case c.beginFailed():
		return contract.ErrTxFailed
	case !c.inTx:
		return nil
	default:
		return contract.Admit(query, c.openRows)
	}
}

// stalePlan is true if a prepared statement failed because its table has been changed. The name of the server's routine decides: many
// other errors have the same code, and the text is in the server's language.
func stalePlan(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "0A000" && pg.Routine == "RevalidateCachedQuery"
}

// renew drops the prepared statements if err says that one is stale. It reports whether the statement may run again at once. In a
// transaction it may not: the transaction has failed, and runs again as a whole.
func (c *connection) renew(ctx context.Context, err error) bool {
	if !stalePlan(err) {
		return false
	}
	c.pool.stale.CompareAndSwap(c.stale, c.stale+1)
	return !c.inTx && c.forget(ctx) == nil
}

// forget drops the prepared statements if any connection has found a stale one since this connection last did so.
func (c *connection) forget(ctx context.Context) error {
	found := c.pool.stale.Load()
	if found == c.stale {
		return nil
	}
	if err := c.Conn.Conn().DeallocateAll(ctx); err != nil {
		return err
	}
	c.stale = found
	return nil
}

// ResetSession implements driver.SessionResetter. database/sql calls it before it hands out a used connection.
func (c *connection) ResetSession(ctx context.Context) error {
	if err := c.Conn.ResetSession(ctx); err != nil {
		return err
	}
	if c.forget(ctx) != nil || c.applyParams(ctx) != nil {
		return driver.ErrBadConn
	}
	return nil
}

// applyParams applies the parameters of the pool, unless this connection has them already.
func (c *connection) applyParams(ctx context.Context) error {
	next := c.params.current.Load()
	if next == nil || c.applied == next {
		return nil
	}
	if err := next.apply(ctx, c.Conn.Conn().PgConn()); err != nil {
		return err
	}
	c.applied = next
	return nil
}

// IsValid implements driver.Validator. database/sql calls it when a connection is given back, and closes the connection if it
// reports false: the next user must find the timeouts, the role and the search path as they were set.
func (c *connection) IsValid() bool { return !c.changed }

func beginStatement(opts driver.TxOptions) (string, error) {
	begin := "begin"
	switch level := sql.IsolationLevel(opts.Isolation); level {
	case sql.LevelDefault:
	case sql.LevelReadUncommitted, sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable:
		begin += " isolation level " + level.String()
	case sql.LevelSnapshot:
		begin += " isolation level " + sql.LevelRepeatableRead.String()
	default:
		return "", fmt.Errorf("begin: Postgres has no isolation level %q", level)
	}
	if opts.ReadOnly {
		begin += " read only"
	}
	return begin, nil
}
