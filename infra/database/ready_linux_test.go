package database_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/config"
	"plugboard/infra/database"
)

// readyWithin asks until the database is, or is not, ready; it is examined every five seconds at most.
func readyWithin(t *testing.T, db *database.DB, want string) {
	t.Helper()
	var last string
	ready := func() bool {
		last = told(db.Ready(t.Context()))
		return want == "" && last == "" || want != "" && strings.Contains(last, want)
	}
	require.Eventually(t, ready, time.Minute, 50*time.Millisecond, "%s; the last word was %q", want, &last)
}

// readyThroughout asks for as long as takes two examinations.
func readyThroughout(t *testing.T, db *database.DB) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(7 * time.Second); time.Now().Before(end); <-tick.C {
		require.NoError(t, db.Ready(t.Context()))
	}
}

const (
	unwritable = "503 the database cannot be written: "
	outOfReach = "503 tables of the database cannot be reached: "
)

// Readiness asked for SELECT 1 alone, and so it was 200 while every request failed. Each case breaks an open database, and
// mends it where that can be.
func TestReadyTellsTheTruth(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dialect database.Dialect
		prepare func(t *testing.T, cfg *config.Database)
		ruin    func(t *testing.T, cfg config.Database, db *database.DB)
		want    string
		mend    func(t *testing.T, cfg config.Database)
	}{
		"the root page of a table is damaged": {dialect: database.SQLite,
			ruin: func(t *testing.T, cfg config.Database, _ *database.DB) { ruinTable(t, fileOf(cfg), "lamps") },
			want: outOfReach},
		"the disk is full": {dialect: database.SQLite, prepare: onSmallDisk,
			ruin: func(t *testing.T, cfg config.Database, db *database.DB) {
				require.NoError(t, db.Gorm().WithContext(t.Context()).Exec("CREATE TABLE papers (body BLOB)").Error)
				_ = os.WriteFile(fileOf(cfg)+".ballast", bytes.Repeat([]byte("x"), 4<<20), 0o600) // as much as fits
				require.Error(t, db.Gorm().WithContext(t.Context()).Exec("INSERT INTO papers (body) VALUES (?)", strings.Repeat("x", 1<<17)).Error)
			},
			want: unwritable,
			mend: func(t *testing.T, cfg config.Database) { require.NoError(t, os.Remove(fileOf(cfg)+".ballast")) }},
		"rights are revoked": {dialect: database.Postgres, prepare: asRole,
			ruin: func(t *testing.T, cfg config.Database, _ *database.DB) {
				onServer(t, "REVOKE ALL ON "+schemaOf(t, cfg)+".rooms FROM "+roleOf(t, cfg))
			},
			want: outOfReach + "the right to read or to write the table rooms was taken from this user",
			mend: func(t *testing.T, cfg config.Database) {
				onServer(t, "GRANT ALL ON "+schemaOf(t, cfg)+".rooms TO "+roleOf(t, cfg))
			}},
		"rights to write are revoked": {dialect: database.Postgres, prepare: asRole,
			ruin: func(t *testing.T, cfg config.Database, _ *database.DB) {
				onServer(t, "REVOKE INSERT, UPDATE, DELETE ON "+schemaOf(t, cfg)+".lamps FROM "+roleOf(t, cfg))
			},
			want: outOfReach + "the right to read or to write the table lamps was taken from this user"},
		"the server is read-only": {dialect: database.Postgres, prepare: asRole,
			ruin: func(t *testing.T, cfg config.Database, db *database.DB) {
				onServer(t, "ALTER ROLE "+roleOf(t, cfg)+" SET default_transaction_read_only = on")
				endSessions(t, cfg)
				require.Eventually(t, func() bool { return db.Ping(t.Context()) == nil }, time.Minute, time.Millisecond)
			},
			want: unwritable + "the server takes no writes",
			mend: func(t *testing.T, cfg config.Database) {
				onServer(t, "ALTER ROLE "+roleOf(t, cfg)+" RESET default_transaction_read_only")
				endSessions(t, cfg)
			}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t, c.dialect)
			if c.prepare != nil {
				c.prepare(t, &cfg)
			}
			db := opened(t, cfg)
			require.NoError(t, db.Ready(t.Context()))
			c.ruin(t, cfg, db)
			require.NoError(t, db.Ready(t.Context()), "one failure, or none yet, is not enough")
			readyWithin(t, db, c.want)
			if c.mend != nil {
				c.mend(t, cfg)
				readyWithin(t, db, "")
			}
		})
	}
}

// A writer that holds up all others is none that commits: one does not count as fit, the other does.
func TestReadyBesideABusyWriter(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.SQLite)
	stop, stopped := make(chan struct{}), make(chan error, 1)
	var rounds atomic.Int64
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
				if err := add(t.Context(), db, fmt.Sprint("lamp ", rounds.Add(1))); err != nil {
					stopped <- err
					return
				}
			}
		}
	}()
	readyThroughout(t, db)
	close(stop)
	require.NoError(t, <-stopped)

	held := errors.New("held long enough")
	require.ErrorIs(t, db.InTx(t.Context(), func(ctx context.Context) error {
		if err := add(ctx, db, "held"); err != nil {
			return err
		}
		readyWithin(t, db, unwritable)
		return held
	}), held)
	readyWithin(t, db, "")
}

// An idle service is examined again and again. That writes nothing to the log, and nothing to the file.
func TestExaminationsWriteNothing(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.SQLite)
	db := opened(t, cfg)
	require.NoError(t, add(t.Context(), db, "one"))
	look := func() (all [2]os.FileInfo) {
		for i, suffix := range []string{"", "-wal"} {
			info, err := os.Stat(fileOf(cfg) + suffix)
			require.NoError(t, err)
			all[i] = info
		}
		return all
	}
	before := look()
	readyThroughout(t, db)
	for i, after := range look() {
		require.Equal(t, before[i].Size(), after.Size())
		require.Equal(t, before[i].ModTime(), after.ModTime())
	}
}

// Damage that a statement finds on Postgres is named in the log once; where the tables' first pages can be read, some
// requests work, and the service stays ready.
func TestDamageOnPostgresIsLoggedOnce(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.Postgres)
	db, log := observed(t, cfg)
	require.NoError(t, db.Open(t.Context()))
	require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{lamps()}))
	for range 3 {
		err := db.Gorm().WithContext(t.Context()).Exec(`DO $$ BEGIN RAISE EXCEPTION 'invalid page in block 7' USING ERRCODE = 'XX001'; END $$`).Error
		require.ErrorContains(t, err, "invalid page")
	}
	require.NoError(t, db.Ready(t.Context()))
	require.Equal(t, 1, log.FilterMessageSnippet("the database is damaged").Len())
}

func fileOf(cfg config.Database) string { return strings.TrimPrefix(cfg.URL, "sqlite:") }

// ruinTable overwrites the first page of a table in the file of an open database.
func ruinTable(t *testing.T, file, table string) {
	t.Helper()
	onShell(t, file, "PRAGMA wal_checkpoint(TRUNCATE)")
	// In a process of its own: a descriptor that is closed here would end the locks of the database.
	out, err := exec.CommandContext(t.Context(), "dd", "if=/dev/zero", "of="+file, "bs=4096", "count=1", "conv=notrunc",
		fmt.Sprint("seek=", pageOf(t, file, table)/4096)).CombinedOutput()
	require.NoError(t, err, string(out))
	onShell(t, file, "CREATE TABLE notices_the_change (id INTEGER)") // has the service read the pages again
}

// onSmallDisk moves the file to a disk of two megabytes.
func onSmallDisk(t *testing.T, cfg *config.Database) {
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("NOT TESTED, the full disk: mounting a tmpfs needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(folder, syscall.MNT_DETACH) })
	cfg.URL = "sqlite:" + filepath.Join(folder, "small.db")
}

// asRole has the database used by a role of its own, which owns nothing.
func asRole(t *testing.T, cfg *config.Database) {
	admin := opened(t, *cfg)
	require.NoError(t, admin.Close(t.Context()))
	schema := schemaOf(t, *cfg)
	role := schema + "_user"
	onServer(t, "CREATE ROLE "+role+" LOGIN")
	onServer(t, "GRANT USAGE, CREATE ON SCHEMA "+schema+" TO "+role)
	onServer(t, "GRANT ALL ON ALL TABLES IN SCHEMA "+schema+" TO "+role)
	t.Cleanup(func() {
		onServer(t, "DROP OWNED BY "+role)
		onServer(t, "DROP ROLE "+role)
	})
	u, err := url.Parse(cfg.URL)
	require.NoError(t, err)
	u.User = url.User(role)
	cfg.URL = u.String()
}

func roleOf(t *testing.T, cfg config.Database) string {
	u, err := url.Parse(cfg.URL)
	require.NoError(t, err)
	return u.User.Username()
}

func schemaOf(t *testing.T, cfg config.Database) string {
	u, err := url.Parse(cfg.URL)
	require.NoError(t, err)
	return u.Query().Get("search_path")
}

// endSessions ends those of the role, so that its next ones have what is set for it now.
func endSessions(t *testing.T, cfg config.Database) {
	onServer(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+roleOf(t, cfg)+"'")
}
