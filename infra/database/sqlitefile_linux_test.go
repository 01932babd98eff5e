package database_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/database"
)

// fileCase is something that happens to the file of a SQLite database, and the exact words for it.
type fileCase struct {
	// before is done to the file before the start, with or without a database of one lamp in it.
	before func(t *testing.T, file string)
	empty  bool
	// start is the error of the start.
	start string
	// under is done while the database is open, after a lamp was added.
	under func(t *testing.T, file string)
	// write is the cause of a refused write, ping what readiness is told.
	write, ping string
	// back undoes it, and lamps are how many there are then, with one that is added.
	back  func(t *testing.T, file string)
	lamps int
	// log is all that was logged since the start, warnings and the word about a new database included.
	log []string
}

const (
	goneLog  = "error: a file of the database is not in its place: until it is back, writes fail and the service is not ready; "
	savedLog = "info: all acknowledged writes are saved in the database's file, wherever the file is now"
	backLog  = "info: the database's files are back in their place; writes go on; file=FILE"
	notHere  = "503 a file of the database is not in its place: "
	unsafe   = "503 the database is not available; try again: "
	moveBack = "; advice=move it back; or stop the service, and start it with the file's new path"
	copyOut  = "; advice=it was deleted, and is lost when this process ends: wait until this log says 'all acknowledged writes are saved', copy /proc/PID/fd/N " +
		"to a safe place, stop the service, and put the copy in the file's place"
	restart = "; advice=restart the service; what it has acknowledged is being saved in the database's file"
)

// An operator, a script or an attacker does something to the file. Without these words the service acknowledged writes
// into a file that had been moved or deleted, and began with an empty one the next time, without a word.
func TestSQLiteAsAFile(t *testing.T) {
	t.Parallel()
	gone := func(path, problem string) string {
		return path + " is not the file that the database was opened with: " + problem
	}
	moved, replaced := gone("FILE", "it was moved or deleted"), gone("FILE", "another file is in its place")
	lostWAL, lostSHM := gone("FILE-wal", "it was moved or deleted"), gone("FILE-shm", "it was moved or deleted")
	for name, c := range map[string]fileCase{
		"nothing happens": {lamps: 4},
		"there is no file": {empty: true, lamps: 3,
			log: []string{"info: a new, empty database was made; file=FILE; reason=there was no file"}},
		"0 bytes": {empty: true, before: content(""), lamps: 3,
			log: []string{"info: a new, empty database was made; file=FILE; reason=the file was empty"}},
		"cut to 0 bytes, with a log": {before: all(content(""), writeAt("-wal", "frames")),
			start: "open database FILE: the file was empty, but FILE-wal holds the last writes of a database that was here; " +
				"put that database back, or move the -wal file away to begin with a new one"},
		"gone, with a log": {empty: true, before: writeAt("-wal", "frames"),
			start: "open database FILE: there was no file, but FILE-wal holds the last writes of a database that was here; " +
				"put that database back, or move the -wal file away to begin with a new one"},
		"not a database": {before: content(strings.Repeat("this is no database\n", 1000)),
			start: "open database FILE: it is not a SQLite database, or it is damaged: file is not a database (26)"},
		"damaged first page": {before: overwrite(100, 4096), start: "open database FILE: it is damaged; restore it from a backup: database disk image is malformed (11)"},
		"damaged root page": {before: func(t *testing.T, file string) { overwrite(pageOf(t, file, "lamps"), 4096)(t, file) },
			start: "open database FILE: it is damaged (the first page of the table lamps is not one of SQLite's); restore it from a backup"},
		"damaged root page of an index": {before: func(t *testing.T, file string) { overwrite(pageOf(t, file, "lamps_name"), 4096)(t, file) },
			start: "open database FILE: it is damaged (the first page of the index lamps_name is not one of SQLite's); restore it from a backup"},
		"cut short": {before: func(t *testing.T, file string) { require.NoError(t, os.Truncate(file, 4096)) },
			start: "open database FILE: it is damaged; restore it from a backup: database disk image is malformed (11)"},
		"a folder in its place": {before: all(remove(""), func(t *testing.T, file string) { require.NoError(t, os.Mkdir(file, 0o700)) }),
			start: "open database FILE: it is a folder; name a file in it"},
		"a pipe in its place": {before: all(remove(""), func(t *testing.T, file string) { require.NoError(t, syscall.Mkfifo(file, 0o600)) }),
			start: "open database FILE: it is a device, a pipe or a socket instead of a file"},
		"a symbolic link that leads nowhere": {before: all(remove(""), link("/no/such/file", "")),
			start: "open database FILE: it is a symbolic link that leads nowhere; make the file it names, or remove the link"},
		"the lock a symbolic link": {before: all(remove(".lock"), link("/etc/hostname", ".lock")),
			start: "open database FILE: FILE.lock is a symbolic link instead of a file; remove it"},
		"the log a symbolic link": {before: link("/etc/hostname", "-wal"),
			start: "open database FILE: FILE-wal is a symbolic link instead of a file; remove it"},
		"hard-linked": {before: hardLink, lamps: 4, log: []string{
			"warn: the database's file has more than one name (hard links): a program that opens it by another name does not find its -wal " +
				"file, and damages it; remove the other names; file=FILE; names=2"}},
		"open to others, with its log": {before: all(chmod("", 0o644), writeAt("-wal", ""), chmod("-wal", 0o666)), lamps: 4, log: []string{
			"info: other users had rights on a file of the database; the rights were removed; file=FILE; mode_before=-rw-r--r--",
			"info: other users had rights on a file of the database; the rights were removed; file=FILE-wal; mode_before=-rw-rw-rw-"}},

		"moved": {under: rename("", ".away"), write: unsafe + moved, ping: notHere + moved, back: rename(".away", ""), lamps: 3,
			log: []string{goneLog + "error=" + moved + moveBack, savedLog, backLog}},
		"its folder moved": {
			under: func(t *testing.T, file string) {
				require.NoError(t, os.Rename(filepath.Dir(file), filepath.Dir(file)+".away"))
			},
			write: unsafe + moved, ping: notHere + moved, lamps: 3,
			back: func(t *testing.T, file string) {
				require.NoError(t, os.Rename(filepath.Dir(file)+".away", filepath.Dir(file)))
			},
			log: []string{goneLog + "error=" + moved + moveBack, savedLog, backLog}},
		"deleted": {under: remove(""), write: unsafe + moved, ping: notHere + moved, log: []string{goneLog + "error=" + moved + copyOut, savedLog}},
		"replaced": {under: all(rename("", ".away"), content("")), write: unsafe + replaced, ping: notHere + replaced,
			back: rename(".away", ""), lamps: 3, log: []string{goneLog + "error=" + replaced + moveBack, savedLog, backLog}},
		"its log deleted":    {under: remove("-wal"), write: unsafe + lostWAL, ping: notHere + lostWAL, log: []string{goneLog + "error=" + lostWAL + restart, savedLog}},
		"its memory deleted": {under: remove("-shm"), write: unsafe + lostSHM, ping: notHere + lostSHM, log: []string{goneLog + "error=" + lostSHM + restart, savedLog}},
		"hard-linked and the first name deleted": {under: all(hardLink, remove("")), write: unsafe + moved, ping: notHere + moved,
			back: func(t *testing.T, file string) { require.NoError(t, os.Rename(file+".other", file)) }, lamps: 3,
			log: []string{goneLog + "error=" + moved + moveBack, savedLog, backLog}},
		"the lock deleted": {under: remove(".lock"), lamps: 4},
		"damaged while open": {under: func(t *testing.T, file string) {
			onShell(t, file, "PRAGMA wal_checkpoint(TRUNCATE)")
			// In a process of its own: a descriptor that is closed here would end the locks of the database.
			out, err := exec.CommandContext(t.Context(), "dd", "if=/dev/zero", "of="+file, "bs=4096", "count=1", "conv=notrunc",
				fmt.Sprint("seek=", pageOf(t, file, "lamps")/4096)).CombinedOutput()
			require.NoError(t, err, string(out))
			onShell(t, file, "CREATE TABLE notices_the_change (id INTEGER)") // has the service read the pages again
		},
			write: "500 database disk image is malformed (11)",
			log: []string{"error: the database is damaged: some of what it holds cannot be read; restore it from a backup, or have it repaired; " +
				"error=database disk image is malformed (11)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func (c *fileCase) run(t *testing.T) {
	cfg := settings(t, database.SQLite)
	file := filepath.Join(t.TempDir(), "data", "test.db")
	cfg.URL = "sqlite:" + file
	if !c.empty {
		makeLamp(t, cfg)
	} else {
		require.NoError(t, os.Mkdir(filepath.Dir(file), 0o700))
	}
	if c.before != nil {
		c.before(t, file)
	}
	db, log := observed(t, cfg)
	text := func(err error) string { return strings.ReplaceAll(told(err), file, "FILE") }
	err := db.Open(t.Context())
	require.Equal(t, c.start, strings.TrimPrefix(text(err), "500 "))
	if err != nil {
		require.Empty(t, log.All())
		return
	}
	require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{lamps()}))
	require.NoError(t, add(t.Context(), db, "before"))
	if c.under != nil {
		c.under(t, file)
	}
	for range 3 { // and it is said once
		require.Equal(t, c.write, text(add(t.Context(), db, "under")))
		require.Equal(t, c.write, text(db.InTx(t.Context(), func(ctx context.Context) error { return add(ctx, db, "under, too") })))
		if c.write == "" {
			break
		}
	}
	require.Equal(t, c.ping, text(db.Ping(t.Context())))
	if c.ping != "" {
		require.Eventually(t, func() bool { return log.FilterMessage(strings.TrimPrefix(savedLog, "info: ")).Len() == 1 }, patience, tick)
	}
	if c.back != nil {
		c.back(t, file)
		require.NoError(t, db.Ping(t.Context()))
		require.NoError(t, add(t.Context(), db, "under"))
	}
	if c.lamps > 0 {
		require.Equal(t, c.lamps, count(t.Context(), t, db))
	}
	require.NoError(t, db.Close(t.Context()))
	require.ElementsMatch(t, c.log, logLines(log, file))
}

// observed makes the handle of a database whose log is kept.
func observed(t *testing.T, cfg config.Database) (*database.DB, *observer.ObservedLogs) {
	t.Helper()
	core, log := observer.New(zap.InfoLevel)
	db, err := database.New(cfg, zap.New(core))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	return db, log
}

// told is what an error tells: its status, what the caller reads and what the log reads.
func told(err error) string {
	var known *app.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &known):
		return fmt.Sprintf("%d %s: %v", known.Code.Status(), known.Message, known.Unwrap())
	default:
		return "500 " + err.Error()
	}
}

// logLines are what was logged but for migrations, with the file, the process and its descriptors left out.
func logLines(log *observer.ObservedLogs, file string) []string {
	var all []string
	for _, e := range log.All() {
		if e.Message == "migration applied" {
			continue
		}
		line := e.Level.String() + ": " + e.Message
		for _, f := range e.Context {
			value := f.String
			if f.Interface != nil {
				value = fmt.Sprint(f.Interface)
			} else if value == "" {
				value = strconv.FormatInt(f.Integer, 10)
			}
			line += "; " + f.Key + "=" + value
		}
		line = strings.ReplaceAll(line, file, "FILE")
		if before, after, ok := strings.Cut(line, fmt.Sprintf("/proc/%d/fd/", os.Getpid())); ok {
			line = before + "/proc/PID/fd/N" + strings.TrimLeft(after, "0123456789")
		}
		all = append(all, line)
	}
	return all
}

type step = func(t *testing.T, file string)

func all(steps ...step) step {
	return func(t *testing.T, file string) {
		for _, do := range steps {
			do(t, file)
		}
	}
}

func content(text string) step { return writeAt("", text) }

func writeAt(suffix, text string) step {
	return func(t *testing.T, file string) { require.NoError(t, os.WriteFile(file+suffix, []byte(text), 0o600)) }
}

func remove(suffix string) step {
	return func(t *testing.T, file string) { require.NoError(t, os.Remove(file+suffix)) }
}

func rename(from, to string) step {
	return func(t *testing.T, file string) { require.NoError(t, os.Rename(file+from, file+to)) }
}

func link(to, suffix string) step {
	return func(t *testing.T, file string) { require.NoError(t, os.Symlink(to, file+suffix)) }
}

func chmod(suffix string, mode fs.FileMode) step {
	return func(t *testing.T, file string) { require.NoError(t, os.Chmod(file+suffix, mode)) }
}

func hardLink(t *testing.T, file string) { require.NoError(t, os.Link(file, file+".other")) }

// overwrite writes rubbish over a part of the file.
func overwrite(from int64, n int) step {
	return func(t *testing.T, file string) {
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteAt(slices.Repeat([]byte{0xfe}, n), from)
		require.NoError(t, errors.Join(err, f.Close()))
	}
}

// pageOf returns where the first page of a table or an index begins.
func pageOf(t *testing.T, file, name string) int64 {
	t.Helper()
	page, err := strconv.ParseInt(onShell(t, file, "SELECT (rootpage - 1) * 4096 FROM sqlite_schema WHERE name = '"+name+"'"), 10, 64)
	require.NoError(t, err)
	return page
}

// onShell runs a statement in the sqlite3 shell, a process beside ours.
func onShell(t *testing.T, file, statement string) string {
	t.Helper()
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("NOT TESTED: there is no sqlite3 shell")
	}
	out, err := exec.CommandContext(t.Context(), "sqlite3", "-cmd", ".timeout 20000", file, statement).CombinedOutput()
	require.NoError(t, err, string(out))
	return strings.TrimSpace(string(out))
}

// An attacker, or a script that cleans up, removes the lock beside the database. It was the only one, so that a second
// process served the same file.
func TestSecondProcessWithoutTheLockBeside(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.SQLite)
	file := strings.TrimPrefix(cfg.URL, "sqlite:")
	db := opened(t, cfg)
	taken := fmt.Sprintf("another process (pid %d) has it open; a SQLite file belongs to one process at a time, "+
		"so stop the other one or use Postgres", os.Getpid())
	require.EqualError(t, mustNew(t, cfg).Open(t.Context()), "open database "+file+": "+taken)
	require.NoError(t, os.Remove(file+".lock"))
	require.EqualError(t, mustNew(t, cfg).Open(t.Context()), "open database "+file+": "+taken)
	other := cfg
	other.URL = "sqlite:" + filepath.Join(t.TempDir(), "hard.db")
	require.NoError(t, os.Link(file, strings.TrimPrefix(other.URL, "sqlite:")))
	require.ErrorContains(t, mustNew(t, other).Open(t.Context()), taken)
	require.NoError(t, add(t.Context(), db, "still ours"))
}

// The version before locks a file beside the database. Neither version may serve while the other does.
func TestVersionsDoNotServeAtOnce(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.SQLite)
	before := flock.New(strings.TrimPrefix(cfg.URL, "sqlite:") + ".lock")
	taken, err := before.TryLock()
	require.NoError(t, err)
	require.True(t, taken)
	db := mustNew(t, cfg)
	require.ErrorContains(t, db.Open(t.Context()), "another process (pid "+strconv.Itoa(os.Getpid())+") has it open")
	require.NoError(t, before.Unlock())
	require.NoError(t, db.Open(t.Context()))
	taken, err = before.TryLock()
	require.NoError(t, err)
	require.False(t, taken)
	require.NoError(t, db.Close(t.Context()))
}

// What was acknowledged before the file was moved or its log deleted is in the file after an orderly stop, and nothing
// that belongs to another database was touched.
func TestNothingIsLostWithTheFile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		under step
		then  string
	}{
		"moved":           {rename("", ".away"), ".away"},
		"its log deleted": {remove("-wal"), ""},
		"deleted, and copied out": {func(t *testing.T, file string) {
			require.NoError(t, os.Remove(file))
		}, ".copy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t, database.SQLite)
			file := strings.TrimPrefix(cfg.URL, "sqlite:")
			db, log := observed(t, cfg)
			require.NoError(t, db.Open(t.Context()))
			require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{lamps()}))
			require.NoError(t, add(t.Context(), db, "acknowledged"))
			c.under(t, file)
			require.Error(t, db.Ping(t.Context()))
			require.Eventually(t, func() bool { return log.FilterMessage(strings.TrimPrefix(savedLog, "info: ")).Len() == 1 }, patience, tick)
			if c.then == ".copy" {
				_, from, ok := strings.Cut(log.FilterLevelExact(zap.ErrorLevel).All()[0].ContextMap()["advice"].(string), "copy ")
				require.True(t, ok)
				saved, err := os.ReadFile(strings.Fields(from)[0])
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(file+c.then, saved, 0o600))
			}
			require.NoError(t, os.WriteFile(file+"-wal", []byte("of another database"), 0o600))
			require.NoError(t, db.Close(t.Context()))
			require.FileExists(t, file+"-wal")
			require.NoError(t, os.Remove(file+"-wal"))
			cfg.URL += c.then
			require.Equal(t, 1, count(t.Context(), t, opened(t, cfg)))
		})
	}
}

// The sqlite3 shell works beside the service: it reads, and each waits for the other's transactions.
func TestShellBesideTheService(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.SQLite)
	file := strings.TrimPrefix(cfg.URL, "sqlite:")
	db := opened(t, cfg)
	require.NoError(t, add(t.Context(), db, "ours"))
	require.Equal(t, "ours", onShell(t, file, "SELECT name FROM lamps"))
	written := make(chan struct{})
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
		require.NoError(t, add(ctx, db, "first"))
		go func() {
			defer close(written)
			onShell(t, file, "INSERT INTO lamps (name, watts, created_at) VALUES ('theirs', 1, '2026-01-01 00:00:00+00:00')") //nolint:testifylint // it waits for the test's transaction
		}()
		require.Equal(t, "1", onShell(t, file, "SELECT count(*) FROM lamps"), "and reads while we write")
		return nil
	}))
	<-written
	require.Equal(t, 3, count(t.Context(), t, db))
	require.NoError(t, db.Ping(t.Context()))
}
