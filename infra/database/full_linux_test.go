package database_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/database"
)

// When the disk is full, writes are refused with a code of their own, reads go on, and once there is space again so
// do writes, without opening anything again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("NOT TESTED, the full disk: mounting a tmpfs needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(folder, syscall.MNT_DETACH) })
	cfg := settings(t, database.SQLite)
	cfg.URL = "sqlite:" + filepath.Join(folder, "full.db")
	db := opened(t, cfg)
	ctx := t.Context()
	require.NoError(t, db.Gorm().WithContext(ctx).Exec("CREATE TABLE papers (body BLOB)").Error)
	require.NoError(t, add(ctx, db, "before"))
	ballast := filepath.Join(folder, "ballast")
	_ = os.WriteFile(ballast, bytes.Repeat([]byte("x"), 4<<20), 0o600) // as much as fits

	paper := strings.Repeat("paper", 20000)
	insert := func(ctx context.Context) error {
		return db.Gorm().WithContext(ctx).Exec("INSERT INTO papers (body) VALUES (?)", paper).Error
	}
	for range 3 {
		require.Equal(t, app.StorageFull, app.CodeOf(insert(ctx)))
		err := db.InTx(ctx, func(ctx context.Context) error {
			if err := insert(ctx); err != nil {
				// SQLite has rolled back by now; what follows must not be stored by itself.
				_ = db.Gorm().WithContext(ctx).Exec("UPDATE lamps SET name = 'alone'").Error
				return err
			}
			return nil
		})
		require.Equal(t, app.StorageFull, app.CodeOf(err), "%v", err)
		require.Equal(t, 1, count(ctx, t, db), "reads go on")
		require.NoError(t, db.Ping(ctx))
	}
	require.NoError(t, os.Remove(ballast))
	require.NoError(t, insert(ctx))
	require.NoError(t, db.InTx(ctx, func(ctx context.Context) error { return add(ctx, db, "after") }))
	var lamp Lamp
	require.NoError(t, db.Gorm().WithContext(ctx).First(&lamp).Error)
	require.Equal(t, "before", lamp.Name)
}
