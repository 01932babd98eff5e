package eventbus_test

import (
	"context"
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
)

func TestRunsAreCountedByOutcome(t *testing.T) {
	t.Parallel()
	db := openAt(t, site{"sqlite", "sqlite:" + t.TempDir() + "/events.db"})
	registry := prometheus.NewPedanticRegistry()
	bus, err := eventbus.New(settings(), db, zap.NewNop(), registry)
	require.NoError(t, err)
	require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{bus.Migrations()}))
	require.Empty(t, bus.Check(boot(t, bus, publishes(Note{}),
		subscribes(app.On(func(_ context.Context, e Note) error {
			if e.ID%10 == 0 {
				return app.Permanent(errors.New("never"))
			}
			return nil
		}), app.Volatile(), app.Concurrency(1)))))
	require.Len(t, bus.Subscriptions(), 1) // which counts nothing twice
	require.NoError(t, bus.Start(t.Context()))
	for i := range 50 {
		require.NoError(t, bus.For("p0").Publish(t.Context(), Note{ID: int64(i)}))
	}
	require.NoError(t, bus.Idle(t.Context()))
	require.NoError(t, bus.Stop(t.Context()))

	families, err := registry.Gather()
	require.NoError(t, err)
	counts := map[string]uint64{}
	for _, f := range families {
		if f.GetName() != "plugboard_events_handled_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			require.Equal(t, "p1/note.taken", m.GetLabel()[1].GetValue())
			require.Len(t, m.GetHistogram().GetBucket(), 9)
			require.InDelta(t, 0.0001, m.GetHistogram().GetBucket()[0].GetUpperBound(), 1e-12)
			require.Positive(t, m.GetHistogram().GetSampleSum())
			counts[m.GetLabel()[0].GetValue()] = m.GetHistogram().GetSampleCount()
		}
	}
	require.Equal(t, map[string]uint64{"ok": 45, "error": 5}, counts)
}
