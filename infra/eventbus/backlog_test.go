package eventbus_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// With a thousand ordered events waiting behind each key, the search for the first of each looked at all of them, and a
// backlog that a restart would find took longer than it had taken to write.
func TestALongBacklogOfFewKeysIsWorkedOff(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	eachSite(t, func(t *testing.T, at site) {
		const events = 12000
		var got seen[int64]
		onBoot := []func(b *app.Boot){publishes(Made{}), subscribes(app.On(func(_ context.Context, e Made) error {
			got.add(e.ID)
			return nil
		}))}
		r := prepare(t, at, settings(), onBoot...)
		require.NoError(t, r.db.InTx(t.Context(), func(ctx context.Context) error {
			for _, statement := range []string{
				`CREATE TABLE n AS WITH RECURSIVE c (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < 11999) SELECT i FROM c`,
				`INSERT INTO bus_events (id, topic, key, seq, emitter, parent, request_id, trace, headers, payload, published_at)
					SELECT 'e' || i, 'thing.made', 'k' || (i % 12), 1 + i / 12, 'p0', '', '', '', '', '{"id":' || i || '}', 0 FROM n`,
				`INSERT INTO bus_deliveries (event_id, subscription, key, seq, state, owner, token, attempts, due_at, claimed_at)
					SELECT 'e' || i, 'p1/thing.made', 'k' || (i % 12), 1 + i / 12, 'pending', '', 0, 0, 0, 0 FROM n`,
			} {
				if _, err := r.db.ExecContext(ctx, statement); err != nil {
					return err
				}
			}
			return nil
		}))
		require.NoError(t, r.bus.Start(t.Context()))
		limit, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, r.bus.Idle(limit))
		require.Len(t, got.all(), events)
	})
}
