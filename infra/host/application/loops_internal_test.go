package application

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"plugboard/app"
)

// bench runs one loop in a bubble with a clock of its own.
type bench struct {
	*loops
	logged   *observer.ObservedLogs
	registry *prometheus.Registry

	mu     sync.Mutex
	starts []time.Duration
}

// began notes a start, if there is one, and returns when the loop was started.
func (b *bench) began(at ...time.Duration) []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.starts = append(b.starts, at...)
	return b.starts
}

// benched starts a loop that runs run; n counts its runs from 1.
func benched(t *testing.T, run func(ctx context.Context, n int) error) *bench {
	t.Helper()
	core, logged := observer.New(zapcore.InfoLevel)
	b := &bench{logged: logged, registry: prometheus.NewRegistry()}
	start := time.Now()
	b.loops = &loops{log: zap.New(core), registry: b.registry, all: []app.LoopInfo{{
		Plugin: app.PluginInfo{Name: "mail.fetch", Source: "fetch.go:1"}, Name: "fetch", Source: "fetch.go:9",
		Run: func(ctx context.Context) error {
			return run(ctx, len(b.began(time.Since(start))))
		},
	}}}
	require.NoError(t, b.start(t.Context()))
	synctest.Wait()
	return b
}

func (b *bench) metric(t *testing.T, name string) float64 {
	t.Helper()
	n, err := testutil.GatherAndCount(b.registry, name)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	families, err := b.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			require.Equal(t, "mail.fetch/fetch", f.GetMetric()[0].GetLabel()[0].GetValue())
			return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return -1
}

// However a loop fails, it is started again: after a second or less, then after twice that, up to a minute.
func TestAFailedLoopIsStartedAgainLaterAndLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const runs = 12
		b := benched(t, func(ctx context.Context, n int) error {
			switch {
			case n == runs:
				<-ctx.Done()
				return ctx.Err()
			case n%3 == 0:
				panic("no cable")
			case n%3 == 1:
				runtime.Goexit()
			}
			return context.Canceled // of a context of its own: nobody has stopped the loop
		})
		for len(b.began()) < runs {
			app.Sleep(t.Context(), time.Second)
			synctest.Wait()
		}
		longest := time.Second
		for i := 1; i < runs; i++ {
			wait := b.began()[i] - b.began()[i-1]
			require.GreaterOrEqual(t, wait, longest/2, "wait %d", i)
			require.LessOrEqual(t, wait, longest, "wait %d", i)
			longest = min(2*longest, time.Minute)
		}
		require.InDelta(t, runs-1, b.metric(t, "plugboard_loop_failures_total"), 0)
		require.InDelta(t, 1, b.metric(t, "plugboard_loops_running"), 0)
		failed := b.logged.FilterMessage("a background loop failed, and is started again").AllUntimed()
		require.Len(t, failed, runs-1)
		require.Equal(t, "mail.fetch/fetch", failed[0].ContextMap()["loop"])
		require.Equal(t, "ended its goroutine instead of returning", failed[0].ContextMap()["error"])
		require.Contains(t, failed[2].ContextMap()["stack"], "TestAFailedLoop")
		require.NotEqual(t, failed[0].ContextMap()["request_id"], failed[1].ContextMap()["request_id"])
		require.NoError(t, b.stop(t.Context()))
		require.Len(t, b.logged.All(), runs-1, "an end that was asked for is no failure")
	})
}

// A loop that fails once a day does not wait for a minute each time.
func TestALoopThatWentWellWaitsBrieflyAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benched(t, func(ctx context.Context, n int) error {
			if n%5 == 0 {
				app.Sleep(ctx, wellAfter)
			}
			return errors.New("reset by peer")
		})
		for len(b.began()) < 7 {
			app.Sleep(t.Context(), time.Second)
			synctest.Wait()
		}
		require.GreaterOrEqual(t, b.began()[4]-b.began()[3], 4*time.Second)
		require.LessOrEqual(t, b.began()[5]-b.began()[4], wellAfter+time.Second)
		require.LessOrEqual(t, b.began()[6]-b.began()[5], 2*time.Second)
		require.NoError(t, b.stop(t.Context()), "a loop that waits to be started is stopped at once")
	})
}

func TestALoopThatReturnsNilIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benched(t, func(context.Context, int) error { return nil })
		app.Sleep(t.Context(), 2*longestWait)
		synctest.Wait()
		require.Len(t, b.began(), 1)
		require.Len(t, b.logged.All(), 1)
		require.Equal(t, zapcore.InfoLevel, b.logged.All()[0].Level)
		require.InDelta(t, 0, b.metric(t, "plugboard_loops_running"), 0)
		require.InDelta(t, 0, b.metric(t, "plugboard_loop_failures_total"), 0)
		require.NoError(t, b.stop(t.Context()))
	})
}

func TestALoopThatFailsWhileItIsStoppedSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benched(t, func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return errors.New("the last page was not written")
		})
		synctest.Wait()
		require.NoError(t, b.stop(t.Context()))
		require.Len(t, b.logged.FilterMessage("a background loop failed while it was stopped").All(), 1)
		require.Len(t, b.began(), 1)
	})
}
