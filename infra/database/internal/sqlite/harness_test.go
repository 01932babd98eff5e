package sqlite

import (
	"context"
	"database/sql"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
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

// settings are those of a file that is not there yet. turn is the writer's: whoever sends to it holds the turn.
func settings(t testing.TB) (cfg Config, turn chan struct{}) {
	t.Helper()
	return settingsOf(filepath.Join(t.TempDir(), "data", "x.db"))
}

func settingsOf(file string) (cfg Config, turn chan struct{}) {
	turn = make(chan struct{}, 1)
	return Config{
		File: file, MaxConns: 4, BusyTimeout: 5 * time.Second, Logger: zap.NewNop(), Health: &told{},
		Turn: func(ctx context.Context) (func(), error) {
			select {
			case turn <- struct{}{}:
				return func() { <-turn }, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	}, turn
}

// opened returns an open database with a table things.
func opened(t testing.TB) *Database {
	t.Helper()
	cfg, _ := settings(t)
	return openedWith(t, cfg)
}

func openedWith(t testing.TB, cfg Config) *Database {
	t.Helper()
	d, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second) // a failed test may hold the writer
		defer cancel()
		require.NoError(t, d.Close(ctx))
	})
	run(t, d.Writer, "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE, parent INTEGER REFERENCES things (id))")
	return d
}

type executor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func run(t testing.TB, on executor, query string, args ...any) {
	t.Helper()
	_, err := on.ExecContext(t.Context(), query, args...)
	require.NoError(t, err)
}

// value reads one value as a text.
func value(t testing.TB, pool *sql.DB, query string) (v string) {
	t.Helper()
	require.NoError(t, pool.QueryRowContext(t.Context(), query).Scan(&v))
	return v
}
