package throttle_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts"
	"plugboard/domains/accounts/throttle"
)

var limit = throttle.Limit{Attempts: 5, Each: time.Minute}

func TestTake(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		clock, ctx := apptest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), apptest.Context(t)
		handle := db.Open(t, accounts.Module)
		a, b := throttle.New(handle, clock), throttle.New(handle, clock) // two replicas
		for i := range 5 {
			require.NoError(t, []*throttle.Throttle{a, b}[i%2].Take(ctx, "ada", limit))
		}
		err := b.Take(ctx, "ada", limit)
		refusal, ok := errors.AsType[*app.Error](err)
		require.True(t, ok)
		require.Equal(t, app.TooMany, refusal.Code)
		require.Equal(t, time.Minute, refusal.RetryAfter)
		require.NoError(t, a.Take(ctx, "bob", limit))
		clock.Advance(30 * time.Second)
		require.Error(t, a.Take(ctx, "ada", limit)) // what is refused does not count
		clock.Advance(30 * time.Second)
		require.NoError(t, a.Take(ctx, "ada", limit))
		require.Error(t, a.Take(ctx, "ada", limit))
		require.NoError(t, a.GiveBack(ctx, "ada", limit))
		require.NoError(t, a.Take(ctx, "ada", limit))
		clock.Advance(time.Hour)
		for range 5 {
			require.NoError(t, a.Take(ctx, "ada", limit)) // and no more than five, however long nobody came
		}
		require.Error(t, a.Take(ctx, "ada", limit))
	})
}

// Attempts at the same time do not pass together.
func TestTakeInParallel(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		counts := throttle.New(db.Open(t, accounts.Module), apptest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)))
		ctx := apptest.Context(t)
		var passed atomic.Int32
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() {
				if counts.Take(ctx, "ada", limit) == nil {
					passed.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 5, passed.Load())
	})
}
