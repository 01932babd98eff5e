package eventbus_test

import (
	"context"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
)

// Large is an event of any size.
type Large struct {
	Text  string `json:"text"`
	Group string `json:"group"`
}

func (Large) Topic() string { return "large.made" }
func (l Large) Key() string { return l.Group }

// The bus counted places and not bytes: 150 stuck events of 1 MB held 310 MB. This test publishes more than a small budget while the
// handlers are stuck. One of the events is larger than the whole budget.
func TestEventsInMemoryKeepToTheirBudget(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"without key": "", "of one key": "k"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachSite(t, func(t *testing.T, at site) {
				const limit, each, events = 512 << 10, 64 << 10, 30
				db := openAt(t, at)
				registry := prometheus.NewPedanticRegistry()
				cfg := settings()
				cfg.Memory = limit
				bus, err := eventbus.New(cfg, db, zap.NewNop(), registry)
				require.NoError(t, err)
				require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{bus.Migrations()}))
				goOn := make(chan struct{})
				var got, other seen[int]
				require.Empty(t, bus.Check(boot(t, bus, publishes(Large{}),
					subscribes(app.On(func(_ context.Context, l Large) error { <-goOn; got.add(len(l.Text)); return nil })),
					subscribes(app.On(func(_ context.Context, l Large) error { other.add(len(l.Text)); return nil })))))
				require.NoError(t, bus.Start(t.Context()))
				r := &rig{t: t, db: db, bus: bus}
				t.Cleanup(r.stop)
				var want []int
				largest := 0
				for i := range events {
					size := each
					if i == events/2 {
						size = limit
					}
					want = append(want, size)
					r.publish(Large{Text: strings.Repeat("x", size), Group: key})
					largest = max(largest, size)
					require.Less(t, held(t, registry), float64(limit+2*largest+1024)) // the other subscription may hold one besides
				}
				close(goOn)
				r.idle()
				require.ElementsMatch(t, want, got.all())
				require.ElementsMatch(t, want, other.all())
				require.Zero(t, held(t, registry))
			})
		})
	}
}

// held returns how many bytes the bus says it holds.
func held(t *testing.T, registry *prometheus.Registry) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == "plugboard_events_memory_bytes" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("there is no such metric")
	return 0
}
