package sqlite

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/infra/database/internal/contract"
)

func TestEachRoleHasItsSettings(t *testing.T) {
	t.Parallel()
	d := opened(t)
	migrations := d.Migrations()
	defer func() { require.NoError(t, migrations.Close()) }()
	for _, c := range []struct {
		pool              *sql.DB
		foreign, readOnly string
	}{{d.Writer, "1", "0"}, {d.Reader, "1", "1"}, {migrations, "0", "0"}} {
		require.Equal(t, "wal", value(t, c.pool, "PRAGMA journal_mode"))
		require.Equal(t, "2", value(t, c.pool, "PRAGMA synchronous"), "a commit survives a power cut")
		require.Equal(t, "5000", value(t, c.pool, "PRAGMA busy_timeout"))
		require.Equal(t, c.foreign, value(t, c.pool, "PRAGMA foreign_keys"))
		require.Equal(t, c.readOnly, value(t, c.pool, "PRAGMA query_only"))
	}
	require.Equal(t, 1, d.Writer.Stats().MaxOpenConnections)
	require.Equal(t, 1, migrations.Stats().MaxOpenConnections)
	require.Equal(t, "größe", value(t, d.Reader, "SELECT lower('GRÖSSE') WHERE 0 UNION SELECT lower('GRÖßE')"))
}

// The reader takes no writes, and the writer sees its own at once.
func TestReadersReadAndTheWriterWrites(t *testing.T) {
	t.Parallel()
	d := opened(t)
	_, err := d.Reader.ExecContext(t.Context(), "INSERT INTO things (name) VALUES ('x')")
	require.ErrorContains(t, err, "readonly")
	run(t, d.Writer, "INSERT INTO things (name) VALUES ('x')")
	require.Equal(t, "x", value(t, d.Reader, "SELECT name FROM things"))
}

func TestAFileHasOneOwner(t *testing.T) {
	t.Parallel()
	cfg, _ := settings(t)
	d := openedWith(t, cfg)
	_, err := Open(t.Context(), cfg)
	require.ErrorContains(t, err, "has it open; a SQLite file belongs to one process at a time")
	beside, err := OpenBeside(t.Context(), cfg)
	require.NoError(t, err)
	run(t, beside.Writer, "INSERT INTO things (name) VALUES ('beside')")
	require.Equal(t, "beside", value(t, d.Reader, "SELECT name FROM things"))
	require.NoError(t, beside.file.release()) // it has no lock to give back
	require.NoError(t, errorsOf(beside.Reader.Close(), beside.Writer.Close()))
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestOpenBesideMakesNothing(t *testing.T) {
	t.Parallel()
	cfg, _ := settings(t)
	_, err := OpenBeside(t.Context(), cfg)
	require.ErrorContains(t, err, "there is no such file; the service makes it when it first starts")
	require.NoDirExists(t, filepath.Dir(cfg.File))
	require.NoError(t, os.Mkdir(filepath.Dir(cfg.File), 0o700))
	require.NoError(t, os.WriteFile(cfg.File, nil, 0o600))
	_, err = OpenBeside(t.Context(), cfg)
	require.ErrorContains(t, err, "the file is empty")
}

// The log is in the file after a clean end, so that the file can be copied alone.
func TestCloseLeavesOneFile(t *testing.T) {
	t.Parallel()
	cfg, _ := settings(t)
	d, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	run(t, d.Writer, "CREATE TABLE things (id INTEGER PRIMARY KEY)")
	require.FileExists(t, cfg.File+"-wal")
	require.NoError(t, d.Close(t.Context()))
	require.NoFileExists(t, cfg.File+"-wal")
	cfg, _ = settingsOf(cfg.File)
	again, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, "things", value(t, again.Reader, "SELECT name FROM sqlite_schema"))
	require.NoError(t, again.Close(t.Context()))
}

// Close does not wait for ever for a transaction that does not end; the log stays then, and so does what it holds.
func TestCloseBesideAnOpenTransaction(t *testing.T) {
	t.Parallel()
	cfg, turn := settings(t)
	d, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	turn <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err = d.Close(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "a transaction is still open")
	again, err := Open(t.Context(), cfg)
	require.NoError(t, err, "the file is unlocked")
	<-turn
	require.NoError(t, again.Close(t.Context()))
}

func TestHealthIsToldOfCommitsAndFailures(t *testing.T) {
	t.Parallel()
	d := opened(t)
	health := d.cfg.Health.(*told)
	before := health.commits
	run(t, d.Writer, "INSERT INTO things (id, name) VALUES (1, 'x')")
	require.Equal(t, before+1, health.commits)
	tx, err := d.Writer.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	run(t, tx, "INSERT INTO things (name) VALUES ('y')")
	require.NoError(t, tx.Rollback())
	require.Equal(t, before+1, health.commits, "a rollback is no commit")
	require.Empty(t, health.errs)
	_, err = d.Writer.ExecContext(t.Context(), "INSERT INTO things (name) VALUES ('x')")
	require.Error(t, err)
	require.Len(t, health.errs, 1)
	fault, ok := Fault(health.errs[0])
	require.True(t, ok)
	require.Equal(t, contract.Fault{Kind: contract.Duplicate, Number: "SQLite 2067", Columns: []string{"name"}}, fault)
}

func TestAProbeChangesNothing(t *testing.T) {
	t.Parallel()
	d := opened(t)
	run(t, d.Writer, "PRAGMA user_version = 7")
	for _, commit := range []bool{false, true} {
		require.NoError(t, d.ProbeWrite(t.Context(), commit))
		require.Equal(t, "7", value(t, d.Reader, "PRAGMA user_version"))
	}
	require.NoError(t, d.CheckRoots(t.Context()))
	require.NoError(t, d.Check())
}

// A file that is gone is noticed by the next statement, and what was acknowledged is saved in it, wherever it is.
func TestALostFileIsSaved(t *testing.T) {
	t.Parallel()
	cfg, _ := settings(t)
	d := openedWith(t, cfg)
	run(t, d.Writer, "INSERT INTO things (name) VALUES ('acknowledged')")
	require.NoError(t, os.Rename(cfg.File, cfg.File+".away"))
	_, err := d.Writer.ExecContext(t.Context(), "INSERT INTO things (name) VALUES ('late')")
	require.ErrorContains(t, err, "it was moved or deleted")
	require.Error(t, d.Check())
	d.file.saving.Wait()
	require.NoError(t, os.Rename(cfg.File+".away", cfg.File))
	require.NoError(t, d.Check())
	require.Equal(t, "1", value(t, d.Reader, "SELECT count(*) FROM things"))
	run(t, d.Writer, "INSERT INTO things (name) VALUES ('on it goes')")
}

func TestBackupIsAWholeFile(t *testing.T) {
	t.Parallel()
	d := opened(t)
	run(t, d.Writer, "INSERT INTO things (name) VALUES ('x')")
	to := filepath.Join(t.TempDir(), "copy.db")
	var done, total int64
	size, err := d.Backup(t.Context(), to, func(d, t int64) { done, total = d, t })
	require.NoError(t, err)
	require.Equal(t, size, total)
	require.Equal(t, total, done)
	_, err = d.Backup(t.Context(), to, func(int64, int64) {})
	require.ErrorContains(t, err, "a copy never overwrites one")
	cfg, _ := settingsOf(to)
	copied, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, "x", value(t, copied.Reader, "SELECT name FROM things"))
	require.NoError(t, copied.Close(t.Context()))
}
