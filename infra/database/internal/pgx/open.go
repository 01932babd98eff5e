// Package pgx opens connections to Postgres through the driver of the same name.
//
// [Open] refuses a server that does not fit, such as a pooler that moves a client between sessions. The connections save round
// trips: they send BEGIN with the first statement of a transaction, and the last statements with COMMIT. For that, wire.go changes the
// bytes between the driver and the server; a BEGIN in a round trip of its own costs 11 % of the transactions per second (docs/adr/0012).
// If the answer to a statement is lost, the statement is not run again. If a commit fails, the error says whether the work may have
// been stored. The package knows nothing of how transactions are nested or run again. What it opens is a [sql.DB], safe for concurrent
// use.
package pgx

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

	"plugboard/app"
	"plugboard/infra/database/internal/contract"
	"plugboard/infra/internal/retry"
)

const (
	// statementTimeout ends a statement whose client is gone. A client that still waits has a shorter deadline.
	statementTimeout = 2 * time.Minute
	// idleTxTimeout ends a transaction whose client is gone, which frees its locks.
	idleTxTimeout = time.Minute
	// connIdleTime lets a pool shrink. connLifetime lets it move to other servers behind one name.
	connIdleTime = 5 * time.Minute
	connLifetime = time.Hour
	// firstWait and longestWait bound the wait between two attempts to reach the server.
	firstWait   = 10 * time.Millisecond
	longestWait = 500 * time.Millisecond
)

// Config says what to connect to, and for whom.
type Config struct {
	Source
	// Service is the name that the server shows for the connections, unless the URL gives another.
	Service string
	// MaxConns is the most connections at the same time.
	MaxConns int
	// LockTimeout is how long a statement waits for a lock.
	LockTimeout time.Duration
	// Health is told of commits and failures.
	Health contract.Health
}

// Open connects, trying until ctx is done.
func Open(ctx context.Context, cfg Config) (*sql.DB, error) {
	connector, params := newConnectorAndParams(cfg, map[string]string{
		"statement_timeout":                   milliseconds(statementTimeout),
		"lock_timeout":                        milliseconds(cfg.LockTimeout),
		"idle_in_transaction_session_timeout": milliseconds(idleTxTimeout),
	})
	pool := sql.OpenDB(connector)
	if err := untilAnswer(ctx, func(ctx context.Context) error { return checkServer(ctx, pool, connector, params) }); err != nil {
		_ = pool.Close()
		return nil, fmt.Errorf("open database %s: %w", cfg.Name(), err)
	}
	pool.SetMaxOpenConns(cfg.MaxConns)
	pool.SetMaxIdleConns(cfg.MaxConns)
	pool.SetConnMaxIdleTime(connIdleTime)
	pool.SetConnMaxLifetime(connLifetime)
	return pool, nil
}

// OpenMigrations returns a pool for migrations, whose statements may take as long as they need. The server is one that [Open]
// has found fit.
func OpenMigrations(cfg Config) *sql.DB {
	connector, params := newConnectorAndParams(cfg, map[string]string{
		"statement_timeout": "0", "lock_timeout": milliseconds(cfg.LockTimeout),
	})
	connector.params.set(params)
	return sql.OpenDB(connector)
}

// newConnectorAndParams returns a connector, and the parameters that its connections set by a statement. Parameters in the URL take
// precedence over params. The time zone is always UTC.
func newConnectorAndParams(cfg Config, params map[string]string) (connector, *sessionParams) {
	config := cfg.config.Copy()
	all := map[string]string{"application_name": cfg.Service}
	maps.Copy(all, params)
	for name, value := range config.RuntimeParams {
		all[strings.ToLower(name)] = value
	}
	all["timezone"] = "UTC"
	forSession := newSessionParams(all)
	config.RuntimeParams = all
	return newConnector(config, cfg.Health), forSession
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }

// untilAnswer asks the server until it answers, refuses for good, or ctx ends. If the end of ctx cuts off the last attempt, the error is
// that of the attempt before, which says more.
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
		if !app.Sleep(ctx, retry.Backoff(attempt, firstWait, longestWait)) {
			return reason
		}
	}
}

// checkServer checks that the server fits, and makes the connections of pool use the parameters next. connector is the pool's.
func checkServer(ctx context.Context, pool *sql.DB, connector connector, next *sessionParams) error {
	if err := checkSessions(ctx, pool); err != nil {
		return err
	}
	connector.params.set(next)
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

// refused is true if another attempt is useless: the user, the password or the database is wrong, or the server does not know the name
// or the value of a parameter in the URL.
func refused(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return slices.Contains([]string{"28P01", "28000", "3D000", "42704", "22023"}, pg.Code)
	}
	return errors.Is(err, errRefused)
}

// AddToCommit gives the transaction that is open on conn statements to send together with its COMMIT, in one round trip.
func AddToCommit(conn *sql.Conn, last []FinalStatement) error {
	return conn.Raw(func(driven any) error {
		driven.(*connection).withCommit = last //nolint:forcetypeassert // of our connector
		return nil
	})
}
