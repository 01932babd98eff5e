package retry_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/infra/internal/retry"
)

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
