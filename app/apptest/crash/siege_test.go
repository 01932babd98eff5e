package main

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Replicas that were killed now and then left keys that stood still for as long as a healthy one lived: nothing was logged,
// and a restart healed it. So everything must be delivered while the replicas run on.
func TestReplicasThatComeAndGoDeliverEverything(t *testing.T) {
	t.Parallel()
	if os.Getenv("CRASH_ALL") == "" {
		t.Skip("takes a minute; CRASH_ALL is not set; make crash/points sets it")
	}
	s := newService(t, placeOf(t, "postgres"), "service", siegeSettings()...)
	r, err := (&siege{count: 3, lasts: time.Minute, seed: seed(t), pause: siegePause, progress: t.Output(), service: s}).run(t.Context())
	require.NoError(t, err)
	require.True(t, r.clean(), r)
}
