package sqlite

import (
	"database/sql/driver"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// slowDisk is a transaction whose commit takes its time, during which something happens.
type slowDisk struct {
	takes     time.Duration
	meanwhile func()
}

func (s slowDisk) Commit() error {
	s.meanwhile()
	time.Sleep(s.takes) //nolint:forbidigo // in a bubble, whose clock does not wait
	return nil
}

func (slowDisk) Rollback() error { return nil }

// The file may be moved while the disk takes long over a commit: that the file was in its place when the commit began is
// not enough to acknowledge it by 100 ms later.
func TestSlowCommitIsConfirmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "x.db")
		for _, suffix := range []string{"", "-wal", "-shm"} {
			require.NoError(t, os.WriteFile(path+suffix, nil, 0o600))
		}
		f := &dbFile{configured: path, path: path, logger: zap.NewNop()}
		require.NoError(t, f.expectFiles())
		away := func() { require.NoError(t, os.Rename(path, path+".away")) }
		commit := func(disk driver.Tx) error {
			return (&transaction{Tx: disk, conn: &connection{file: f, inTx: true}}).Commit()
		}
		require.NoError(t, commit(slowDisk{time.Second, func() {}}))
		lost := path + " is not the file that the database was opened with: it was moved or deleted"
		require.EqualError(t, commit(slowDisk{100 * time.Millisecond, away}), lost)
		require.EqualError(t, commit(slowDisk{0, func() { t.Error("it was not to be committed") }}), lost)
		require.NoError(t, os.Rename(path+".away", path))
		require.NoError(t, commit(slowDisk{0, func() {}}))
	})
}
