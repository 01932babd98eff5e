package eventbus

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// When one subscription had a delivery behind another, all subscriptions asked for the next delivery of each key they finished.
// A poll now tells which subscriptions have such deliveries, and the others do not ask.
func TestAPollTellsWhichSubscriptionsHaveDeliveriesBehindOthers(t *testing.T) {
	t.Parallel()
	o, _ := outboxOn(t, func(context.Context, *Delivery) error { return nil })
	for _, name := range []string{"a", "b", "b", "c"} {
		behind := 0
		if name != "c" {
			behind = 1
		}
		_, err := o.store.Exec(t.Context(), `INSERT INTO bus_deliveries (event_id, subscription, key, seq, state, owner, token, attempts, due_at, claimed_at, behind)
			SELECT 'e' || COUNT(*), ?, 'k', COUNT(*), 'pending', '', 1, 1, 0, 0, ? FROM bus_deliveries`, name, behind)
		require.NoError(t, err)
	}
	all, behind, err := (Deliveries{o.store}).waiting(t.Context())
	require.NoError(t, err)
	require.True(t, behind)
	require.True(t, all["a"].behind)
	require.True(t, all["b"].behind)
	require.False(t, all["c"].behind)
	require.False(t, all["s"].behind)
}
