package database_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	"plugboard/app/apptest/pgrelay"
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

// few is a small pool.
const few = 4

func throughRelay(t *testing.T, maxConns int) (*database.DB, *pgrelay.Relay) {
	t.Helper()
	cfg := settings(t, database.Postgres)
	cfg.MaxConns = maxConns
	relay, through, err := pgrelay.Through(cfg.URL)
	require.NoError(t, err)
	t.Cleanup(relay.Close)
	cfg.URL = through
	return opened(t, cfg), relay
}

func TestConnectionsAreReplacedWhenTheyBreak(t *testing.T) {
	t.Parallel()
	db, relay := throughRelay(t, few)
	for i := range 3 {
		relay.Cut()
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error { return add(ctx, db, fmt.Sprint("cut ", i)) }))
	}
	runs := 0
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
		require.NoError(t, add(ctx, db, fmt.Sprint("run ", runs)))
		if runs++; runs == 1 {
			relay.Cut()
		}
		return add(ctx, db, "in the middle")
	}))
	require.Equal(t, 2, runs)
	require.Equal(t, 5, count(t.Context(), t, db))
}

// A commit whose answer is lost may have happened: it is not done again, and nobody is told to.
func TestConnectionLostWhileCommitting(t *testing.T) {
	t.Parallel()
	db, relay := throughRelay(t, few)
	runs := 0
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		runs++
		tx, _ := database.TxFrom(ctx)
		tx.Attach(nil, database.Participant{BeforeCommit: func(context.Context) error {
			lose := func([]byte) bool { return true }
			relay.Lose.Store(&lose)
			return nil
		}})
		return add(ctx, db, "one")
	})
	relay.Lose.Store(nil)
	var failure *app.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, app.Unavailable, failure.Code)
	require.Zero(t, failure.RetryAfter, "%v", err)
	require.ErrorContains(t, err, "whether the transaction was committed is unknown")
	require.Equal(t, 1, runs, "what may have happened is not done again")
	require.Eventually(t, func() bool { return count(t.Context(), t, db) == 1 }, 20*time.Second, 10*time.Millisecond, "here it has")
}

// A statement outside a transaction whose answer was lost was run again by database/sql, and took effect twice: the driver
// says that such a connection is as good as never used.
func TestAStatementWhoseAnswerIsLostIsNotRunAgain(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(ctx context.Context, db *database.DB) error{
		"without arguments": func(ctx context.Context, db *database.DB) error {
			return db.Gorm().WithContext(ctx).Exec("UPDATE lamps SET watts = watts + 1").Error
		},
		"with arguments": func(ctx context.Context, db *database.DB) error {
			return db.Gorm().WithContext(ctx).Exec("UPDATE lamps SET watts = watts + ?", 1).Error
		},
		"with rows": func(ctx context.Context, db *database.DB) error {
			return db.Gorm().WithContext(ctx).Raw("UPDATE lamps SET watts = watts + 1 RETURNING watts").Row().Scan(new(int))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, relay := throughRelay(t, few)
			require.NoError(t, add(t.Context(), db, "a"))
			require.NoError(t, run(t.Context(), db), "it is prepared")
			var lost atomic.Int64
			lose := func(p []byte) bool { // of the UPDATE alone
				return bytes.Contains(p, []byte("UPDATE 1")) && lost.Add(1) == 1
			}
			relay.Lose.Store(&lose)
			require.Error(t, run(t.Context(), db))
			require.Equal(t, int64(1), lost.Load())
			var watts int
			require.NoError(t, db.Gorm().WithContext(t.Context()).Model(&Lamp{}).Pluck("watts", &watts).Error)
			require.Equal(t, 7, watts)
		})
	}
}

// A transaction whose connection broke before COMMIT was sent was called one of which nobody knows whether it was
// committed. It certainly was not, and is tried again.
func TestConnectionLostBeforeTheCommit(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(ctx context.Context, t *testing.T, db *database.DB, relay *pgrelay.Relay){
		"the connection breaks": func(_ context.Context, _ *testing.T, _ *database.DB, relay *pgrelay.Relay) { relay.Cut() },
		"a statement noticed, and nobody looked": func(ctx context.Context, _ *testing.T, db *database.DB, relay *pgrelay.Relay) {
			relay.Cut()
			_ = add(ctx, db, "lost")
		},
		"the server ends the session": func(ctx context.Context, t *testing.T, db *database.DB, _ *pgrelay.Relay) {
			t.Helper()
			var pid int
			require.NoError(t, db.Gorm().WithContext(ctx).Raw("SELECT pg_backend_pid()").Row().Scan(&pid))
			onServer(t, fmt.Sprintf("SELECT pg_terminate_backend(%d, 10000)", pid))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, relay := throughRelay(t, few)
			for _, times := range []int{1, 100} {
				runs := 0
				err := db.InTx(t.Context(), func(ctx context.Context) error {
					runs++
					tx, _ := database.TxFrom(ctx)
					tx.Attach(nil, database.Participant{BeforeCommit: func(ctx context.Context) error {
						if runs <= times {
							lose(ctx, t, db, relay)
						}
						return nil
					}})
					return add(ctx, db, fmt.Sprint("one of ", times))
				})
				if times == 1 {
					require.NoError(t, err)
					require.Equal(t, 2, runs)
					continue
				}
				require.Equal(t, app.Unavailable, app.CodeOf(err), "%v", err)
				require.NotContains(t, err.Error(), "unknown")
				require.Greater(t, runs, 1)
			}
			require.Equal(t, []string{"one of 1"}, names(t.Context(), t, db))
		})
	}
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
