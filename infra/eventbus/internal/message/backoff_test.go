package message

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// After many failures the doubled wait overflowed and became short: a delivery was tried again at once instead of days later.
func TestBackoffNeverOverflows(t *testing.T) {
	t.Parallel()
	for _, first := range []time.Duration{time.Millisecond, time.Second, 3 * time.Hour, 720 * time.Hour, 1<<44 + 1} {
		g := &Subscription{BackoffMin: first, BackoffMax: 720 * time.Hour}
		for n := 1; n <= 100; n++ {
			want := min(float64(first)*math.Pow(2, float64(n-1)), float64(g.BackoffMax))
			wait := float64(g.Backoff(n))
			require.GreaterOrEqual(t, wait, want/2-1, "after failure %d, from %s", n, first)
			require.LessOrEqual(t, wait, want+1, "after failure %d, from %s", n, first)
		}
	}
}
