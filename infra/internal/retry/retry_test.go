package retry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/infra/internal/retry"
)

func TestSleepEndsWithItsTimeOrItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		require.True(t, retry.Sleep(t.Context(), time.Minute))
		require.Equal(t, time.Minute, time.Since(start))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.False(t, retry.Sleep(ctx, time.Hour))
		require.Equal(t, time.Minute+time.Second, time.Since(start))
	})
}

func TestBackoffDoublesUpToItsLongest(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{
		1: 10 * time.Millisecond, 2: 20 * time.Millisecond, 5: 160 * time.Millisecond, 6: 200 * time.Millisecond,
		63: 200 * time.Millisecond, 64: 200 * time.Millisecond, 1000: 200 * time.Millisecond,
	} {
		seen := map[time.Duration]bool{}
		for range 100 {
			wait := retry.Backoff(n, 10*time.Millisecond, 200*time.Millisecond)
			require.GreaterOrEqual(t, wait, want/2, n)
			require.LessOrEqual(t, wait, want, n)
			seen[wait] = true
		}
		require.Greater(t, len(seen), 1, "the waits of several are not the same")
	}
}
