package eventbus_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// A poller adopts a key before it claims the key's first event. Meanwhile a publisher queued the next event behind it, and
// another replica claimed the first: the poller forgot the key with the queued event in it, which nobody handled any more.
func TestAnEventQueuedBehindOneThatAnotherReplicaClaimedIsHandled(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	const keys = 40 // more than of which several events are claimed at once
	var got seen[string]
	handler := subscribes(app.On(func(_ context.Context, e Made) error {
		got.add(fmt.Sprintf("%s-%d", e.Group, e.ID))
		return nil
	}))
	deaf := settings() // it does not look for events by itself while the test runs
	deaf.Poll, deaf.Lease = time.Hour, time.Hour
	first := start(t, at, deaf, publishes(Made{}), handler)
	for k := range keys {
		first.publish(Made{ID: 1, Group: fmt.Sprint(k)}, app.Delay(time.Minute))
	}
	cfg := settings()
	cfg.Lease = time.Hour // so long that the search for lost claims does not help
	second := prepare(t, at, cfg, publishes(Made{}), handler)
	do := func(ctx context.Context, statement string) {
		_, err := first.db.ExecContext(ctx, statement)
		require.NoError(t, err)
	}
	do(t.Context(), `UPDATE bus_deliveries SET due_at = 0`)
	require.NoError(t, first.db.InTx(t.Context(), func(ctx context.Context) error {
		do(ctx, `UPDATE bus_deliveries SET state = 'running', token = 1, attempts = 1, claimed_at = due_at,
			owner = (SELECT id FROM bus_processes) WHERE key = '7'`)
		require.NoError(t, second.bus.Start(t.Context())) // it adopts all keys, and its claim waits for this transaction
		require.Eventually(t, func() bool {
			return number(t, second.db, `SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
				AND query LIKE 'UPDATE bus_deliveries%' AND pid IN (SELECT pid FROM pg_locks WHERE relation = 'bus_deliveries'::regclass)`) == 1
		}, 20*time.Second, 10*time.Millisecond)
		second.publish(Made{ID: 2, Group: "7"})
		return nil
	}))
	do(t.Context(), `DELETE FROM bus_deliveries WHERE key = '7' AND attempts = 1 AND token = 1 AND claimed_at = 0`) // the first replica has handled it
	second.idle()
	require.Contains(t, got.all(), "7-2")
	require.Len(t, got.all(), keys)
}
