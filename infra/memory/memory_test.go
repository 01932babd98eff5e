package memory_test

import (
	"math"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/memory"
)

const mib = 1 << 20

// Two hundred uploads that stand still must not lock out a request of a few bytes: an eighth is for small reservations alone.
func TestLargeReservationsLeaveRoomForSmallOnes(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	b, err := memory.New(16*mib, registry)
	require.NoError(t, err)
	require.NoError(t, b.Reserve(14*mib))
	require.NoError(t, b.Fits(memory.Small))
	require.Equal(t, app.Unavailable, app.CodeOf(b.Fits(mib)))
	require.Equal(t, app.Unavailable, app.CodeOf(b.Reserve(mib)))
	for range 4 {
		require.NoError(t, b.Reserve(memory.Small))
	}
	require.Equal(t, app.Unavailable, app.CodeOf(b.Reserve(memory.Small)))
	require.Equal(t, app.Unavailable, app.CodeOf(b.Reserve(1)))
	require.InDelta(t, 16*mib, value(t, registry, "plugboard_memory_reserved_bytes"), 0)
	require.InDelta(t, 4, value(t, registry, "plugboard_memory_refused_total"), 0)
	b.Release(14 * mib)
	require.NoError(t, b.Reserve(mib))
}

// What could never be had is not told to come back.
func TestMoreThanTheBudgetIsTooLarge(t *testing.T) {
	t.Parallel()
	b, err := memory.New(16*mib, nil)
	require.NoError(t, err)
	for _, n := range []int64{14*mib + 1, 17 * mib, math.MaxInt64} {
		require.Equal(t, app.TooLarge, app.CodeOf(b.Reserve(n)))
		require.Equal(t, app.TooLarge, app.CodeOf(b.Fits(n)))
	}
	require.Zero(t, b.Reserved())
}

func TestTheBudgetIsNeverExceeded(t *testing.T) {
	t.Parallel()
	b, err := memory.New(10*mib, nil)
	require.NoError(t, err)
	var together sync.WaitGroup
	for worker := range int64(8) {
		together.Go(func() {
			for i := range int64(2000) {
				n := (worker*7919 + i*104729) % (3 * mib)
				if b.Reserve(n) != nil {
					continue
				}
				if held := b.Reserved(); held > 10*mib {
					t.Errorf("%d bytes are reserved", held)
				}
				b.Release(n)
			}
		})
	}
	together.Wait()
	require.Zero(t, b.Reserved())
}

// A budget that was set without a container is half of what the process is to hold.
func TestMemoryOfTheProcess(t *testing.T) {
	t.Parallel()
	there, container := memory.OfProcess(0)
	require.NotZero(t, there)
	if container {
		t.Skip("this runs in a container, whose limit counts")
	}
	bytes, hard := memory.OfProcess(64 * mib)
	require.True(t, hard)
	require.EqualValues(t, 128*mib, bytes)
	bytes, _ = memory.OfProcess(config.Size(math.MaxInt64))
	require.Equal(t, there, bytes)
	b, err := memory.New(0, nil)
	require.NoError(t, err)
	require.NoError(t, b.Fits(int64(there/8)))
}

func value(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
