package database_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/database"
)

func TestFailuresOfOthersAreRetried(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		runs := 0
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			runs++
			require.NoError(t, add(ctx, db, fmt.Sprint("run ", runs)))
			if runs < 3 {
				return fmt.Errorf("update: %w", &pgconn.PgError{Code: "40001"})
			}
			return nil
		}))
		require.Equal(t, 3, runs)
		require.Equal(t, 1, count(t.Context(), t, db))

		runs = 0
		err := db.InTx(t.Context(), func(context.Context) error {
			runs++
			return &pgconn.PgError{Code: "40P01"}
		})
		require.Equal(t, app.Unavailable, app.CodeOf(err))
		require.Equal(t, 5, runs)

		runs = 0
		_ = db.InTx(t.Context(), func(ctx context.Context) error {
			return db.InTx(ctx, func(context.Context) error {
				runs++
				if runs == 1 {
					return &pgconn.PgError{Code: "40001"}
				}
				return errBoom
			})
		})
		require.Equal(t, 2, runs, "only the top level is tried again")
	})
}

// Two transactions that lock the same rows in opposite order; Postgres ends one of them.
func TestDeadlockIsRetried(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.Postgres)
	require.NoError(t, add(t.Context(), db, "a"))
	require.NoError(t, add(t.Context(), db, "b"))
	var (
		both, all sync.WaitGroup
		attempts  atomic.Int64
		errs      [2]error
	)
	both.Add(2)
	for i, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		all.Go(func() {
			first := sync.OnceFunc(func() { both.Done(); both.Wait() })
			errs[i] = db.InTx(t.Context(), func(ctx context.Context) error {
				attempts.Add(1)
				for _, name := range order {
					if err := db.Gorm().WithContext(ctx).Exec("UPDATE lamps SET watts = watts + 1 WHERE name = ?", name).Error; err != nil {
						return err
					}
					first()
				}
				return nil
			})
		})
	}
	all.Wait()
	require.NoError(t, errors.Join(errs[:]...))
	require.Greater(t, attempts.Load(), int64(2))
	var watts []int
	require.NoError(t, db.Gorm().WithContext(t.Context()).Model(&Lamp{}).Pluck("watts", &watts).Error)
	require.Equal(t, []int{7, 7}, watts)
}

// relay stands between the service and Postgres, so that the test can break the connection, count what the service
// sends, and change it.
type relay struct {
	listener net.Listener
	backend  string
	mu       sync.Mutex
	conns    []net.Conn
	all      sync.WaitGroup
	// sent counts the messages of the service that it waits for the answer to.
	sent atomic.Int64
	// rewrite changes what the service sends; it may be nil.
	rewrite atomic.Pointer[func([]byte) []byte]
}

func newRelay(t *testing.T, backend string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{listener: listener, backend: backend}
	r.all.Go(r.serve)
	t.Cleanup(func() {
		_ = listener.Close()
		r.cut()
		r.all.Wait()
	})
	return r
}

func (r *relay) serve() {
	for {
		front, err := r.listener.Accept()
		if err != nil {
			return
		}
		back, err := net.Dial("unix", r.backend)
		if err != nil {
			_ = front.Close()
			continue
		}
		r.mu.Lock()
		r.conns = append(r.conns, front, back)
		r.mu.Unlock()
		r.all.Go(func() { r.forward(back, front); _ = back.Close() })
		r.all.Go(func() { _, _ = io.Copy(front, back); _ = front.Close() })
	}
}

func (r *relay) forward(back, front net.Conn) {
	p := make([]byte, 64<<10)
	for {
		n, err := front.Read(p)
		if err != nil {
			return
		}
		r.sent.Add(1)
		out := p[:n]
		if rewrite := r.rewrite.Load(); rewrite != nil {
			out = (*rewrite)(out)
		}
		if _, err := back.Write(out); err != nil {
			return
		}
	}
}

// cut breaks all connections.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.conns = nil
}

// few is a small pool.
const few = 4

func throughRelay(t *testing.T, maxConns int) (*database.DB, *relay) {
	t.Helper()
	cfg := settings(t, database.Postgres)
	cfg.MaxConns = maxConns
	u, err := url.Parse(cfg.URL)
	require.NoError(t, err)
	q := u.Query()
	socket := filepath.Join(q.Get("host"), ".s.PGSQL.5432")
	if _, err := os.Stat(socket); err != nil {
		t.Skip("TEST_DATABASE_URL does not lead to a socket folder")
	}
	r := newRelay(t, socket)
	q.Del("host")
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = r.listener.Addr().String(), q.Encode()
	cfg.URL = u.String()
	return opened(t, cfg), r
}

func TestConnectionsAreReplacedWhenTheyBreak(t *testing.T) {
	t.Parallel()
	db, relay := throughRelay(t, few)
	for i := range 3 {
		relay.cut()
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error { return add(ctx, db, fmt.Sprint("cut ", i)) }))
	}
	runs := 0
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
		require.NoError(t, add(ctx, db, fmt.Sprint("run ", runs)))
		if runs++; runs == 1 {
			relay.cut()
		}
		return add(ctx, db, "in the middle")
	}))
	require.Equal(t, 2, runs)
	require.Equal(t, 5, count(t.Context(), t, db))
}

func TestConnectionLostWhileCommitting(t *testing.T) {
	t.Parallel()
	db, relay := throughRelay(t, few)
	runs := 0
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		runs++
		tx, _ := database.TxFrom(ctx)
		tx.BeforeCommit(func(context.Context) error { relay.cut(); return nil })
		return add(ctx, db, "one")
	})
	require.Equal(t, app.Unavailable, app.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, "whether the transaction was committed is unknown")
	require.Equal(t, 1, runs, "what may have happened is not done again")
}

func TestServerEndsTheSession(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.Postgres)
	runs := 0
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
		if runs++; runs == 1 {
			var pid int
			require.NoError(t, db.Gorm().WithContext(ctx).Raw("SELECT pg_backend_pid()").Row().Scan(&pid))
			onServer(t, fmt.Sprintf("SELECT pg_terminate_backend(%d, 10000)", pid))
		}
		return add(ctx, db, "one")
	}))
	require.Equal(t, 2, runs)
}

func TestOpenWaitsForTheServer(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.Postgres)
	u, err := url.Parse(cfg.URL)
	require.NoError(t, err)
	q := u.Query()
	folder := t.TempDir()
	socket := filepath.Join(q.Get("host"), ".s.PGSQL.5432")
	if _, err := os.Stat(socket); err != nil {
		t.Skip("TEST_DATABASE_URL does not lead to a socket folder")
	}
	q.Set("host", folder)
	u.RawQuery = q.Encode()
	cfg.URL = u.String()
	db := mustNew(t, cfg)
	done := make(chan error, 1)
	go func() { done <- db.Open(t.Context()) }()
	select {
	case err := <-done:
		t.Fatalf("there is no server yet: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	require.NoError(t, os.Symlink(socket, filepath.Join(folder, ".s.PGSQL.5432")))
	require.NoError(t, <-done)
	require.NoError(t, db.Close(t.Context()))
}
