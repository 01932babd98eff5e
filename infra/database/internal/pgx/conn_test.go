package pgx

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"plugboard/infra/database/internal/contract"
)

// told is a health that notes what it is told.
type told struct {
	mu      sync.Mutex
	commits int
	errs    []error
}

func (h *told) Committed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.commits++
}

func (h *told) Failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.errs = append(h.errs, err)
}

// testSource returns the server that TEST_DATABASE_URL names.
func testSource(t *testing.T) Source {
	t.Helper()
	raw := os.Getenv("TEST_DATABASE_URL")
	if raw == "" {
		t.Skip("TEST_DATABASE_URL is not set; make test sets it")
	}
	source, err := ParseURL(raw)
	require.NoError(t, err)
	return source
}

// opened returns connections to the test server, and who is told of their health.
func opened(t *testing.T) (*sql.DB, *told) {
	t.Helper()
	return openedAt(t, testSource(t))
}

func openedAt(t *testing.T, source Source) (*sql.DB, *told) {
	t.Helper()
	health := &told{}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	pool, err := Open(ctx, Config{Source: source, MaxConns: 2, LockTimeout: 5 * time.Second, Health: health})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	return pool, health
}

// began returns a transaction that has an empty table things of its own.
func began(t *testing.T, pool *sql.DB) *sql.Tx {
	t.Helper()
	tx, err := pool.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback() })
	_, err = tx.ExecContext(t.Context(), "CREATE TEMPORARY TABLE things (id int PRIMARY KEY) ON COMMIT DROP")
	require.NoError(t, err)
	return tx
}

func TestATransactionFailsAsAWhole(t *testing.T) {
	t.Parallel()
	pool, health := opened(t)
	tx := began(t, pool)
	_, err := tx.ExecContext(t.Context(), "SELECT 1 / 0")
	require.Error(t, err)
	require.Len(t, health.errs, 1)
	_, err = tx.ExecContext(t.Context(), "INSERT INTO things VALUES (1)")
	fault, ok := Fault(err)
	require.True(t, ok)
	require.Equal(t, contract.TxFailed, fault.Kind)
	require.ErrorIs(t, tx.Commit(), contract.ErrTxFailed)
}

func TestATransactionIsNotEndedBehindItsBack(t *testing.T) {
	t.Parallel()
	pool, _ := opened(t)
	tx := began(t, pool)
	for _, query := range []string{"COMMIT", "ROLLBACK", "SELECT 1; COMMIT"} {
		_, err := tx.ExecContext(t.Context(), query)
		require.ErrorContains(t, err, "must not be run in an open transaction")
	}
	rows, err := tx.QueryContext(t.Context(), "SELECT generate_series(1, 3)")
	require.NoError(t, err)
	require.True(t, rows.Next())
	_, err = tx.ExecContext(t.Context(), "INSERT INTO things VALUES (1)")
	require.ErrorIs(t, err, contract.ErrRowsOpen)
	require.NoError(t, rows.Close())
	require.NoError(t, rows.Err())
	_, err = tx.ExecContext(t.Context(), "INSERT INTO things VALUES (1)")
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
}

// The last statements go out with COMMIT. When one fails nothing is committed, and the error says which one it was.
func TestAddToCommit(t *testing.T) {
	t.Parallel()
	pool, health := opened(t)
	conn, err := pool.Conn(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = conn.ExecContext(t.Context(), "CREATE TEMPORARY TABLE things (id int PRIMARY KEY)")
	require.NoError(t, err)
	commit := func(values ...int) error {
		tx, err := conn.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		_, err = tx.ExecContext(t.Context(), "INSERT INTO things VALUES ($1)", values[0])
		require.NoError(t, err)
		var last []FinalStatement
		for _, v := range values[1:] {
			last = append(last, FinalStatement{Purpose: "store the rest", Query: "INSERT INTO things VALUES ($1)", Args: []any{v}})
		}
		require.NoError(t, AddToCommit(conn, last))
		return tx.Commit()
	}
	require.NoError(t, commit(1, 2, 3))
	require.Equal(t, 1, health.commits)
	require.ErrorContains(t, commit(4, 5, 1), "store the rest: ")
	require.Equal(t, 1, health.commits)
	require.NoError(t, commit(6), "the statements of one transaction are not those of the next")
	var n int
	require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT count(*) FROM things").Scan(&n))
	require.Equal(t, 4, n)
}

// A session that was ended while nobody used it costs its transaction an attempt, and says why; nothing is committed.
func TestACommitOnAnEndedSession(t *testing.T) {
	t.Parallel()
	pool, _ := opened(t)
	tx := began(t, pool)
	var pid int
	require.NoError(t, tx.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid))
	_, err := pool.ExecContext(t.Context(), "SELECT pg_terminate_backend($1, 10000)", pid)
	require.NoError(t, err)
	err = tx.Commit()
	require.Error(t, err)
	require.NotErrorIs(t, err, contract.ErrCommitUnknown)
	require.NoError(t, pool.PingContext(t.Context()), "the pool has others")
}

// A server committed a transaction and was stopped before it was ready for the next statement. Its last word, 57P01, counted as the
// failure of the commit: the transaction was run again, and its work was stored twice.
func TestACommitStandsWhenTheSessionEndsAfterIt(t *testing.T) {
	t.Parallel()
	for name, last := range map[string][]FinalStatement{
		"COMMIT alone":         nil,
		"with last statements": {{Purpose: "store the rest", Query: "INSERT INTO things VALUES ($1)", Args: []any{2}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := testSource(t)
			source.config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
				var dialer net.Dialer
				conn, err := dialer.DialContext(ctx, network, address)
				return &stoppedAfterCommit{Conn: conn}, err
			}
			pool, health := openedAt(t, source)
			conn, err := pool.Conn(t.Context())
			require.NoError(t, err)
			defer func() { _ = conn.Close() }() // the ping below closes it
			tx, err := conn.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			for _, query := range []string{"CREATE TEMPORARY TABLE things (id int)", "INSERT INTO things VALUES (1)"} {
				_, err = tx.ExecContext(t.Context(), query)
				require.NoError(t, err)
			}
			require.NoError(t, AddToCommit(conn, last))
			require.NoError(t, tx.Commit())
			require.Equal(t, 1, health.commits)
			require.Error(t, conn.PingContext(t.Context()), "the session has ended")
			require.NoError(t, pool.PingContext(t.Context()), "the pool has others")
		})
	}
}

// stoppedAfterCommit is a connection whose server is stopped right after its first COMMIT.
type stoppedAfterCommit struct {
	net.Conn
	stopped bool
}

func (c *stoppedAfterCommit) Read(p []byte) (int, error) {
	if c.stopped {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(p)
	committed := []byte("COMMIT\x00")
	i := bytes.Index(p[:n], append(committed, "Z\x00\x00\x00\x05I"...))
	if err != nil || i < 0 {
		return n, err
	}
	c.stopped = true
	fatal, err := (&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "57P01", Message: "stopped"}).Encode(nil)
	n = i + len(committed)
	return n + copy(p[n:], fatal), err
}

// A transaction without statements never reaches the server, and a changed session never reaches another user.
func TestNothingIsLeftInASession(t *testing.T) {
	t.Parallel()
	pool, health := opened(t)
	tx, err := pool.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	require.Zero(t, health.commits)
	for _, query := range []string{"SET statement_timeout = '1s'", "SET ROLE NONE"} {
		conn, err := pool.Conn(t.Context())
		require.NoError(t, err)
		_, err = conn.ExecContext(t.Context(), query)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
	for range 3 {
		var timeout string
		require.NoError(t, pool.QueryRowContext(t.Context(), "SHOW statement_timeout").Scan(&timeout))
		require.Equal(t, "2min", timeout)
	}
}

func TestChangesSession(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		word, rest string
		want       bool
	}{
		{"SET", " search_path = x", true}, {"SET", " SESSION x = 1", true}, {"RESET", " ALL", true}, {"DISCARD", " ALL", true},
		{"DEALLOCATE", " x", true}, {"SET", " LOCAL x = 1", false}, {"SET", " transaction read only", false},
		{"SET", " CONSTRAINTS ALL DEFERRED", false}, {"SELECT", " 1", false},
	} {
		require.Equal(t, c.want, changesSession(c.word, c.rest), c.word+c.rest)
	}
}

func TestBeginStatement(t *testing.T) {
	t.Parallel()
	for opts, want := range map[driver.TxOptions]string{
		{}:               "begin",
		{ReadOnly: true}: "begin read only",
		{Isolation: driver.IsolationLevel(sql.LevelSerializable), ReadOnly: true}: "begin isolation level Serializable read only",
		{Isolation: driver.IsolationLevel(sql.LevelSnapshot)}:                     "begin isolation level Repeatable Read",
	} {
		begin, err := beginStatement(opts)
		require.NoError(t, err)
		require.Equal(t, want, begin)
	}
	_, err := beginStatement(driver.TxOptions{Isolation: driver.IsolationLevel(sql.LevelLinearizable)})
	require.ErrorContains(t, err, "Postgres has no isolation level")
}

// A connection that was idle for long, or when another one was found dead, is asked whether it lives.
func TestShouldPing(t *testing.T) {
	t.Parallel()
	h := &poolHealth{}
	idle := func(d time.Duration) bool {
		return h.shouldPing(t.Context(), stdlib.ShouldPingParams{IdleDuration: d})
	}
	require.False(t, idle(trustFor/2))
	require.True(t, idle(2*trustFor))
	now := time.Now()
	h.lastLoss.Store(&now)
	require.False(t, idle(0), "it was used after that")
	require.True(t, idle(trustFor/2), "it was idle when another one was found dead")
}

// What PgBouncer would refuse at the start of a connection is set by a statement.
func TestNewSessionParams(t *testing.T) {
	t.Parallel()
	params := map[string]string{"application_name": "x", "timezone": "UTC", "statement_timeout": "1000", "lock_timeout": "7"}
	s := newSessionParams(params)
	require.Equal(t, []string{"lock_timeout", "statement_timeout"}, s.names)
	require.Equal(t, []string{"7", "1000"}, s.values)
	require.Equal(t, map[string]string{"application_name": "x", "timezone": "UTC"}, params)
}

func TestExaminations(t *testing.T) {
	t.Parallel()
	pool, _ := opened(t)
	require.NoError(t, Writable(t.Context(), pool))
	var tables Tables
	require.NoError(t, tables.Check(t.Context(), pool, false))
	require.NoError(t, tables.Check(t.Context(), pool, true))
	conn, err := pool.Conn(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = conn.ExecContext(t.Context(), "SET default_transaction_read_only = on")
	require.NoError(t, err)
	readOnly, err := conn.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = readOnly.ExecContext(t.Context(), "CREATE TABLE never (id int)")
	fault, _ := Fault(err)
	require.Equal(t, contract.Fault{Kind: contract.Unavailable, Number: "SQLSTATE 25006", Absent: true, Storage: true}, fault)
	require.NoError(t, readOnly.Rollback())
}
