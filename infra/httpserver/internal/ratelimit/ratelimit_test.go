package ratelimit_test

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/infra/httpserver/internal/ratelimit"
)

// bucket is a token bucket as textbooks have it: it loses nothing to rounding, since it counts in units of 1/per of a request.
type bucket struct {
	n, per  int64
	tokens  int64 // times per
	filled  int64
	touched bool
}

func (b *bucket) take(now int64) bool {
	if !b.touched {
		b.touched, b.tokens = true, b.n*b.per
	} else if gained := now - b.filled; gained >= b.per {
		b.tokens = b.n * b.per
	} else {
		b.tokens = min(b.tokens+gained*b.n, b.n*b.per)
	}
	b.filled = now
	if b.tokens < b.per {
		return false
	}
	b.tokens -= b.per
	return true
}

// compare sends requests with the given pauses and compares each decision with that of the naive bucket.
func compare(t *testing.T, n int, per time.Duration, pauses []time.Duration) {
	t.Helper()
	rate, memory, naive := ratelimit.NewRate(n, per), ratelimit.NewMemory(), &bucket{n: int64(n), per: int64(per)}
	key := ratelimit.Key{Limit: 1}
	now := time.Duration(0)
	for i, pause := range pauses {
		now += pause
		state := memory.Take(now, key, rate)
		require.Equal(t, naive.take(int64(now)), !state.Refused, "request %d of %d in %s, at %s", i, n, per, now)
		require.Equal(t, state.Remaining > 0, state.Retry == 0)
		require.Equal(t, naive.tokens/naive.per, state.Remaining)
		require.False(t, state.Refused && state.Remaining > 0)
		require.LessOrEqual(t, state.Reset, rate.Full())
	}
}

// GCRA decides as a naive token bucket does. The rates here have a whole number of nanoseconds for a request, so both are exact.
func TestDecisionsAreThoseOfATokenBucket(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		n := 1 + random.IntN(20)
		interval := time.Duration(1 + random.Int64N(int64(time.Second)))
		pauses := make([]time.Duration, 500)
		for i := range pauses {
			pauses[i] = time.Duration(random.Int64N(int64(interval)*int64(1+random.IntN(3)) + 1))
		}
		compare(t, n, interval*time.Duration(n), pauses)
	}
}

// FuzzDecisions does the same with what the fuzzer chooses.
func FuzzDecisions(f *testing.F) {
	f.Add(uint16(3), uint32(1000), []byte{0, 0, 0, 0, 255, 17, 3})
	f.Fuzz(func(t *testing.T, n uint16, interval uint32, pauses []byte) {
		if n == 0 || interval == 0 {
			return
		}
		list := make([]time.Duration, len(pauses))
		for i, p := range pauses {
			list[i] = time.Duration(p) * time.Duration(interval) / 64
		}
		compare(t, int(n), time.Duration(interval)*time.Duration(n), list)
	})
}

// In no time are more let through than declared, whatever the rounding: n at once, and then per/n apart.
func TestNeverMoreThanDeclared(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n   int
		per time.Duration
	}{{1, time.Second}, {3, time.Second}, {7, 24 * time.Hour}, {999_999, time.Second}, {1_000_000, time.Second}, {1_000_000, 24 * time.Hour}} {
		rate, memory := ratelimit.NewRate(c.n, c.per), ratelimit.NewMemory()
		through := 0
		for range c.n + 2 {
			if !memory.Take(0, ratelimit.Key{}, rate).Refused {
				through++
			}
		}
		require.Equal(t, c.n, through, "%d in %s at once", c.n, c.per)
		state := memory.Take(0, ratelimit.Key{}, rate)
		require.True(t, memory.Take(state.Retry-1, ratelimit.Key{}, rate).Refused)
		require.False(t, memory.Take(state.Retry, ratelimit.Key{}, rate).Refused)
		require.GreaterOrEqual(t, rate.Interval()*time.Duration(c.n), c.per)
		require.LessOrEqual(t, float64(rate.Interval()), float64(c.per)/float64(c.n)*1.001, "at most a thousandth is lost")
	}
}

func TestWhatIsReturnedCanBeTakenAgain(t *testing.T) {
	t.Parallel()
	rate, memory := ratelimit.NewRate(2, time.Minute), ratelimit.NewMemory()
	key := ratelimit.Key{Limit: 1, High: 2, Low: 3}
	require.Equal(t, int64(2), memory.Return(0, key, rate).Remaining, "nothing was taken")
	require.Equal(t, int64(1), memory.Take(0, key, rate).Remaining)
	require.Equal(t, ratelimit.State{Remaining: 2}, memory.Return(0, key, rate))
	require.False(t, memory.Take(0, key, rate).Refused)
	require.False(t, memory.Take(0, key, rate).Refused)
	require.Equal(t, ratelimit.State{Refused: true, Reset: time.Minute, Retry: 30 * time.Second}, memory.Take(0, key, rate))
	require.Equal(t, int64(2), memory.Return(time.Hour, key, rate).Remaining)
}

// Limits, and callers, do not count for each other.
func TestKeysCountForThemselves(t *testing.T) {
	t.Parallel()
	rate, memory := ratelimit.NewRate(1, time.Minute), ratelimit.NewMemory()
	for _, key := range []ratelimit.Key{{}, {Limit: 1}, {High: 1}, {Low: 1}} {
		require.False(t, memory.Take(0, key, rate).Refused)
		require.True(t, memory.Take(0, key, rate).Refused)
	}
	high, low := memory.Hash("ann")
	again, andAgain := memory.Hash("ann")
	require.Equal(t, [2]uint64{high, low}, [2]uint64{again, andAgain})
	require.NotEqual(t, high, low)
	other, _ := memory.Hash("bob")
	require.NotEqual(t, high, other)
}

// heap returns how many bytes of the heap are in use.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// A flood of keys, 10 million without the race detector, leaves at most Most of them, in bounded memory, and lets none in early that has used more than one request.
func TestAFloodOfKeysIsBounded(t *testing.T) { //nolint:paralleltest // it measures the heap
	const most = 6 << 20 // half as much again as they take
	before := heap()
	memory := ratelimit.NewMemory()
	limited, once := ratelimit.NewRate(10, time.Minute), ratelimit.NewRate(100, 24*time.Hour)
	guessing := ratelimit.Key{Limit: 1, High: 7}
	for range 10 {
		require.False(t, memory.Take(0, guessing, limited).Refused)
	}
	for i := range flood {
		memory.Take(time.Duration(i)*time.Microsecond, ratelimit.Key{Limit: 2, High: uint64(i)}, once)
		if i%1000 == 0 && i < 5_000_000 { // from 6,000,000 µs on, it has one again
			require.True(t, memory.Take(time.Duration(i)*time.Microsecond, guessing, limited).Refused, "after %d other keys", i)
		}
	}
	require.LessOrEqual(t, memory.Len(), ratelimit.Most)
	require.Greater(t, memory.Len(), ratelimit.Most*3/4)
	require.Less(t, heap()-before, int64(most))
	runtime.KeepAlive(memory)
}

// Keys whose buckets are full are forgotten before any other.
func TestIdleKeysAreForgottenFirst(t *testing.T) {
	t.Parallel()
	rate, memory := ratelimit.NewRate(1, time.Second), ratelimit.NewMemory()
	for i := range 2 * ratelimit.Most { // all idle by the time that the others come
		memory.Take(0, ratelimit.Key{Limit: 1, High: uint64(i)}, rate)
	}
	const busy = ratelimit.Most / 2
	for i := range busy {
		require.False(t, memory.Take(2*time.Second, ratelimit.Key{Limit: 2, High: uint64(i)}, rate).Refused)
	}
	for i := range busy {
		require.True(t, memory.Take(2*time.Second, ratelimit.Key{Limit: 2, High: uint64(i)}, rate).Refused, "key %d", i)
	}
	require.LessOrEqual(t, memory.Len(), ratelimit.Most)
}
