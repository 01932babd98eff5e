package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/infra/database/internal/orm"
	"plugboard/infra/database/internal/sqltext"
)

// pool is the connection pool behind the handle. Each statement joins the transaction of its context, or runs alone.
type pool struct{ db *DB }

var (
	_ gorm.ConnPool         = (*pool)(nil)
	_ gorm.ConnPoolBeginner = (*pool)(nil)
	_ app.Transactor        = (*pool)(nil)
	_ app.Searcher          = (*pool)(nil)
	_ app.OnceStore         = (*pool)(nil)
	_ app.ChangeCounter     = (*pool)(nil)
	_ orm.Handle            = (*pool)(nil)
)

// InTx implements app.Transactor.
func (p *pool) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return p.db.InTx(ctx, fn)
}

// Once implements app.OnceStore.
func (p *pool) Once(ctx context.Context, claim app.OnceClaim, fn func(context.Context) (app.OnceAnswer, error)) (answer app.OnceAnswer, replayed bool, err error) {
	done, err := p.db.answers.Begin(claim.ID) // before a connection or the writer lock is waited for
	if err != nil {
		return answer, false, err
	}
	defer done()
	//crash:point answer apart: ctx p.db.InTx p.db.answers.Run p.db claim fn
	err = p.db.InTx(ctx, func(ctx context.Context) (err error) {
		answer, replayed, err = p.db.answers.Run(ctx, p.db, claim, fn)
		return err
	})
	return answer, replayed, err
}

// Changes implements app.ChangeCounter.
func (p *pool) Changes() (n uint64, ok bool) {
	conns := p.db.conns.Load()
	if conns == nil || conns.sqlite == nil {
		return 0, false
	}
	return conns.sqlite.Changes()
}

// ExecContext implements gorm.ConnPool.
func (p *pool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	tx, conns, err := p.db.routeStatement(ctx, query)
	if err != nil {
		return nil, err
	}
	if tx != nil {
		return tx.exec(ctx, query, args)
	}
	_, end := p.db.span(ctx, "", query)
	result, err := p.db.execPool(ctx, conns, query, args...)
	end(err)
	return result, err
}

// QueryContext implements gorm.ConnPool.
func (p *pool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	tx, conns, err := p.db.routeStatement(ctx, query)
	if err != nil {
		return nil, err
	}
	if tx != nil {
		return tx.query(ctx, query, args)
	}
	_, end := p.db.span(ctx, "", query)
	rows, err := p.db.queryPool(ctx, conns, conns.forQuery(query), query, args...)
	end(err)
	return rows, err
}

// QueryRowContext implements gorm.ConnPool.
func (p *pool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	tx, conns, err := p.db.routeStatement(ctx, query)
	if err != nil {
		return failedRow(ctx, err)
	}
	if tx != nil {
		return tx.queryRow(ctx, query, args)
	}
	_, end := p.db.span(ctx, "", query)
	row := conns.forQuery(query).QueryRowContext(ctx, query, args...)
	end(row.Err())
	return row
}

// PrepareContext implements gorm.ConnPool. GORM calls it only if its option PrepareStmt is on. Here it is off: the connections keep
// prepared statements themselves.
func (p *pool) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	tx, conns, err := p.db.routeStatement(ctx, query)
	if err != nil {
		return nil, err
	}
	if tx != nil {
		return tx.root.sql.PrepareContext(ctx, query)
	}
	return conns.writer.PrepareContext(ctx, query)
}

// BeginTx implements gorm.ConnPoolBeginner, for db.Transaction and db.Begin. Within InTx it opens a savepoint. Elsewhere it begins a
// transaction, which only statements through the returned handle join.
func (p *pool) BeginTx(ctx context.Context, opts *sql.TxOptions) (gorm.ConnPool, error) {
	outer, _, err := p.db.route(ctx)
	if err != nil {
		return nil, err
	}
	var u unit = own{opts}
	if outer != nil {
		u = nested{}
	}
	tx, err := p.db.begin(ctx, outer, u)
	if err != nil {
		return nil, err
	}
	return &gormTx{p, tx}, nil
}

// route returns the open transaction that a statement with ctx belongs to; without one, it returns the connections. It refuses a context
// that does not carry the transaction which is open here: the statement would wait for it or be committed apart from it.
func (db *DB) route(ctx context.Context) (*Tx, *connections, error) {
	if tx := db.txOf(ctx); tx != nil {
		return tx, nil, tx.check()
	}
	if ctx == context.Background() || ctx == context.TODO() {
		return nil, nil, errNoContext
	}
	if call := app.CallFrom(ctx); call != nil && call.InTx() {
		return nil, nil, errOuterContext
	}
	conns, err := db.connections()
	return nil, conns, err
}

// routeStatement is route for a plugin's SQL. It also refuses SQL that begins or ends transactions, which app.InTx is for.
func (db *DB) routeStatement(ctx context.Context, query string) (*Tx, *connections, error) {
	tx, conns, err := db.route(ctx)
	switch {
	case err != nil:
		return nil, nil, err
	case tx != nil:
		return tx, nil, tx.refuse(query)
	default:
		return nil, conns, refuseControl(query)
	}
}

// forQuery returns the pool for a query outside a transaction. Only a query that starts with SELECT is surely read-only: GORM runs
// INSERT … RETURNING as a query too.
func (c *connections) forQuery(query string) *sql.DB {
	if sqltext.IsSelect(query) {
		return c.reader
	}
	return c.writer
}

// QueryContext runs a query in the transaction of ctx, or by itself if there is none; a SELECT then uses a connection that reads. It is
// for the host's own packages. Its error carries a code.
func (db *DB) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	defer db.slow(ctx, query, time.Now())
	rows, err := db.pool.QueryContext(ctx, query, args...)
	return rows, MapError(err)
}

// ExecContext runs a statement in the transaction of ctx, or by itself if there is none. It is for the host's own packages. Its error
// carries a code.
func (db *DB) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	defer db.slow(ctx, query, time.Now())
	result, err := db.pool.ExecContext(ctx, query, args...)
	return result, MapError(err)
}

func (db *DB) execPool(ctx context.Context, conns *connections, query string, args ...any) (sql.Result, error) {
	release, err := db.takeLock(ctx, conns)
	if err != nil {
		return nil, err
	}
	defer release()
	if !saturated(conns.writer) {
		return conns.writer.ExecContext(ctx, query, args...)
	}
	conn, err := db.takeConn(ctx, conns.writer)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return conn.ExecContext(ctx, query, args...)
}

// queryPool runs a query on one of from's connections. If all are in use, it waits no longer than the BusyTimeout setting. database/sql
// has no such limit, so queryPool takes the connection itself. A goroutine gives it back: [sql.Conn.Close] waits until the caller has
// closed the rows.
func (db *DB) queryPool(ctx context.Context, conns *connections, from *sql.DB, query string, args ...any) (*sql.Rows, error) {
	if !saturated(from) {
		return from.QueryContext(ctx, query, args...)
	}
	conn, err := db.takeConn(ctx, from)
	if err != nil {
		return nil, err
	}
	rows, err := conn.QueryContext(ctx, query, args...)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	go func() { _ = conn.Close() }()
	return rows, nil
}

func saturated(pool *sql.DB) bool {
	stats := pool.Stats()
	return stats.InUse >= stats.MaxOpenConnections
}

// takeConn takes a connection. It waits no longer than the BusyTimeout setting.
func (db *DB) takeConn(ctx context.Context, from *sql.DB) (*sql.Conn, error) {
	wait, cancel := context.WithTimeoutCause(ctx, db.cfg.BusyTimeout, errBusy)
	defer cancel()
	conn, err := from.Conn(wait)
	if err != nil && errors.Is(context.Cause(wait), errBusy) {
		return nil, busy(fmt.Errorf("%w: %w", errBusy, err))
	}
	return conn, err
}

// takeLock waits for the writer lock of SQLite, no longer than the BusyTimeout setting. On Postgres it does nothing.
func (db *DB) takeLock(ctx context.Context, conns *connections) (release func(), err error) {
	if conns.lock == nil {
		return func() {}, nil
	}
	if _, err := conns.lock.take(ctx, db.cfg.BusyTimeout, false); err != nil {
		return nil, err
	}
	return conns.lock.release, nil
}

// failedRow returns a row whose Scan fails with err. Only database/sql can make a row, so it gets a connector that fails.
func failedRow(ctx context.Context, err error) *sql.Row {
	db := sql.OpenDB(failingConnector{err})
	defer func() { _ = db.Close() }()
	return db.QueryRowContext(context.WithoutCancel(ctx), "")
}

type failingConnector struct{ err error }

func (c failingConnector) Connect(context.Context) (driver.Conn, error) { return nil, c.err }
func (c failingConnector) Driver() driver.Driver                        { return nil }

// searchShare bounds how many searches run at a time: MaxConns divided by it, and at least one.
const searchShare = 4

// Search implements app.Searcher. The context of fn ends after the SearchTimeout setting, which includes the wait for a place. There are
// places for a quarter of the connections, and at least one: searches may read whole tables, and must leave connections to the others.
// In a transaction, fn uses the connection of the transaction and needs no place.
func (p *pool) Search(ctx context.Context, fn func(ctx context.Context) error) error {
	run, cancel := context.WithTimeout(ctx, p.db.cfg.SearchTimeout)
	defer cancel()
	if _, inside := TxFrom(ctx); !inside {
		select {
		case p.db.searches <- struct{}{}:
			defer func() { <-p.db.searches }()
		case <-run.Done():
			if err := ctx.Err(); err != nil {
				return err
			}
			return retryLater(app.Errorf(app.Unavailable, "too many searches are running; try again"))
		}
	}
	err := fn(run)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return app.Errorf(app.TimedOut, "the search took too long; narrow it").Because(err)
	}
	return err
}
