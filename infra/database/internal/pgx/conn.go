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

// connector makes connections to Postgres whose transactions take as few round trips as they can.
type connector struct {
	driver.Connector
	pool     *poolHealth
	sessions *sessions
	health   contract.Health
}

// newConnector returns a connector for config, which it changes.
func newConnector(config *pgx.ConnConfig, health contract.Health) connector {
	config.AfterNetConnect = newWire
	pool := &poolHealth{}
	return connector{stdlib.GetConnector(*config, stdlib.OptionShouldPing(pool.shouldPing)), pool, &sessions{}, health}
}

// poolHealth remembers when a connection of a pool was last found dead: the others may be, too. A transaction that has begun
// cannot change its connection, and so each dead one costs it an attempt.
//
// It also counts how often a connection was found with a prepared statement that no longer fits its table, since another
// version of the service has migrated it: the others have such, too, and forget theirs before they are used again.
type poolHealth struct {
	last  atomic.Pointer[time.Time]
	stale atomic.Int64
}

// trustFor is how long a connection is believed to live that was taken from the pool before.
const trustFor = time.Second

// shouldPing reports whether a connection is to be asked whether it lives before it is used again.
func (h *poolHealth) shouldPing(_ context.Context, p stdlib.ShouldPingParams) bool {
	last := h.last.Load()
	return p.IdleDuration > trustFor || last != nil && time.Since(*last) < p.IdleDuration
}

// noteLoss tells of a connection that is closed without its user having given up.
func (h *poolHealth) noteLoss(ctx context.Context, conn *pgx.Conn) {
	if conn.IsClosed() && ctx.Err() == nil {
		now := time.Now()
		h.last.Store(&now)
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
		return nil, errors.Join(fmt.Errorf("connect to Postgres: a connection of type %T", conn), conn.Close())
	}
	w, ok := std.Conn().PgConn().Conn().(*wire)
	if !ok {
		return nil, errors.Join(errors.New("connect to Postgres: a connection that is not our own"), conn.Close())
	}
	pg := &connection{Conn: std, wire: w, pool: c.pool, stale: c.pool.stale.Load(), sessions: c.sessions, health: c.health}
	if err := pg.beginSession(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return pg, nil
}

// connection is the driver's connection, with transactions that are begun by their first statement, and committed together
// with their last ones.
type connection struct {
	*stdlib.Conn
	wire *wire
	pool *poolHealth
	// inTx tells that a transaction is open, or will be with its first statement.
	inTx bool
	// openRows counts the queries of the open transaction whose rows are not closed.
	openRows int
	// last are the statements that the commit brings along.
	last []FinalStatement
	// stale is the count of the pool when the prepared statements were last forgotten.
	stale int64
	// session is what was last set of sessions.
	session  *session
	sessions *sessions
	// changed tells that a statement has changed the session, which others are not to find so.
	changed bool
	health  contract.Health
	// wrote tells that a statement of the open transaction was one that writes.
	wrote bool
}

// FinalStatement is run right before a commit, in the same round trip.
type FinalStatement struct {
	// Purpose is told before an error of the statement.
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
	c.last, c.wrote = nil, false
	c.wire.recall()
	if err := c.wire.announce(begin); err != nil {
		return nil, err
	}
	c.inTx, c.openRows = true, 0
	return &transaction{conn: c, ctx: ctx}, nil
}

// unopened reports whether BEGIN has failed: what were to be the transaction's statements would run by themselves.
func (c *connection) unopened() bool {
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
	err = c.truth(err, sent)
	c.note(ctx, query, err)
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
	err = c.truth(err, sent)
	c.note(ctx, query, err)
	if std, ok := rows.(*stdlib.Rows); ok && err == nil && c.inTx {
		c.openRows++
		return &resultRows{Rows: std, conn: c}, nil
	}
	return rows, err
}

// note follows up on a statement. What it did to the session stands also when it failed half-way.
func (c *connection) note(ctx context.Context, query string, err error) {
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

// truth keeps database/sql from running a statement again that may have taken effect. The driver asks for that, with
// ErrBadConn, also when the answer was lost. It had sent that many bytes before. In a transaction, which cannot go on with
// another connection, it tells why the server has ended the session.
func (c *connection) truth(err error, before int64) error {
	sent := c.wire.sent.Load() > before
	switch {
	case errors.Is(err, driver.ErrBadConn) && sent:
		return contract.ErrAnswerLost
	case err != nil && c.inTx && !sent:
		return c.wire.because(err)
	default:
		return err
	}
}

// PrepareContext implements driver.ConnPrepareContext. The statement runs through the connection, and is kept by it.
func (c *connection) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return &contract.Statement{Conn: c, Text: query}, nil
}

// admit refuses what must not run in an open transaction: anything after its begin has failed, what would end it, and a
// statement while rows are open, which the protocol has no way to send.
func (c *connection) admit(query string) error {
	switch {
	case c.unopened():
		return contract.ErrTxFailed
	case !c.inTx:
		return nil
	default:
		return contract.Admit(query, c.openRows)
	}
}

// stalePlan tells whether err is that of a prepared statement whose table has been changed. Its code is that of much
// else, its text in the server's language.
func stalePlan(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "0A000" && pg.Routine == "RevalidateCachedQuery"
}

// renew forgets the prepared statements if err says that one is stale, and reports whether the statement may be run again.
// In a transaction it may not: that has failed, and is tried again as a whole.
func (c *connection) renew(ctx context.Context, err error) bool {
	if !stalePlan(err) {
		return false
	}
	c.pool.stale.CompareAndSwap(c.stale, c.stale+1)
	return !c.inTx && c.forget(ctx) == nil
}

// forget forgets the prepared statements if some connection's were found stale since that was last done.
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

// ResetSession implements driver.SessionResetter: it is called before a connection is used again.
func (c *connection) ResetSession(ctx context.Context) error {
	if err := c.Conn.ResetSession(ctx); err != nil {
		return err
	}
	if c.forget(ctx) != nil || c.beginSession(ctx) != nil {
		return driver.ErrBadConn
	}
	return nil
}

// beginSession sets what the connections of its pool are given, if that is not done.
func (c *connection) beginSession(ctx context.Context) error {
	next := c.sessions.current.Load()
	if next == nil || c.session == next {
		return nil
	}
	if err := next.apply(ctx, c.Conn.Conn().PgConn()); err != nil {
		return err
	}
	c.session = next
	return nil
}

// IsValid implements driver.Validator: it is asked when a connection is given back. One whose session was changed by a
// statement is closed: the next user must find the timeouts, the role and the search path as they were set.
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
