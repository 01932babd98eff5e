package store

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCountsAreByTheNameOfTheDeliveries(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		at := time.UnixMilli(1_700_000_000_000).UTC()
		r.add(idAt(at, 1), "parked_at = 500")
		r.add(idAt(at.Add(time.Hour), 2), "parked_at = 400")
		r.add(idAt(at.Add(time.Hour), 3), "")
		r.add(idAt(at.Add(-time.Hour), 4), "state = 'running', claimed_at = 700")
		r.add(idAt(at.Add(time.Hour), 5), "state = 'running', claimed_at = 600")
		r.add(idAt(at.Add(-2*time.Hour), 6), "state = 'dead'")
		r.addTo("other", "an id of its own", "")
		counts, err := r.Subscriptions().Counts(r.ctx())
		require.NoError(t, err)
		require.Equal(t, map[string]Counts{
			"sub": {
				Pending: 3, Running: 2, Dead: 1, Parked: 2, ParkedSince: time.UnixMilli(400).UTC(), RunningSince: time.UnixMilli(600).UTC(),
				Oldest: at.Add(-time.Hour),
			},
			"other": {Pending: 1},
		}, counts)
	})
}

func TestTopicsAreThoseOfStoredDeliveries(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.addEvent("e1", "t")
		r.add("e1", "")
		r.add("e2", "")
		r.addTo("no event", "e2", "")
		topics, err := r.Subscriptions().Topics(r.ctx(), []string{"sub", "no event", "none"})
		require.NoError(t, err)
		require.Equal(t, map[string]string{"sub": "t"}, topics)
	})
}

func TestSubscriptionsAreSeenAtTheDatabasesTime(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.addName("a", "t", "active", "", 5)
		r.addName("b", "t", "active", "", 5)
		require.NoError(t, r.Subscriptions().MarkSeen(r.ctx(), []string{"a", "none"}))
		names, err := r.Subscriptions().Names(r.ctx())
		require.NoError(t, err)
		require.Equal(t, time.UnixMilli(5).UTC(), names["b"].SeenAt)
		now, err := r.Now(r.ctx())
		require.NoError(t, err)
		require.WithinDuration(t, now, names["a"].SeenAt, time.Minute)
	})
}

// While one process registers, another must not: each would read names that the other is about to change.
func TestLockKeepsOthersFromRegistering(t *testing.T) {
	t.Parallel()
	r := onPostgres(t)
	r.addName("a", "t", "active", "", 5)
	r.inTx(func(ctx context.Context) error {
		require.NoError(t, r.Subscriptions().Lock(ctx))
		_, err := r.Subscriptions().Names(r.ctx())
		require.NoError(t, err, "reading goes on")
		_, err = r.DB.ExecContext(r.ctx(), "LOCK TABLE bus_subscriptions IN SHARE ROW EXCLUSIVE MODE NOWAIT")
		require.Error(t, err)
		return nil
	})
}
