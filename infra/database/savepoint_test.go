package database_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/infra/database"
)

// noting registers hooks that write down their name.
func noting(ctx context.Context, t *testing.T, log *[]string, name string) {
	t.Helper()
	tx, ok := database.TxFrom(ctx)
	require.True(t, ok)
	tx.Attach(nil, database.Participant{
		BeforeCommit:  func(context.Context) error { *log = append(*log, name+" before"); return nil },
		AfterCommit:   func() { *log = append(*log, name+" committed") },
		AfterRollback: func() { *log = append(*log, name+" undone") },
	})
}

// An event was published after GORM's SavePoint and delivered though RollbackTo had undone what it told of: hooks knew of
// our own savepoints alone.
func TestRollbackToUndoesHooks(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		var log []string
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			g := db.Gorm().WithContext(ctx)
			noting(ctx, t, &log, "first")
			require.NoError(t, g.SavePoint("s1").Error)
			require.NoError(t, add(ctx, db, "a"))
			noting(ctx, t, &log, "second")
			require.NoError(t, g.SavePoint("s2").Error)
			noting(ctx, t, &log, "third")
			require.NoError(t, db.InTx(ctx, func(ctx context.Context) error { noting(ctx, t, &log, "nested"); return nil }))
			require.NoError(t, g.RollbackTo("S1").Error)
			require.Equal(t, []string{"second undone", "third undone", "nested undone"}, log)
			log = nil
			require.NoError(t, add(ctx, db, "b"))
			require.Error(t, add(ctx, db, "b"), "a failed statement is undone, too")
			noting(ctx, t, &log, "fourth")
			require.NoError(t, g.RollbackTo("s1").Error, "again")
			noting(ctx, t, &log, "last")
			return add(ctx, db, "c")
		}))
		require.Equal(t, []string{"fourth undone", "first before", "last before", "first committed", "last committed"}, log)
		require.Equal(t, []string{"c"}, names(t.Context(), t, db))
	})
}

// The savepoints of GORM's nested transactions are the same.
func TestNestedTransactionsOfGORMUndoHooks(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		var log []string
		require.NoError(t, db.Gorm().WithContext(t.Context()).Transaction(func(outer *gorm.DB) error {
			nested := func(name string, end error) error {
				return outer.Transaction(func(inner *gorm.DB) error {
					return joinErr(app.InTx(t.Context(), inner, func(ctx context.Context) error {
						noting(ctx, t, &log, name)
						return add(ctx, db, name)
					}), end)
				})
			}
			require.ErrorIs(t, nested("a", errBoom), errBoom)
			return nested("b", nil)
		}))
		require.Equal(t, []string{"a undone", "b before", "b committed"}, log)
		require.Equal(t, []string{"b"}, names(t.Context(), t, db))
	})
}

func joinErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// A savepoint belongs to the InTx that it was set in; a name that is unknown fails the transaction even if nobody looks.
func TestUnknownSavepointsFailTheTransaction(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		for name, use := range map[string]func(ctx context.Context, g *gorm.DB){
			"unknown": func(_ context.Context, g *gorm.DB) { g.RollbackTo("s2") },
			"ours":    func(_ context.Context, g *gorm.DB) { g.RollbackTo("plugboard_1") },
			"one around": func(ctx context.Context, _ *gorm.DB) {
				_ = db.InTx(ctx, func(ctx context.Context) error { db.Gorm().WithContext(ctx).RollbackTo("s1"); return nil })
			},
		} {
			err := db.InTx(t.Context(), func(ctx context.Context) error {
				require.NoError(t, add(ctx, db, "a"))
				g := db.Gorm().WithContext(ctx)
				require.NoError(t, g.SavePoint("s1").Error)
				use(ctx, g)
				return nil
			})
			require.ErrorContains(t, err, "there is no savepoint", name)
		}
		require.Empty(t, names(t.Context(), t, db))
		g := db.Gorm().WithContext(t.Context())
		require.ErrorContains(t, g.SavePoint("s1").Error, "SavePoint and RollbackTo need an open transaction")
		require.ErrorContains(t, g.RollbackTo("s1").Error, "SavePoint and RollbackTo need an open transaction")
	})
}

// SQL that ends or divides a transaction did so behind the back of its hooks. It is refused, however it is written, and
// the transaction is not committed even if nobody looks at the error.
func TestTransactionControlAsSQLIsRefused(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		for _, query := range []string{
			"SAVEPOINT s1", "savepoint s1", "  \n\tRELEASE s1", "/* x */ rollback to s1", "-- x\nROLLBACK TO SAVEPOINT s1",
			"ROLLBACK WORK TO s1", "COMMIT", "commit;", "END", "BEGIN IMMEDIATE", "ROLLBACK", "START TRANSACTION",
			"INSERT INTO rooms VALUES (1); COMMIT", ";COMMIT", "SELECT 'it''s; x' ; /* ; */ end",
		} {
			for name, run := range map[string]func(g *gorm.DB) error{
				"Exec": func(g *gorm.DB) error { return g.Exec(query).Error },
				"Raw":  func(g *gorm.DB) error { return g.Raw(query).Scan(new(int)).Error },
				"Row":  func(g *gorm.DB) error { return g.Raw(query).Row().Scan(new(int)) },
				"pool": func(g *gorm.DB) error {
					_, err := g.Statement.ConnPool.PrepareContext(g.Statement.Context, query)
					return err
				},
			} {
				require.ErrorContains(t, run(db.Gorm().WithContext(t.Context())), "must not be run as SQL: use app.InTx", query)
				inTx := func(g *gorm.DB) {
					require.NoError(t, g.Create(&Lamp{Name: "a", Watts: 1}).Error)
					require.ErrorContains(t, run(g), "must not be run as SQL: use app.InTx", "%s: %s", name, query)
				}
				require.ErrorContains(t, db.InTx(t.Context(), func(ctx context.Context) error {
					inTx(db.Gorm().WithContext(ctx))
					return nil
				}), "must not be run as SQL", "%s: %s", name, query)
				require.ErrorContains(t, db.Gorm().WithContext(t.Context()).Transaction(func(g *gorm.DB) error { inTx(g); return nil }),
					"must not be run as SQL", "%s: %s", name, query)
			}
		}
		require.Empty(t, names(t.Context(), t, db))
	})
}

// What only looks like it runs.
func TestOtherSQLIsNotTakenForTransactionControl(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		queries := []string{
			"INSERT INTO rooms VALUES (1); INSERT INTO rooms VALUES (2);",
			"UPDATE lamps SET name = '; COMMIT' WHERE name = 'it''s; ROLLBACK'", `SELECT 1 AS "; END"`,
			"SELECT CASE WHEN 1 = 1 THEN 1 ELSE 2\nEND; -- ; COMMIT",
			"WITH ends AS (SELECT 1) SELECT * FROM ends",
		}
		if dialect == database.SQLite {
			queries = append(queries, `CREATE TRIGGER IF NOT EXISTS watt AFTER INSERT ON rooms BEGIN
	UPDATE lamps SET watts = 1; DELETE FROM lamps WHERE watts = 0;
END; DROP TRIGGER watt`)
		} else {
			queries = append(queries, "DO $$ BEGIN PERFORM 1; END $$", "DO $x$ BEGIN PERFORM 1;\nEND; $x$; SELECT 1", `SELECT E'\'; COMMIT'; SELECT 1`,
				"CREATE OR REPLACE FUNCTION two() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2;\nEND; DROP FUNCTION two()",
				"PREPARE one AS SELECT 1; DEALLOCATE one")
		}
		for _, query := range queries {
			require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
				g := db.Gorm().WithContext(ctx)
				require.NoError(t, g.Exec("DELETE FROM rooms").Error)
				return g.Exec(query).Error
			}), query)
		}
	})
}

// A migration that ends its own transaction half-way would be half applied.
func TestAMigrationDoesNotEndItsTransaction(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		sets := []database.MigrationSet{numbered("rugs", map[string]string{"00001_rugs.sql": "CREATE TABLE rugs (id BIGINT);\nCOMMIT;\nSELECT nothing FROM nowhere;"})}
		require.ErrorContains(t, db.Migrate(t.Context(), sets), "COMMIT must not be run in an open transaction")
		require.Error(t, db.Gorm().WithContext(t.Context()).Exec("SELECT id FROM rugs").Error)
		require.ErrorIs(t, db.CheckMigrated(t.Context(), sets), database.ErrNotMigrated)
	})
}
