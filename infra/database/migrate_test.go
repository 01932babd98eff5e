package database_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/infra/database"
)

// numbered makes a set from the same files for both databases.
func numbered(domain string, files map[string]string) database.MigrationSet {
	all := fstest.MapFS{}
	for name, up := range files {
		for _, folder := range []string{"sqlite/", "postgres/"} {
			all[folder+name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + up + "\n")}
		}
	}
	return database.MigrationSet{Domain: domain, FS: all}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		ctx := t.Context()
		old := numbered("rugs", map[string]string{"00001_rugs.sql": "CREATE TABLE rugs (id BIGINT);"})
		newer := numbered("rugs", map[string]string{
			"00001_rugs.sql": "CREATE TABLE rugs (id BIGINT);", "00002_wool.sql": "ALTER TABLE rugs ADD COLUMN wool BIGINT;",
		})

		err := db.CheckMigrated(ctx, []database.MigrationSet{lamps(), newer})
		require.ErrorIs(t, err, database.ErrNotMigrated)
		require.ErrorContains(t, err, "domain rugs: "+string(dialect)+"/00001_rugs.sql has not been applied")
		states, err := db.MigrationStatus(ctx, []database.MigrationSet{old})
		require.NoError(t, err)
		require.Equal(t, []database.MigrationState{{Domain: "rugs", Version: 1, File: string(dialect) + "/00001_rugs.sql"}}, states)

		require.NoError(t, db.Migrate(ctx, []database.MigrationSet{old}))
		require.ErrorContains(t, db.CheckMigrated(ctx, []database.MigrationSet{newer}), "00002_wool.sql has not been applied")
		require.NoError(t, db.Migrate(ctx, []database.MigrationSet{newer}))
		require.NoError(t, db.Migrate(ctx, []database.MigrationSet{newer}), "again")
		require.NoError(t, db.CheckMigrated(ctx, []database.MigrationSet{newer}))

		// A newer database is fine.
		require.NoError(t, db.CheckMigrated(ctx, []database.MigrationSet{old}))
		require.NoError(t, db.Migrate(ctx, []database.MigrationSet{old}))
		states, err = db.MigrationStatus(ctx, []database.MigrationSet{old})
		require.NoError(t, err)
		require.Len(t, states, 2)
		require.Empty(t, states[1].File)
		require.True(t, states[1].Applied)
		require.False(t, states[1].AppliedAt.IsZero())
	})
}

func TestFailedMigration(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		ctx := t.Context()
		set := numbered("rugs", map[string]string{
			"00001_rugs.sql": "CREATE TABLE rugs (id BIGINT);",
			"00002_bad.sql":  "CREATE TABLE half (id BIGINT);\nALTER TABLE nowhere ADD COLUMN wool BIGINT;",
		})
		err := db.Migrate(ctx, []database.MigrationSet{set, numbered("later", map[string]string{"1_x.sql": "CREATE TABLE later (id BIGINT);"})})
		require.ErrorContains(t, err, "migrate domain rugs: "+string(dialect)+"/00002_bad.sql: ")
		require.ErrorContains(t, err, "in the statement: ALTER TABLE nowhere ADD COLUMN wool BIGINT;")
		h := db.Gorm().WithContext(ctx)
		require.NoError(t, h.Exec("INSERT INTO rugs (id) VALUES (1)").Error, "the first stays")
		require.Error(t, h.Exec("INSERT INTO half (id) VALUES (1)").Error, "the second is undone")
		require.Error(t, h.Exec("INSERT INTO later (id) VALUES (1)").Error)
	})
}

func TestBadMigrationSets(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		for want, set := range map[string]database.MigrationSet{
			"is not a valid name for a domain":          numbered("rugs; DROP TABLE lamps", map[string]string{"1_x.sql": ""}),
			"there is no file " + string(dialect) + "/": {Domain: "rugs", FS: fstest.MapFS{}},
			"name it like":         numbered("rugs", map[string]string{"rugs.sql": "SELECT 1;"}),
			"have the same number": numbered("rugs", map[string]string{"1_a.sql": "SELECT 1;", "001_b.sql": "SELECT 1;"}),
		} {
			require.ErrorContains(t, db.Migrate(t.Context(), []database.MigrationSet{set}), want)
			require.ErrorContains(t, db.CheckMigrated(t.Context(), []database.MigrationSet{set}), want)
		}
	})
}

// Replicas that start together migrate one after the other.
func TestReplicasMigrateOnce(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.Postgres)
	set := numbered("rugs", map[string]string{
		"00001_rugs.sql": "CREATE TABLE rugs (id BIGINT);", "00002_more.sql": "SELECT pg_sleep(0.2); INSERT INTO rugs VALUES (1);",
	})
	var (
		all  sync.WaitGroup
		errs = make([]error, 5)
	)
	for i := range errs {
		db, err := database.New(cfg, zap.NewNop())
		require.NoError(t, err)
		require.NoError(t, db.Open(t.Context()))
		t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
		all.Go(func() { errs[i] = db.Migrate(t.Context(), []database.MigrationSet{set}) })
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
}

// A replica of the new version did not start, since its migration and a transaction of the version before waited for each
// other, and Postgres ended the migration. It is applied again.
func TestAMigrationOutlivesADeadlock(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.Postgres)
	db := opened(t, cfg)
	ctx := t.Context()
	before := numbered("rugs", map[string]string{"00001_rugs.sql": "CREATE TABLE rugs (id BIGINT);\nCREATE TABLE fringes (id BIGINT);"})
	require.NoError(t, db.Migrate(ctx, []database.MigrationSet{before}))
	after := numbered("rugs", map[string]string{
		"00001_rugs.sql": "CREATE TABLE rugs (id BIGINT);\nCREATE TABLE fringes (id BIGINT);",
		"00002_wool.sql": "ALTER TABLE rugs ADD COLUMN wool BIGINT;\nALTER TABLE fringes ADD COLUMN wool BIGINT;",
	})
	other, err := pgx.Connect(ctx, cfg.URL)
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close(context.Background())) }()
	tx, err := other.Begin(ctx)
	require.NoError(t, err)
	_, err = tx.Exec(ctx, "SET LOCAL deadlock_timeout = '1h'") // so that the migration is the one that is ended
	require.NoError(t, err)
	_, err = tx.Exec(ctx, "INSERT INTO fringes VALUES (1)")
	require.NoError(t, err)

	migrated := make(chan error, 1)
	go func() { migrated <- db.Migrate(ctx, []database.MigrationSet{after}) }()
	for waits := false; !waits; {
		require.NoError(t, db.Gorm().WithContext(ctx).Raw(
			"SELECT EXISTS (SELECT 1 FROM pg_locks WHERE relation = 'fringes'::regclass AND NOT granted)").Scan(&waits).Error)
	}
	_, err = tx.Exec(ctx, "INSERT INTO rugs VALUES (1)") // waits for the migration, which waits for this transaction
	require.NoError(t, err)
	require.NoError(t, tx.Commit(ctx))
	require.NoError(t, <-migrated)
	require.NoError(t, db.CheckMigrated(ctx, []database.MigrationSet{after}))
}
