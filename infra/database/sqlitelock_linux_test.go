package database_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/infra/database"
)

// A database that was closed was now and then still open to "another process": one that was being started at that moment,
// which has copies of all descriptors until its program begins, and so kept the lock.
func TestAClosedFileIsFreeWhileAProcessIsStarted(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.SQLite)
	db := mustNew(t, cfg)
	require.NoError(t, db.Open(t.Context()))
	copies := copiesOf(t, strings.TrimPrefix(cfg.URL, "sqlite:"))
	require.NotEmpty(t, copies)
	require.NoError(t, db.Close(t.Context()))
	again := mustNew(t, cfg)
	require.NoError(t, again.Open(t.Context()))
	require.NoError(t, again.Close(t.Context()))
	for _, fd := range copies {
		require.NoError(t, syscall.Close(fd))
	}
}

// copiesOf copies the descriptors of the files whose paths begin with path, as fork(2) does.
func copiesOf(t *testing.T, path string) (copies []int) {
	t.Helper()
	const folder = "/proc/self/fd"
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, entry := range entries {
		target, _ := os.Readlink(filepath.Join(folder, entry.Name())) // others are closed meanwhile
		if !strings.HasPrefix(target, path) {
			continue
		}
		fd, err := strconv.Atoi(entry.Name())
		require.NoError(t, err)
		another, err := syscall.Dup(fd)
		require.NoError(t, err)
		syscall.CloseOnExec(another)
		copies = append(copies, another)
	}
	return copies
}
