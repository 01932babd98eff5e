package database_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/config"
	"plugboard/infra/database"
)

// An operator's command works beside the service: neither keeps the other out, and no write is lost.
func TestOpenBesideWorksWithTheOwner(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		cfg := settings(t, dialect)
		owner := opened(t, cfg)
		guest := mustNew(t, cfg)
		require.NoError(t, guest.OpenBeside(t.Context()))
		require.NoError(t, guest.OpenBeside(t.Context()), "opening twice")

		var both sync.WaitGroup
		for name, db := range map[string]*database.DB{"owner": owner, "guest": guest} {
			both.Go(func() {
				for i := range 20 {
					err := db.InTx(t.Context(), func(ctx context.Context) error {
						return add(ctx, db, fmt.Sprintf("%s %d", name, i))
					})
					if err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
		both.Wait()
		require.Equal(t, 40, count(t.Context(), t, owner))
		require.Equal(t, 40, count(t.Context(), t, guest))

		require.NoError(t, guest.Close(t.Context()))
		require.NoError(t, guest.Close(t.Context()))
		require.NoError(t, add(t.Context(), owner, "after the guest"))
	})
}

// A guest leaves the file's lock, its migrations and its absence to the owner.
func TestOpenBesideTakesNothingOver(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.SQLite)
	file := strings.TrimPrefix(cfg.URL, "sqlite:")
	guest := mustNew(t, cfg)
	require.EqualError(t, guest.OpenBeside(t.Context()),
		"open database "+file+": there is no such file; the service makes it when it first starts")
	require.NoFileExists(t, file)
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.EqualError(t, guest.OpenBeside(t.Context()),
		"open database "+file+": the file is empty; the service fills it when it first starts")

	opened(t, cfg)
	require.NoError(t, guest.OpenBeside(t.Context()))
	t.Cleanup(func() { require.NoError(t, guest.Close(context.Background())) })
	require.EqualError(t, guest.Migrate(t.Context(), []database.MigrationSet{lamps()}),
		"migrate database: another process owns this SQLite file; stop it first")
	require.NoError(t, guest.CheckMigrated(t.Context(), []database.MigrationSet{lamps()}))
	require.ErrorContains(t, mustNew(t, cfg).Open(t.Context()), "another process", "the owner's lock holds")

	require.NoError(t, os.WriteFile(file+".txt", []byte("this is no database, however long it is read"), 0o600))
	broken := mustNew(t, config.Database{URL: cfg.URL + ".txt", MaxConns: 2, BusyTimeout: cfg.BusyTimeout, OpenTimeout: cfg.OpenTimeout})
	require.ErrorContains(t, broken.OpenBeside(t.Context()), "it is not a SQLite database")
}

// A transaction that still runs in a guest when it is closed is reported.
func TestCloseSharedReportsWhatIsOpen(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.SQLite)
	owner := opened(t, cfg)
	guest := mustNew(t, cfg)
	require.NoError(t, guest.OpenBeside(t.Context()))
	hurried, cancel := context.WithCancel(t.Context())
	cancel()
	_ = guest.InTx(t.Context(), func(ctx context.Context) error {
		require.NoError(t, add(ctx, guest, "late"))
		require.ErrorContains(t, guest.Close(hurried), "a transaction is still open")
		return ctx.Err()
	})
	require.NoError(t, add(t.Context(), owner, "kept"))
}
