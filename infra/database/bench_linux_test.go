package database_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver compared with

	"plugboard/config"
	"plugboard/infra/database"
)

// raw opens the same database with database/sql alone, with the same pragmas.
func raw(b *testing.B, cfg config.Database, dialect database.Dialect) *sql.DB {
	b.Helper()
	if dialect == database.Postgres {
		parsed, err := pgx.ParseConfig(cfg.URL)
		require.NoError(b, err)
		db := stdlib.OpenDB(*parsed)
		b.Cleanup(func() { _ = db.Close() })
		return db
	}
	db, err := sql.Open("sqlite", "file:"+cfg.URL[len("sqlite:"):]+"?_txlock=immediate&_time_format=sqlite&"+
		"_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=foreign_keys(on)")
	require.NoError(b, err)
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { _ = db.Close() })
	return db
}

// processor reports the processor time of each operation, which a busy machine disturbs less than the time that passes.
func processor(b *testing.B) {
	b.Helper()
	used := func() int64 {
		var u syscall.Rusage
		require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	b.Cleanup(func() { b.ReportMetric(float64(used()-before)/float64(max(b.N, 1)), "cpu-ns/op") })
}

// The cost of InTx and of joining, against database/sql by hand. Both run the same statements with a context that can
// be cancelled, as requests have it; rolling back leaves the disk out of it.
func BenchmarkTransaction(b *testing.B) {
	insert := map[database.Dialect]string{
		database.SQLite:   "INSERT INTO lamps (name, watts, created_at) VALUES (?, 1, '2026-01-01') RETURNING id",
		database.Postgres: "INSERT INTO lamps (name, watts, created_at) VALUES ($1, 1, '2026-01-01') RETURNING id",
	}
	read := map[database.Dialect]string{
		database.SQLite:   "SELECT watts FROM lamps WHERE name = ?",
		database.Postgres: "SELECT watts FROM lamps WHERE name = $1",
	}
	for _, dialect := range []database.Dialect{database.SQLite, database.Postgres} {
		b.Run(string(dialect)+"/raw", func(b *testing.B) {
			cfg := settings(b, dialect)
			require.NoError(b, opened(b, cfg).Close(b.Context()))
			db := raw(b, cfg, dialect)
			processor(b)
			for b.Loop() {
				ctx, cancel := context.WithCancel(b.Context())
				tx, err := db.BeginTx(ctx, nil)
				require.NoError(b, err)
				var n int64
				require.NoError(b, tx.QueryRowContext(ctx, insert[dialect], "x").Scan(&n))
				require.NoError(b, tx.QueryRowContext(ctx, read[dialect], "x").Scan(&n))
				require.NoError(b, tx.Rollback())
				cancel()
			}
		})
		b.Run(string(dialect)+"/InTx", func(b *testing.B) {
			db := fresh(b, dialect)
			processor(b)
			for b.Loop() {
				ctx, cancel := context.WithCancel(b.Context())
				err := db.InTx(ctx, func(ctx context.Context) error {
					tx, _ := database.TxFrom(ctx)
					var n int64
					require.NoError(b, tx.QueryRowContext(ctx, insert[dialect], "x").Scan(&n))
					require.NoError(b, tx.QueryRowContext(ctx, read[dialect], "x").Scan(&n))
					return errBoom
				})
				require.ErrorIs(b, err, errBoom)
				cancel()
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, dialect := range []database.Dialect{database.SQLite, database.Postgres} {
		b.Run(string(dialect)+"/raw", func(b *testing.B) {
			cfg := settings(b, dialect)
			require.NoError(b, opened(b, cfg).Close(b.Context()))
			db := raw(b, cfg, dialect)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			var n int64
			processor(b)
			for b.Loop() {
				require.NoError(b, db.QueryRowContext(ctx, "SELECT count(*) FROM lamps WHERE id = 7").Scan(&n))
			}
		})
		b.Run(string(dialect)+"/joined", func(b *testing.B) {
			db := fresh(b, dialect)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			var n int64
			pool := db.Gorm().ConnPool
			processor(b)
			for b.Loop() {
				require.NoError(b, pool.QueryRowContext(ctx, "SELECT count(*) FROM lamps WHERE id = 7").Scan(&n))
			}
		})
	}
}

// A commit with the disk's sync, the rate at which writers go on.
func BenchmarkCommit(b *testing.B) {
	b.Run("sqlite/raw", func(b *testing.B) {
		cfg := settings(b, database.SQLite)
		require.NoError(b, opened(b, cfg).Close(b.Context()))
		db := raw(b, cfg, database.SQLite)
		processor(b)
		for b.Loop() {
			tx, err := db.BeginTx(b.Context(), nil)
			require.NoError(b, err)
			_, err = tx.ExecContext(b.Context(), "INSERT INTO rooms DEFAULT VALUES")
			require.NoError(b, err)
			require.NoError(b, tx.Commit())
		}
	})
	b.Run("sqlite/InTx", func(b *testing.B) {
		db := fresh(b, database.SQLite)
		processor(b)
		for b.Loop() {
			require.NoError(b, db.InTx(b.Context(), func(ctx context.Context) error {
				tx, _ := database.TxFrom(ctx)
				_, err := tx.ExecContext(ctx, "INSERT INTO rooms DEFAULT VALUES")
				return err
			}))
		}
	})
}

// Writers at the same time share the syncs; raw has one for each transaction.
func BenchmarkWriters(b *testing.B) {
	for _, writers := range []int{1, 8, 16} {
		b.Run(fmt.Sprint("raw/", writers), func(b *testing.B) {
			cfg := settings(b, database.SQLite)
			require.NoError(b, opened(b, cfg).Close(b.Context()))
			db := raw(b, cfg, database.SQLite)
			write(b, writers, func(ctx context.Context) error {
				tx, err := db.BeginTx(ctx, nil)
				if err != nil {
					return err
				}
				if _, err := tx.ExecContext(ctx, "INSERT INTO rooms DEFAULT VALUES"); err != nil {
					return errors.Join(err, tx.Rollback())
				}
				return tx.Commit()
			})
		})
		b.Run(fmt.Sprint("InTx/", writers), func(b *testing.B) {
			db := fresh(b, database.SQLite)
			write(b, writers, func(ctx context.Context) error {
				return db.InTx(ctx, func(ctx context.Context) error {
					tx, _ := database.TxFrom(ctx)
					_, err := tx.ExecContext(ctx, "INSERT INTO rooms DEFAULT VALUES")
					return err
				})
			})
		})
	}
}

func write(b *testing.B, writers int, tx func(ctx context.Context) error) {
	b.Helper()
	b.SetParallelism(max(1, writers/runtime.GOMAXPROCS(0)))
	if writers == 1 {
		for b.Loop() {
			require.NoError(b, tx(b.Context()))
		}
		return
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := tx(b.Context()); err != nil {
				b.Error(err)
			}
		}
	})
}
