package volatile

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSlabGivesEachValueOnce(t *testing.T) {
	t.Parallel()
	const callers, each = 8, 500
	var s slab[int]
	given := make([][]*int, callers)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for range each {
				v := s.next()
				*v++ // The race detector reports a value that two callers were given.
				given[c] = append(given[c], v)
			}
		})
	}
	wg.Wait()
	seen := map[*int]bool{}
	for _, values := range given {
		for _, v := range values {
			require.Equal(t, 1, *v, "a value was given twice")
			seen[v] = true
		}
	}
	require.Len(t, seen, callers*each)
}

func TestClockTellsTheTimeOfDay(t *testing.T) {
	t.Parallel()
	c := clock{made: time.Now()}
	c.set()
	before := time.Now().Truncate(time.Millisecond)
	now := c.now()
	require.WithinRange(t, now, before, time.Now().Add(time.Millisecond))
	require.Equal(t, time.UTC, now.Location())
	require.Zero(t, now.Nanosecond()%int(time.Millisecond))

	// The time of day was set an hour ahead since: the next set follows it.
	c.offset.Add(-int64(time.Hour))
	require.WithinRange(t, c.now(), now.Add(-time.Hour-time.Millisecond), time.Now().Add(-time.Hour+time.Millisecond))
	c.set()
	require.WithinRange(t, c.now(), now.Add(-time.Millisecond), time.Now().Add(time.Millisecond))
}
