package database_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/database"
)

// Slow statements are logged without their values, which may be secret, GORM's and the host's own alike.
func TestSlowStatementsAreLoggedWithoutValues(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		core, logs := observer.New(zap.WarnLevel)
		cfg := settings(t, dialect)
		cfg.SlowQuery = time.Nanosecond
		db, err := database.New(cfg, zap.New(core))
		require.NoError(t, err)
		require.NoError(t, db.Open(t.Context()))
		t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
		require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{lamps()}))
		logs.TakeAll()
		ctx := app.WithCall(t.Context(), &app.Call{Plugin: "lamps.add_lamp", RequestID: "r-1"})
		require.NoError(t, add(ctx, db, "s3cret"))
		require.NoError(t, db.InTx(ctx, func(ctx context.Context) error {
			tx, _ := database.TxFrom(ctx)
			_, err := tx.ExecContext(ctx, "DELETE FROM lamps")
			return err
		}))
		entries := logs.TakeAll()
		require.Len(t, entries, 2)
		for i, want := range []string{"INSERT INTO", "DELETE FROM lamps"} {
			fields := entries[i].ContextMap()
			require.Equal(t, "slow statement", entries[i].Message)
			require.Contains(t, fields["sql"], want)
			require.NotContains(t, fields["sql"], "s3cret")
			require.Equal(t, "r-1", fields["request_id"])
			require.Equal(t, "lamps.add_lamp", fields["for_plugin"])
		}
	})
}

func TestFailedStatementsAreNotLogged(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	cfg := settings(t, database.SQLite)
	db, err := database.New(cfg, zap.New(core))
	require.NoError(t, err)
	require.Error(t, add(t.Context(), db, "x"))
	require.Empty(t, logs.All(), "whoever handles the error logs it")
}

func TestModule(t *testing.T) {
	t.Parallel()
	var (
		db     *database.DB
		handle *gorm.DB
	)
	fxtest.New(t, fx.NopLogger, database.Module, fx.Supply(zap.NewNop(), config.Database{URL: "sqlite:nowhere/x.db"}),
		fx.Populate(&db, &handle)).RequireStart().RequireStop()
	require.Same(t, db.Gorm(), handle)
}
