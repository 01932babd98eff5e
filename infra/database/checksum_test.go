package database_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/infra/database"
)

// steps are the files of a domain with three migrations.
func steps() map[string]string {
	return map[string]string{
		"00001_rugs.sql": "CREATE TABLE rugs (id BIGINT);",
		"00002_wool.sql": "ALTER TABLE rugs ADD COLUMN wool BIGINT;",
		"00003_silk.sql": "ALTER TABLE rugs ADD COLUMN silk BIGINT;",
	}
}

// with returns the files with one changed; without one if up is "".
func with(files map[string]string, name, up string) []database.MigrationSet {
	if up == "" {
		delete(files, name)
	} else {
		files[name] = up
	}
	return []database.MigrationSet{numbered("rugs", files)}
}

// refuses requires that neither a migration nor a start without one takes the sets, for a reason that has the texts.
func refuses(t *testing.T, db *database.DB, sets []database.MigrationSet, texts ...string) {
	t.Helper()
	for _, err := range []error{db.Migrate(t.Context(), sets), db.CheckMigrated(t.Context(), sets)} {
		require.ErrorIs(t, err, database.ErrMigrationChanged)
		for _, text := range texts {
			require.ErrorContains(t, err, text)
		}
	}
}

// takes requires that both take them.
func takes(t *testing.T, db *database.DB, sets []database.MigrationSet) {
	t.Helper()
	require.NoError(t, db.Migrate(t.Context(), sets))
	require.NoError(t, db.CheckMigrated(t.Context(), sets))
}

// An applied migration was edited: the service started and called itself ready, and the new column was never made.
func TestAnEditedMigrationIsRefusedUntilItIsApproved(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		takes(t, db, with(steps(), "00003_silk.sql", ""))
		edited := with(steps(), "00001_rugs.sql", "CREATE TABLE rugs (id BIGINT, name TEXT);")
		refuses(t, db, edited, "domain rugs: "+string(dialect)+"/00001_rugs.sql was edited after it was applied on 20",
			"migrate --approve rugs/00001_rugs.sql")
		require.ErrorContains(t, db.Gorm().WithContext(t.Context()).Exec("SELECT silk FROM rugs").Error, "silk", "nothing is applied then")
		states, err := db.MigrationStatus(t.Context(), edited)
		require.NoError(t, err)
		require.Equal(t, []bool{true, false, false}, []bool{states[0].Edited, states[1].Edited, states[2].Edited})

		require.EqualError(t, db.ApproveMigrations(t.Context(), edited, []string{"rugs/00001_rugs.sql", "rugs/00002_wool.sql"}, "jo"),
			"there is nothing to approve about rugs/00002_wool.sql; edited or gone are rugs/00001_rugs.sql")
		refuses(t, db, edited)
		require.NoError(t, db.ApproveMigrations(t.Context(), edited, []string{"rugs/00001_rugs.sql"}, "jo"))
		takes(t, db, edited)
		states, err = db.MigrationStatus(t.Context(), edited)
		require.NoError(t, err)
		require.Equal(t, "jo", states[0].ApprovedBy)
		require.False(t, states[0].ApprovedAt.IsZero())
		require.Empty(t, states[1].ApprovedBy)
		require.EqualError(t, db.ApproveMigrations(t.Context(), edited, []string{"rugs/00001_rugs.sql"}, "jo"),
			"there is nothing to approve about rugs/00001_rugs.sql; no applied migration was edited or is gone")
		refuses(t, db, with(steps(), "", ""), "00001_rugs.sql was edited", "migrate --approve")
	})
}

// An applied file that is gone, or got another number, is an error too; one of a newer version of the service is not.
func TestAMissingMigrationIsRefusedUntilItIsApproved(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		takes(t, db, with(steps(), "", ""))
		takes(t, db, with(steps(), "00003_silk.sql", ""))
		gone := with(steps(), "00002_wool.sql", "")
		refuses(t, db, gone, "domain rugs: the file of migration 2, applied on 20", "Restore it as 00002_wool.sql;", "migrate --approve rugs/00002_wool.sql")
		require.NoError(t, db.ApproveMigrations(t.Context(), gone, []string{"rugs/00002_wool.sql"}, "jo"))
		takes(t, db, gone)
		refuses(t, db, with(steps(), "", ""), "00002_wool.sql was edited")
	})
}

// Only what a file says counts: not its name, nor how its lines end.
func TestAFileIsTheSameWithOtherLineEnds(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		takes(t, db, with(steps(), "00001_rugs.sql", "CREATE TABLE rugs (\nid BIGINT);"))
		windows := with(steps(), "00001_rugs.sql", "CREATE TABLE rugs (\nid BIGINT);")
		for _, file := range windows[0].FS.(fstest.MapFS) {
			file.Data = []byte(strings.ReplaceAll(string(file.Data), "\n", "\r\n"))
		}
		takes(t, db, windows)
		renamed := steps()
		delete(renamed, "00001_rugs.sql")
		takes(t, db, with(renamed, "00001_carpets.sql", "CREATE TABLE rugs (\nid BIGINT);"))
	})
}

// A database of a version that kept no checksums: the files are taken as they are, once, without a word.
func TestFilesAppliedBeforeThereWereChecksumsAreTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		takes(t, db, with(steps(), "", ""))
		_, err := db.ExecContext(t.Context(), "DROP TABLE plugboard_migration_files")
		require.NoError(t, err)
		edited := with(steps(), "00001_rugs.sql", "CREATE TABLE rugs (id BIGINT, name TEXT);")
		require.NoError(t, db.CheckMigrated(t.Context(), edited), "nothing is known about it")
		takes(t, db, edited)
		refuses(t, db, with(steps(), "", ""), "00001_rugs.sql was edited")

		// The version before, rolled back to, applies what it has without a checksum.
		_, err = db.ExecContext(t.Context(), "DELETE FROM plugboard_migration_files WHERE version = 1")
		require.NoError(t, err)
		takes(t, db, with(steps(), "", ""))

		// A file that is gone is one, whether or not it was known by name.
		_, err = db.ExecContext(t.Context(), "DELETE FROM plugboard_migration_files WHERE version = 1")
		require.NoError(t, err)
		gone := with(steps(), "00001_rugs.sql", "")
		refuses(t, db, gone, "Restore it; or", "migrate --approve rugs/1")
		require.NoError(t, db.ApproveMigrations(t.Context(), gone, []string{"rugs/1"}, "jo"))
		takes(t, db, gone)
	})
}

// Replicas that start together on a database of the version before adopt its files one after the other; and so do one
// that approves and one that starts.
func TestReplicasAdoptChecksumsTogether(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.Postgres)
	set := with(steps(), "", "")
	takes(t, opened(t, cfg), set)
	_, err := opened(t, cfg).ExecContext(t.Context(), "DROP TABLE plugboard_migration_files")
	require.NoError(t, err)
	var (
		all  sync.WaitGroup
		errs = make([]error, 5)
	)
	for i := range errs {
		db, err := database.New(cfg, zap.NewNop())
		require.NoError(t, err)
		require.NoError(t, db.Open(t.Context()))
		t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
		all.Go(func() { errs[i] = db.Migrate(t.Context(), set) })
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	rows, err := opened(t, cfg).QueryContext(t.Context(), "SELECT count(*) FROM plugboard_migration_files WHERE domain = 'rugs'")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	require.True(t, rows.Next())
	var n int
	require.NoError(t, rows.Scan(&n))
	require.Equal(t, 3, n)
}
