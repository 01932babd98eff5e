package ratelimit_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/infra/httpserver/internal/ratelimit"
)

// BenchmarkTake measures decisions; the demand is at most 1 µs and no allocation. On two cores of an AMD EPYC that others use too, a decision
// takes 0.1 to 0.3 µs, and 0.2 to 0.6 µs where each meets another key.
func BenchmarkTake(b *testing.B) {
	rate := ratelimit.NewRate(1000, time.Minute)
	for _, c := range []struct {
		name string
		keys uint64
	}{{"one key", 1}, {"1000 keys", 1000}, {"60000 keys", 60_000}, {"flood", 1 << 40}} {
		b.Run(c.name, func(b *testing.B) {
			memory := ratelimit.NewMemory()
			var clock atomic.Int64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					now := clock.Add(1000)
					memory.Take(time.Duration(now), ratelimit.Key{Limit: 1, High: uint64(now) / 1000 % c.keys}, rate)
				}
			})
		})
	}
	b.Run("hash", func(b *testing.B) {
		memory := ratelimit.NewMemory()
		b.ReportAllocs()
		for b.Loop() {
			memory.Hash("0199a1c4-7b1e-7c61-8d5c-2f0a4c1b9e77")
		}
	})
}

func TestDecisionsDoNotAllocate(t *testing.T) { //nolint:paralleltest // it measures allocations
	memory, rate := ratelimit.NewMemory(), ratelimit.NewRate(5, time.Minute)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		high, low := memory.Hash("0199a1c4-7b1e-7c61-8d5c-2f0a4c1b9e77")
		memory.Take(1, ratelimit.Key{Limit: 1, High: high, Low: low}, rate)
	}))
}
