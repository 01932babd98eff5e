package main

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/apptest/pgrelay"
)

// Answers of Postgres are lost with their connections, to commits among them: what was to be done may be done or not, and
// two replicas, which lose their sessions and with them their claims, have to find out.
func TestTheNetworkLosesAnswers(t *testing.T) {
	t.Parallel()
	const oneIn, least = 40, 50
	p := placeOf(t, "postgres")
	seed, l := seed(t), newProbeLedger()
	direct := newService(t, p, "service", "APP_EVENTS_LEASE="+lease.String(), "APP_DATABASE_MAX_CONNS=12")
	relay, through, err := pgrelay.Through(direct.database)
	require.NoError(t, err)
	t.Cleanup(relay.Close)
	far := *direct
	far.database = through
	a, b := serve(t, &far), serve(t, &far)

	var mu sync.Mutex
	var lost atomic.Int64
	rng := rand.New(rand.NewPCG(seed, clients)) // the others are the clients'
	lose := func([]byte) bool {
		mu.Lock()
		defer mu.Unlock()
		if rng.IntN(oneIn) > 0 {
			return false
		}
		lost.Add(1)
		return true
	}
	relay.Lose.Store(&lose)
	fleet := launch(l, seed, pause, shining(a), shining(b))
	acks(t, l, 400)
	fleet.stop()
	relay.Lose.Store(nil)
	t.Logf("%d answers lost", lost.Load())
	require.Greater(t, lost.Load(), int64(least))
	require.NoError(t, within(t.Context(), patience, a.stop))
	require.NoError(t, within(t.Context(), patience, b.stop))
	r, err := finishProbe(t.Context(), direct, l, replayed(direct))
	require.NoError(t, err)
	require.True(t, r.clean(), r)
}
