package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
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
	connector, params := db.newPostgresConnector(map[string]string{
		"statement_timeout":                   milliseconds(statementTimeout),
		"lock_timeout":                        milliseconds(db.cfg.BusyTimeout),
		"idle_in_transaction_session_timeout": milliseconds(idleTxTimeout),
	})
	pool := sql.OpenDB(connector)
	if err := untilAnswer(ctx, func(ctx context.Context) error { return checkServer(ctx, pool, connector, params) }); err != nil {
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

// newPostgresPool makes a pool whose connections have the given parameters, for a server that [checkServer] has been held
// against.
func (db *DB) newPostgresPool(params map[string]string) *sql.DB {
	connector, session := db.newPostgresConnector(params)
	connector.sessions.begin(session)
	return sql.OpenDB(connector)
}

// newPostgresConnector returns what makes connections, and what each of them is to be given: params, unless the URL says
// otherwise. The time zone is always UTC.
func (db *DB) newPostgresConnector(params map[string]string) (pgConnector, *session) {
	config := db.source.config.Copy()
	all := map[string]string{"application_name": "plugboard"}
	maps.Copy(all, params)
	for name, value := range config.RuntimeParams {
		all[strings.ToLower(name)] = value
	}
	all["timezone"] = "UTC"
	session := newSession(all)
	config.RuntimeParams = all
	return newPgConnector(config, signs{&db.vitals, db.logger}), session
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }

// name tells which database it is, without a password.
func (s source) name() string {
	if s.dialect == SQLite {
		return s.file
	}
	return fmt.Sprintf("%q on %s:%d as %q", s.config.Database, s.config.Host, s.config.Port, s.config.User)
}

// untilAnswer asks the server until it answers, ctx is done, or the answer is a refusal that time does not mend. An attempt that
// is cut off since the time is over does not say what is wrong; the one before it does.
func untilAnswer(ctx context.Context, ask func(context.Context) error) error {
	var reason error
	for attempt := 1; ; attempt++ {
		err := ask(ctx)
		if err == nil || refused(err) {
			return err
		}
		if ctx.Err() == nil || reason == nil {
			reason = err
		}
		if !sleep(ctx, min(backoff(attempt), 500*time.Millisecond)) {
			return reason
		}
	}
}

// checkServer asks the server whether it is fit for use, and has the connections of pool, which connector makes, begin their
// sessions.
func checkServer(ctx context.Context, pool *sql.DB, connector pgConnector, next *session) error {
	if err := checkSessions(ctx, pool); err != nil {
		return err
	}
	connector.sessions.begin(next)
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

// refused tells whether the server said no: wrong user, password or database, or a parameter in the URL that it does not
// know, or not with this value.
func refused(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return slices.Contains([]string{"28P01", "28000", "3D000", "42704", "22023"}, pg.Code)
	}
	return errors.Is(err, errRefused)
}
