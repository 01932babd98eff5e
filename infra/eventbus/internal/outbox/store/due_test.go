package store

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/config"
	"plugboard/infra/database"
)

// sqlite returns a Store on a new SQLite database.
func sqlite(t *testing.T) Store {
	t.Helper()
	url := "sqlite:" + filepath.Join(t.TempDir(), "events.db")
	db, err := database.New(config.Database{URL: url, Migrate: true, MaxConns: 4, BusyTimeout: 10 * time.Second, OpenTimeout: 10 * time.Second}, zap.NewNop())
	require.NoError(t, err)
	require.NoError(t, db.Open(t.Context()))
	t.Cleanup(func() { require.NoError(t, db.Close(context.WithoutCancel(t.Context()))) })
	require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{Migrations()}))
	return New(db)
}

// When one subscription had a delivery behind another, all subscriptions asked for the next delivery of each key they finished.
// A poll now tells which subscriptions have such deliveries, and the others do not ask.
func TestAPollTellsWhichSubscriptionsHaveDeliveriesBehindOthers(t *testing.T) {
	t.Parallel()
	s := sqlite(t)
	for _, name := range []string{"a", "b", "b", "c"} {
		behind := 0
		if name != "c" {
			behind = 1
		}
		_, err := s.Exec(t.Context(), `INSERT INTO bus_deliveries (event_id, subscription, key, seq, state, owner, token, attempts, due_at, claimed_at, behind)
			SELECT 'e' || COUNT(*), ?, 'k', COUNT(*), 'pending', '', 1, 1, 0, 0, ? FROM bus_deliveries`, name, behind)
		require.NoError(t, err)
	}
	all, behind, err := s.Deliveries().NextDue(t.Context())
	require.NoError(t, err)
	require.True(t, behind)
	require.True(t, all["a"].Behind)
	require.True(t, all["b"].Behind)
	require.False(t, all["c"].Behind)
	require.False(t, all["s"].Behind)
}
