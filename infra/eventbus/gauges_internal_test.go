package eventbus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The metrics counted the stored deliveries every 5 s. With many deliveries a count took long, and the counts took much of the time. Now
// the pause after a count grows with its duration, so that counts take about half a percent of the time.
func TestCountingForTheMetricsTakesAShareOfTheTime(t *testing.T) {
	t.Parallel()
	g := &gauges{}
	require.Equal(t, gaugesAge, g.rest(time.Millisecond))
	require.Equal(t, 10*time.Second, g.rest(50*time.Millisecond))
	require.Equal(t, 40*time.Second, g.rest(200*time.Millisecond))
	require.Equal(t, gaugesOldest, g.rest(gaugesTimeout), "a count that was given up is tried again")
	require.Less(t, gaugesTimeout.Seconds()/gaugesOldest.Seconds(), 0.04)
}
