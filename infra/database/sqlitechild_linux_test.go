package database_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/config"
	"plugboard/infra/database"
)

// nobody is who the child is when a test needs somebody who may not do everything.
const nobody = 65534

// TestChild is no test: it is what inChild runs, since a umask and a user are the whole process's.
func TestChild(t *testing.T) { //nolint:paralleltest // its umask is the whole process's
	file := os.Getenv("CHILD_FILE")
	if file == "" {
		t.Skip("it is run by other tests")
	}
	umask, err := strconv.ParseInt(os.Getenv("CHILD_UMASK"), 8, 0)
	require.NoError(t, err)
	syscall.Umask(int(umask))
	if os.Getenv("CHILD_NOBODY") != "" {
		require.NoError(t, syscall.Setuid(nobody))
	}
	cfg := settings(t, database.SQLite)
	cfg.URL = "sqlite:" + file
	db, log := observed(t, cfg)
	if err := db.Open(t.Context()); err != nil {
		fmt.Println("CHILD: " + err.Error())
		return
	}
	require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{lamps()}))
	require.NoError(t, add(t.Context(), db, "child's"))
	for _, path := range []string{filepath.Dir(file), file, file + "-wal", file + "-shm", file + ".lock"} {
		info, err := os.Lstat(path)
		require.NoError(t, err)
		fmt.Printf("CHILD: %v %s\n", info.Mode(), strings.TrimPrefix(path, filepath.Dir(file)))
	}
	require.NoError(t, db.Close(t.Context()))
	for _, line := range logLines(log, file) {
		fmt.Println("CHILD: " + line)
	}
}

// inChild opens the database in a process of its own, and returns what that tells.
func inChild(t *testing.T, cfg config.Database, umask string, asNobody bool) string {
	t.Helper()
	file := strings.TrimPrefix(cfg.URL, "sqlite:")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), "CHILD_FILE="+file, "CHILD_UMASK="+umask)
	if asNobody && os.Getuid() == 0 {
		cmd.Env = append(cmd.Env, "CHILD_NOBODY=1")
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	var told strings.Builder
	for line := range strings.Lines(string(out)) {
		if said, ok := strings.CutPrefix(line, "CHILD: "); ok {
			told.WriteString(strings.ReplaceAll(said, file, "FILE"))
		}
	}
	return told.String()
}

// With the usual umask the database, its log and its memory could be read by everybody on the machine.
func TestFilesAreTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	for _, umask := range []string{"0", "022", "077", "0177", "0777"} {
		t.Run(umask, func(t *testing.T) {
			t.Parallel()
			cfg := settings(t, database.SQLite)
			cfg.URL = "sqlite:" + filepath.Join(t.TempDir(), "made", "test.db")
			require.Equal(t, `drwx------ 
-rw------- /test.db
-rw------- /test.db-wal
-rw------- /test.db-shm
-rw------- /test.db.lock
info: a new, empty database was made; file=FILE; reason=there was no file
`, inChild(t, cfg, umask, false))
		})
	}
}

// Whoever may not write the file, or the folder that SQLite's own files go to, is told so.
func TestFilesThatMayNotBeWritten(t *testing.T) {
	t.Parallel()
	const denied = "open database FILE: it cannot be written; check the permissions of the file and its folder: "
	for name, c := range map[string]struct {
		prepare step
		want    string
	}{
		"read-only file": {chmod("", 0o400), denied + "permission denied\n"},
		"read-only folder": {func(t *testing.T, file string) { require.NoError(t, os.Chmod(filepath.Dir(file), 0o500)) },
			denied + "attempt to write a readonly database (1544)\n"},
		"read-only folder, and no lock in it": {all(remove(".lock"), func(t *testing.T, file string) {
			require.NoError(t, os.Chmod(filepath.Dir(file), 0o500))
		}), "open database FILE: lock FILE.lock: it cannot be written; check the permissions of the file and its folder: permission denied\n"},
		"a folder that may not be entered": {func(t *testing.T, file string) { require.NoError(t, os.Chmod(filepath.Dir(file), 0)) },
			"open database FILE: permission denied\n"},
		"open to others, and somebody else's": {func(t *testing.T, file string) {
			if os.Getuid() != 0 {
				t.Skip("NOT TESTED: only root can give a file away")
			}
			require.NoError(t, os.Chown(file, 1, 1))
			require.NoError(t, os.Chmod(file, 0o666))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder, err := os.MkdirTemp("", "plugboard") //nolint:usetesting // its folders may be entered by their owner alone
			require.NoError(t, err)
			t.Cleanup(func() { _ = os.RemoveAll(folder) })
			cfg := settings(t, database.SQLite)
			file := filepath.Join(folder, "test.db")
			cfg.URL = "sqlite:" + file
			makeLamp(t, cfg)
			if os.Getuid() == 0 {
				for _, path := range []string{folder, file, file + ".lock"} {
					require.NoError(t, os.Chown(path, nobody, nobody))
				}
			}
			c.prepare(t, file)
			t.Cleanup(func() { _ = os.Chmod(folder, 0o700) })
			told := inChild(t, cfg, "022", true)
			if c.want == "" {
				require.Contains(t, told, "warn: other users have rights on a file of the database, and removing the rights failed; "+
					"file=FILE; mode=-rw-rw-rw-; error=operation not permitted\n")
				return
			}
			require.Equal(t, c.want, told)
		})
	}
}

// A disk that is full at the start is named, not described by its code alone.
func TestFullDiskAtTheStart(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("NOT TESTED, the full disk: mounting a tmpfs needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(folder, syscall.MNT_DETACH) })
	_ = os.WriteFile(filepath.Join(folder, "ballast"), make([]byte, 1<<20), 0o600) // as much as fits
	cfg := settings(t, database.SQLite)
	cfg.URL = "sqlite:" + filepath.Join(folder, "full.db")
	db := mustNew(t, cfg)
	err := db.Open(t.Context())
	require.ErrorContains(t, err, "open database "+filepath.Join(folder, "full.db")+": the disk is full")
	require.NoError(t, db.Close(context.Background()))
}
