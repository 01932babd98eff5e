package eventbus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What waits was counted for the metrics every 5 s, however long that took: a service that is asked for them paid by what
// waits. Now a count that takes longer is made less often, so that counting takes about half a percent of the time.
func TestCountingForTheMetricsTakesAShareOfTheTime(t *testing.T) {
	t.Parallel()
	g := &gauges{}
	require.Equal(t, gaugesAge, g.rest(time.Millisecond))
	require.Equal(t, 10*time.Second, g.rest(50*time.Millisecond))
	require.Equal(t, 40*time.Second, g.rest(200*time.Millisecond))
	require.Equal(t, gaugesOldest, g.rest(gaugesTimeout), "a count that was given up is tried again")
	require.Less(t, gaugesTimeout.Seconds()/gaugesOldest.Seconds(), 0.04)
}
