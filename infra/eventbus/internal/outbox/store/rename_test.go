package store

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMoveDeliveriesMovesWhatNoProcessHas(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.addTo("old", "pending", "token = 3, behind = 1, key = 'k', seq = 2")
		r.addTo("old", "dead", "state = 'dead', error = 'never'")
		r.addTo("old", "running", "state = 'running', owner = 'a'")
		r.addTo("old", "both", "token = 9")
		r.add("both", "")
		r.inTx(func(ctx context.Context) error { return r.Subscriptions().MoveDeliveries(ctx, "old", "sub") })
		require.Equal(t, "pending #4 try 1 crashes 0/0 behind 0", r.see("pending"))
		require.Equal(t, "dead #2 try 1 crashes 0/0 behind 0 never", r.see("dead"))
		require.Equal(t, "pending #1 try 1 crashes 0/0 behind 0", r.see("both"), "it keeps its own")
		require.Equal(t, []string{"running"}, r.texts("SELECT event_id FROM bus_deliveries WHERE subscription = 'old'"))
	})
}

// A move of deliveries to the same name deleted all of them as duplicates of themselves.
func TestNothingIsMovedToItself(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.addName("sub", "t", "active", "", 0)
		r.add("e", "")
		r.inTx(func(ctx context.Context) error {
			require.NoError(t, r.Subscriptions().MoveDeliveries(ctx, "sub", "sub"))
			return r.Subscriptions().Rename(ctx, "sub", "sub")
		})
		require.Equal(t, "pending #1 try 1 crashes 0/0 behind 0", r.see("e"))
		require.Equal(t, "sub active", r.names())
	})
}

// waitsUnder finds each kind of delivery by another index. A kind that it did not find would stay under the old name for ever.
func TestEachKindOfWaitingDeliveryIsMoved(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		for _, kind := range []string{"state = 'pending'", "key = 'k', seq = 1", "state = 'dead'", "state = 'dead', key = 'k', seq = 1"} {
			r.addTo("old", "e", kind)
			r.inTx(func(ctx context.Context) error { return r.Subscriptions().MoveDeliveries(ctx, "old", "sub") })
			require.NotEqual(t, "gone", r.see("e"), kind)
			r.do("DELETE FROM bus_deliveries")
		}
	})
}

func TestRenameRetiresTheOldNameAndThoseThatLedToIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.addName("older", "t", "retired", "old", 0)
		r.addName("old", "t", "active", "", 0)
		r.addName("new", "t", "retired", "somewhere", 0)
		r.addName("other", "t", "active", "", 0)
		require.NoError(t, r.Schedules().Register(r.ctx(), "old", "@daily"))
		r.inTx(func(ctx context.Context) error { return r.Subscriptions().Rename(ctx, "old", "new") })
		require.Equal(t, "new active, old retired in new, older retired in new, other active", r.names())
		require.Equal(t, []string{"new"}, r.texts("SELECT name FROM bus_schedules"))

		require.NoError(t, r.Schedules().Register(r.ctx(), "other", "@hourly"))
		r.inTx(func(ctx context.Context) error { return r.Subscriptions().Rename(ctx, "other", "new") })
		require.Equal(t, []string{"@daily"}, r.texts("SELECT spec FROM bus_schedules"), "the new name's own goes on")
	})
}
