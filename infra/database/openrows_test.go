package database_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/database"
)

// A statement while the rows of another query of the transaction were open went well on SQLite; on Postgres the caller was
// told that the database is not available, and it was tried again and again. It is one programmer's error on both.
func TestAStatementWhileRowsAreOpenIsAPlainError(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		for i := range 3 {
			require.NoError(t, add(t.Context(), db, fmt.Sprint("lamp ", i)))
		}
		for name, use := range map[string]func(ctx context.Context) error{
			"write": func(ctx context.Context) error { return add(ctx, db, "x") },
			"read":  func(ctx context.Context) error { return db.Gorm().WithContext(ctx).Find(&[]Lamp{}).Error },
			"row": func(ctx context.Context) error {
				return db.Gorm().WithContext(ctx).Raw("SELECT 1").Row().Scan(new(int))
			},
			"nested": func(ctx context.Context) error { return db.InTx(ctx, func(ctx context.Context) error { return nil }) },
			"point":  func(ctx context.Context) error { return db.Gorm().WithContext(ctx).SavePoint("s1").Error },
			"hook": func(ctx context.Context) error {
				tx, _ := database.TxFrom(ctx)
				tx.Attach(nil, database.Participant{BeforeCommit: func(ctx context.Context) error { return add(ctx, db, "x") }})
				return nil
			},
			"nested write": func(ctx context.Context) error {
				return db.InTx(ctx, func(ctx context.Context) error { return add(ctx, db, "x") })
			},
		} {
			for _, looks := range []bool{true, false} {
				runs := 0
				var open *sql.Rows
				err := db.InTx(t.Context(), func(ctx context.Context) error {
					runs++
					var err error
					open, err = db.Gorm().WithContext(ctx).Model(&Lamp{}).Rows()
					require.NoError(t, err)
					require.True(t, open.Next())
					err = use(ctx)
					if name != "hook" {
						require.NoError(t, open.Close())
						require.ErrorContains(t, add(ctx, db, "later"), "while the rows of an earlier query are open", "nothing else is done")
					}
					if looks {
						return err
					}
					return nil
				})
				require.NoError(t, open.Close())
				require.ErrorContains(t, err, "while the rows of an earlier query are open: close them first with rows.Close(), or read them into a slice", name)
				require.Equal(t, app.Internal, app.CodeOf(err), name)
				require.Equal(t, 1, runs, name)
			}
		}
		require.Equal(t, 3, count(t.Context(), t, db))
	})
}

// A nested InTx that leaves rows open cannot end, neither well nor badly: its work must not be committed with the rest.
func TestANestedInTxThatLeavesRowsOpenFailsAll(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		for _, end := range []error{nil, errBoom} {
			err := db.InTx(t.Context(), func(ctx context.Context) error {
				require.NoError(t, add(ctx, db, "outer"))
				var open *sql.Rows
				require.ErrorContains(t, db.InTx(ctx, func(ctx context.Context) error {
					require.NoError(t, add(ctx, db, "nested"))
					var err error
					open, err = db.Gorm().WithContext(ctx).Model(&Lamp{}).Rows()
					require.NoError(t, err)
					return end
				}), "while the rows of an earlier query are open")
				return open.Close()
			})
			require.ErrorContains(t, err, "while the rows of an earlier query are open")
			require.Equal(t, 0, count(t.Context(), t, db))
		}
	})
}

// Rows that are closed, or read to their end, are in nobody's way; nor are those outside a transaction.
func TestClosedRowsAreInNobodysWay(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		require.NoError(t, add(t.Context(), db, "a"))
		require.NoError(t, add(t.Context(), db, "b"))
		each := func(ctx context.Context, do func(l Lamp)) {
			rows, err := db.Gorm().WithContext(ctx).Model(&Lamp{}).Order("id").Rows()
			require.NoError(t, err)
			defer func() { require.NoError(t, rows.Close()) }()
			for rows.Next() {
				var l Lamp
				require.NoError(t, db.Gorm().ScanRows(rows, &l))
				do(l)
			}
			require.NoError(t, rows.Err())
		}
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			n := 0
			each(ctx, func(Lamp) { n++ })
			require.Equal(t, 2, n)
			return db.InTx(ctx, func(ctx context.Context) error {
				require.Equal(t, "a", first(ctx, t, db))
				stmt, err := db.Gorm().Statement.ConnPool.PrepareContext(ctx, "SELECT count(*) FROM lamps")
				require.NoError(t, err)
				for range 2 {
					require.NoError(t, stmt.QueryRowContext(ctx).Scan(&n))
					require.Equal(t, 2, n)
				}
				return add(ctx, db, "c")
			})
		}))
		each(t.Context(), func(l Lamp) {
			require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error { return add(ctx, db, l.Name+" in a transaction") }))
			require.NoError(t, add(t.Context(), db, l.Name+" again"))
		})
		require.Equal(t, 9, count(t.Context(), t, db))

		// Rows that nobody has closed are closed with the transaction.
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			require.NoError(t, add(ctx, db, "last"))
			rows, err := db.Gorm().WithContext(ctx).Model(&Lamp{}).Rows() // left open on purpose
			require.NoError(t, err)
			require.True(t, rows.Next())
			return nil
		}))
		require.Equal(t, 10, count(t.Context(), t, db))
	})
}

func first(ctx context.Context, t *testing.T, db *database.DB) string {
	t.Helper()
	var l Lamp
	require.NoError(t, db.Gorm().WithContext(ctx).Order("id").First(&l).Error)
	return l.Name
}

// The write-ahead log grew with each row that GORM's Create stored outside a transaction, and was moved into the file only
// when another statement ran: SQLite sees to that when a statement ends by itself, not when its rows are closed before.
func TestCreateDoesNotLetTheLogGrow(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.SQLite)
	db := opened(t, cfg)
	const rows = 2500
	for i := range rows {
		require.NoError(t, add(t.Context(), db, fmt.Sprint("lamp ", i)))
	}
	info, err := os.Stat(cfg.URL[len("sqlite:"):] + "-wal")
	require.NoError(t, err)
	// SQLite moves the log when it has 1,000 pages, and begins it anew with the next commit.
	require.Less(t, info.Size(), int64(1100*(4096+24)))
	require.Equal(t, rows, count(t.Context(), t, db))
}

// A query that writes outside a transaction takes no writer lock, as the comment of the lock said. It waits for the connection instead,
// and neither disturbs the open transaction nor waits for ever.
func TestAQueryThatWritesWaitsForTheOpenTransaction(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.SQLite)
	written := make(chan error, 1)
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
		go func() {
			rows, err := db.QueryContext(t.Context(), "INSERT INTO lamps (name, watts, created_at) VALUES ('two', 1, '2026-01-01') RETURNING id")
			if err == nil {
				err = errors.Join(rows.Close(), rows.Err())
			}
			written <- err
		}()
		require.Eventually(t, func() bool { return db.Stats()["writer"].WaitCount > 0 }, patience, tick)
		return add(ctx, db, "one")
	}))
	require.NoError(t, <-written)
	require.Equal(t, 2, count(t.Context(), t, db))
}
