package replica

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A replica searched the whole table of deliveries for orphans at each poll, and later twice in a lease, although there are hardly ever
// any. With many waiting deliveries, it read little else.
func TestOrphansAreLookedForWhileThereMayBeSome(t *testing.T) {
	t.Parallel()
	const lease, tick = 30 * time.Second, time.Second
	var w orphanClock
	now := time.Unix(1e9, 0)
	looks := func(ticks int, id string, took bool) (n int) {
		for range ticks {
			if w.due(now, id, took, lease) {
				n++
			}
			took = false
			now = now.Add(tick)
		}
		return n
	}
	require.Equal(t, 6, looks(31, "a", false), "after the start")
	require.Equal(t, 2, looks(7200, "a", false), "each hour")
	require.Equal(t, 6, looks(31, "a", true), "after it took over")
	require.Equal(t, 2, looks(7200, "a", false))
	require.Equal(t, 6, looks(31, "b", false), "after it joined anew")
}
