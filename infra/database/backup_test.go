package database_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/config"
	"plugboard/infra/database"
)

// beside opens the database beside the process it belongs to.
func beside(t *testing.T, cfg config.Database) *database.DB {
	t.Helper()
	db := mustNew(t, cfg)
	require.NoError(t, db.OpenBeside(t.Context()))
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	return db
}

// large fills a database with more than is copied at a time.
func large(t *testing.T, db *database.DB) {
	t.Helper()
	require.NoError(t, db.Gorm().WithContext(t.Context()).Exec("CREATE TABLE papers (body BLOB)").Error)
	require.NoError(t, db.Gorm().WithContext(t.Context()).Exec("INSERT INTO papers (body) VALUES (zeroblob(9437184))").Error)
}

// onlyCopy requires that nothing else is in the copy's folder.
func onlyCopy(t *testing.T, to string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(to))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, filepath.Base(to), entries[0].Name())
	info, err := os.Stat(to)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

// A copy is of one moment: a transaction that commits while it is made is not in it, and does not have it begin anew.
func TestBackupIsOfOneMoment(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.SQLite)
	owner := opened(t, cfg)
	large(t, owner)
	require.NoError(t, add(t.Context(), owner, "before"))
	to := filepath.Join(t.TempDir(), "copy.db")
	var steps []int64
	size, err := beside(t, cfg).Backup(t.Context(), to, func(done, total int64) {
		require.NoError(t, add(t.Context(), owner, fmt.Sprint("meanwhile ", len(steps))))
		steps = append(steps, done)
		require.Less(t, len(steps), 100, "it begins anew with each commit")
		require.LessOrEqual(t, done, total)
	})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(steps), 3)
	require.IsIncreasing(t, steps)
	require.Equal(t, size, steps[len(steps)-1])
	onlyCopy(t, to)

	restored := cfg
	restored.URL = "sqlite:" + to
	require.Equal(t, []string{"before"}, names(t.Context(), t, opened(t, restored)))
	require.Equal(t, 1+len(steps), count(t.Context(), t, owner))
}

// Copies that are made while transactions commit hold all of each or nothing.
func TestBackupsBesideWrites(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.SQLite)
	owner := opened(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wrote := make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			err := owner.InTx(ctx, func(ctx context.Context) error {
				return errors.Join(add(ctx, owner, fmt.Sprint("left ", i)), add(ctx, owner, fmt.Sprint("right ", i)))
			})
			if err != nil {
				wrote <- err
				return
			}
		}
	}()
	guest := beside(t, cfg)
	for i := range 5 {
		restored := cfg
		to := filepath.Join(t.TempDir(), fmt.Sprint(i))
		_, err := guest.Backup(t.Context(), to, func(int64, int64) {})
		require.NoError(t, err)
		restored.URL = "sqlite:" + to
		require.Zero(t, count(t.Context(), t, opened(t, restored))%2)
	}
	cancel()
	require.ErrorIs(t, <-wrote, context.Canceled)
}

// A copy that is cancelled leaves nothing behind, not even its name.
func TestCancelledBackup(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.SQLite)
	large(t, opened(t, cfg))
	ctx, cancel := context.WithCancelCause(t.Context())
	to := filepath.Join(t.TempDir(), "copy.db")
	_, err := beside(t, cfg).Backup(ctx, to, func(int64, int64) { cancel(errBoom) })
	require.EqualError(t, err, "back up database to "+to+": cancelled; nothing is left of the copy: boom")
	entries, err := os.ReadDir(filepath.Dir(to))
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestBackupsThatAreRefused(t *testing.T) {
	t.Parallel()
	const taken = "there is a file already, and a copy never overwrites one; choose another name"
	const own = "this is the name of a file that belongs to the database; choose another"
	for name, c := range map[string]struct {
		prepare func(t *testing.T, file, to string)
		to      func(file, to string) string
		want    string
	}{
		"a file is there": {prepare: func(t *testing.T, _, to string) { require.NoError(t, os.WriteFile(to, []byte("kept"), 0o600)) }, want: taken},
		"a link that leads nowhere": {prepare: func(t *testing.T, _, to string) { require.NoError(t, os.Symlink("/no/such", to)) },
			want: taken},
		"onto itself":             {to: func(file, _ string) string { return file }, want: taken},
		"onto its own log":        {to: func(file, _ string) string { return file + "-journal" }, want: own},
		"into no folder":          {to: func(_, to string) string { return to + "/no/copy.db" }, want: "there is no folder DIR/copy.db/no"},
		"of a damaged database":   {prepare: damagedIndex, want: "the copy is damaged, so the database must be damaged too: "},
		"that appears meanwhile":  {want: taken},
		"whose folder disappears": {want: "it cannot be written; check the permissions of the file and its folder: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t, database.SQLite)
			makeLamp(t, cfg)
			file, to := strings.TrimPrefix(cfg.URL, "sqlite:"), filepath.Join(t.TempDir(), "copy.db")
			folder := filepath.Dir(to)
			if c.prepare != nil {
				c.prepare(t, file, to)
			}
			if c.to != nil {
				to = c.to(file, to)
			}
			_, err := beside(t, cfg).Backup(t.Context(), to, func(done, total int64) {
				switch name {
				case "that appears meanwhile":
					require.NoError(t, os.WriteFile(to, []byte("kept"), 0o600))
				case "whose folder disappears":
					require.NoError(t, os.RemoveAll(folder))
				}
			})
			require.ErrorContains(t, err, "back up database to "+to+": "+strings.ReplaceAll(strings.TrimSuffix(c.want, "\n"), "DIR", folder))
			left, _ := filepath.Glob(filepath.Join(folder, ".*"))
			require.Empty(t, left)
			if content, err := os.ReadFile(to); err == nil && strings.Contains(name, "there") || name == "that appears meanwhile" {
				require.Equal(t, "kept", string(content))
			}
		})
	}
}

// makeLamp makes a database of one lamp, and closes it.
func makeLamp(t *testing.T, cfg config.Database) {
	t.Helper()
	db := mustNew(t, cfg)
	require.NoError(t, db.Open(t.Context()))
	require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{lamps()}))
	require.NoError(t, add(t.Context(), db, "first"))
	require.NoError(t, db.Close(t.Context()))
}

// damagedIndex writes over the last page of the file, the root of an index.
func damagedIndex(t *testing.T, file, _ string) {
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	copy(content[len(content)-4096:], bytes.Repeat([]byte{0xfe}, 4096))
	require.NoError(t, os.WriteFile(file, content, 0o600))
}

func TestBackupOfPostgresIsAnotherProgram(t *testing.T) {
	t.Parallel()
	db, err := database.New(config.Database{URL: "postgres://u:s3cret@localhost/x", MaxConns: 2}, nil)
	require.NoError(t, err)
	_, err = db.Backup(t.Context(), "x", nil)
	require.EqualError(t, err, "back up database: this command copies SQLite databases only; for Postgres use its own program, which also works "+
		`while the service runs: pg_dump --format=custom --file=FILE "$APP_DATABASE_URL"`)
	lite := mustNew(t, settings(t, database.SQLite))
	_, err = lite.Backup(t.Context(), "x", nil)
	require.ErrorIs(t, err, database.ErrNotOpen)
}
