package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// statementTimeout ends a statement that its client has forgotten; a client that still waits has a
	// shorter deadline.
	statementTimeout = 2 * time.Minute
	// idleTxTimeout ends a transaction whose client has forgotten it, and frees its locks.
	idleTxTimeout = time.Minute
	// migrationLockTimeout is how long a migration waits for a table. While it waits, the table's later
	// users wait behind it.
	migrationLockTimeout = 30 * time.Second
	// connIdleTime and connLifetime let a pool shrink, and move on to other servers behind one name.
	connIdleTime = 5 * time.Minute
	connLifetime = time.Hour
)

// openPostgres connects, trying until ctx is done.
func (db *DB) openPostgres(ctx context.Context) (*connections, error) {
	pool := db.newPostgresPool(map[string]string{
		"statement_timeout":                   milliseconds(statementTimeout),
		"lock_timeout":                        milliseconds(db.cfg.BusyTimeout),
		"idle_in_transaction_session_timeout": milliseconds(idleTxTimeout),
	})
	if err := untilAnswer(ctx, pool); err != nil {
		_ = pool.Close()
		return nil, fmt.Errorf("open database %s: %w", db.source.name(), err)
	}
	pool.SetMaxOpenConns(db.cfg.MaxConns)
	pool.SetMaxIdleConns(db.cfg.MaxConns)
	pool.SetConnMaxIdleTime(connIdleTime)
	pool.SetConnMaxLifetime(connLifetime)
	conns := &connections{writer: pool, reader: pool}
	conns.close = func(context.Context) error { return pool.Close() }
	return conns, nil
}

// newPostgresPool makes a pool whose connections have the given parameters, unless the URL says otherwise. The
// time zone is always UTC.
func (db *DB) newPostgresPool(params map[string]string) *sql.DB {
	config := db.source.config.Copy()
	defaults := map[string]string{"application_name": "plugboard"}
	maps.Copy(defaults, params)
	maps.Copy(defaults, config.RuntimeParams)
	defaults["timezone"] = "UTC"
	config.RuntimeParams = defaults
	return sql.OpenDB(newPgConnector(config))
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }

// name tells which database it is, without a password.
func (s source) name() string {
	if s.dialect == SQLite {
		return s.file
	}
	return fmt.Sprintf("%q on %s:%d as %q", s.config.Database, s.config.Host, s.config.Port, s.config.User)
}

// untilAnswer asks the server for its settings until it answers, ctx is done, or the answer is a refusal that time
// does not mend.
func untilAnswer(ctx context.Context, pool *sql.DB) error {
	for attempt := 1; ; attempt++ {
		err := checkServer(ctx, pool)
		if err == nil || refused(err) {
			return err
		}
		if !sleep(ctx, min(backoff(attempt), 500*time.Millisecond)) {
			return err
		}
	}
}

func checkServer(ctx context.Context, pool *sql.DB) error {
	var encoding string
	if err := pool.QueryRowContext(ctx, "SHOW server_encoding").Scan(&encoding); err != nil {
		return err
	}
	if encoding != "UTF8" {
		return fmt.Errorf("%w: its encoding is %s; create it with ENCODING 'UTF8'", errRefused, encoding)
	}
	return nil
}

var errRefused = errors.New("this database cannot be used")

// refused tells whether the server said no: wrong user, password or database.
func refused(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "28P01" || pg.Code == "28000" || pg.Code == "3D000"
	}
	return errors.Is(err, errRefused)
}
