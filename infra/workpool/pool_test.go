package workpool_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/workpool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a started pool and what a test looks at it with.
type bench struct {
	*workpool.Pool
	t        *testing.T
	registry *prometheus.Registry
	logs     *observer.ObservedLogs
}

// settings are those of a pool of one worker, which the tests change.
func settings() config.Pool {
	return config.Pool{Workers: 1, Queue: 4, Share: 100, JobTimeout: time.Hour, Nice: 10}
}

func newBench(t *testing.T, cfg config.Pool) *bench {
	core, logs := observer.New(zapcore.DebugLevel)
	registry := prometheus.NewRegistry()
	return &bench{workpool.New(cfg, zap.New(core), registry), t, registry, logs}
}

func startBench(t *testing.T, cfg config.Pool) *bench {
	b := newBench(t, cfg)
	require.NoError(t, b.Start(context.Background()))
	t.Cleanup(func() { require.NoError(t, b.Stop(context.Background())) })
	return b
}

// inBubble runs test with a clock of its own, in which nothing has to be waited for in real time. A goroutine
// left over fails it.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Parallel()
	synctest.Test(t, test)
}

func as(plugin string) context.Context {
	return app.WithCall(context.Background(), &app.Call{Plugin: plugin, RequestID: "r1"})
}

// outcome is what a Run in the background came to.
type outcome struct {
	done  chan struct{}
	value any
	err   error
}

// submit runs work in the background and returns when it runs, waits, or was refused.
func (b *bench) submit(ctx context.Context, work func(app.Job) (any, error)) *outcome {
	o := &outcome{done: make(chan struct{})}
	go func() {
		defer close(o.done)
		o.value, o.err = b.Run(ctx, work)
	}()
	synctest.Wait()
	return o
}

// block submits work that lasts until it is released.
func (b *bench) block(ctx context.Context) (o *outcome, release func()) {
	gate := make(chan struct{})
	o = b.submit(ctx, func(app.Job) (any, error) { <-gate; return "done", nil })
	return o, sync.OnceFunc(func() { close(gate); synctest.Wait() })
}

func (b *bench) metrics(want string, names ...string) {
	b.t.Helper()
	require.NoError(b.t, testutil.GatherAndCompare(b.registry, strings.NewReader(want), names...))
}

func (b *bench) value(name string) float64 {
	b.t.Helper()
	families, err := b.registry.Gather()
	require.NoError(b.t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	b.t.Fatalf("no metric %s", name)
	return 0
}

func requireBusy(t *testing.T, err error) *app.Error {
	t.Helper()
	var e *app.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, app.Unavailable, e.Code)
	require.GreaterOrEqual(t, e.RetryAfter, time.Second)
	return e
}

func TestRunReturnsWhatTheWorkReturns(t *testing.T) {
	t.Parallel()
	for _, nice := range []int{0, 10} {
		cfg := settings()
		cfg.Nice = nice
		b := startBench(t, cfg)
		for i := range 300 { // enough for jobs to run inline
			v, err := b.Run(as("a"), func(app.Job) (any, error) { return i, nil })
			require.NoError(t, err)
			require.Equal(t, i, v)
		}
		cause := errors.New("no")
		_, err := b.Run(as("a"), func(app.Job) (any, error) { return 0, cause })
		require.ErrorIs(t, err, cause)
		n, err := app.Compute(as("a"), b, func(app.Job) (int, error) { return 7, nil })
		require.NoError(t, err)
		require.Equal(t, 7, n)
		require.Zero(t, b.value("plugboard_pool_running"))
	}
}

func TestAFullQueueRefusesAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Queue = 2
		b := startBench(t, cfg)
		_, release := b.block(as("a"))
		second, third := b.submit(as("a"), nothing), b.submit(as("b"), nothing)
		require.EqualValues(t, 2, b.value("plugboard_pool_queued"))
		require.EqualValues(t, 1, b.value("plugboard_pool_running"))

		before := time.Now()
		_, err := b.Run(as("c"), nothing)
		require.EqualError(t, requireBusy(t, err), "too much work is waiting, try again later")
		require.Equal(t, before, time.Now())
		require.EqualError(t, requireBusy(t, b.Refuses(as("c"))), "too much work is waiting, try again later")
		b.metrics(`
# HELP plugboard_pool_rejected_total Jobs refused because the queue (queue) or their plugin's share of it (share) was full.
# TYPE plugboard_pool_rejected_total counter
plugboard_pool_rejected_total{plugin="a",reason="queue"} 0
plugboard_pool_rejected_total{plugin="a",reason="share"} 0
plugboard_pool_rejected_total{plugin="b",reason="queue"} 0
plugboard_pool_rejected_total{plugin="b",reason="share"} 0
plugboard_pool_rejected_total{plugin="c",reason="queue"} 2
plugboard_pool_rejected_total{plugin="c",reason="share"} 0
`, "plugboard_pool_rejected_total")

		release()
		<-second.done
		<-third.done
		require.NoError(t, errors.Join(second.err, third.err))
		require.NoError(t, b.Refuses(as("c")))
		_, err = b.Run(as("c"), nothing)
		require.NoError(t, err)
	})
}

func TestAPluginHasAShareOfTheQueue(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Share = 50
		b := startBench(t, cfg)
		_, release := b.block(as("a"))
		defer release()
		b.submit(as("a"), nothing)
		b.submit(as("a"), nothing)
		_, err := b.Run(as("a"), nothing)
		require.EqualError(t, requireBusy(t, err), "too much work of this kind is waiting, try again later")
		other := b.submit(as("b"), nothing)
		release()
		<-other.done
		require.NoError(t, other.err)
	})
}

func TestRetryAfterFollowsQueueAndRunTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Queue = 3
		b := startBench(t, cfg)
		slow := func(app.Job) (any, error) { time.Sleep(10 * time.Second); return nil, nil } //nolint:forbidigo // of the bubble
		_, err := b.Run(as("a"), slow)
		require.NoError(t, err)
		for range 4 {
			b.submit(as("a"), slow)
		}
		_, err = b.Run(as("a"), slow)
		require.Equal(t, 40*time.Second, requireBusy(t, err).RetryAfter)
		time.Sleep(time.Minute) //nolint:forbidigo // of the bubble
	})
}

func TestPluginsTakeTurns(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Queue = 10
		b := startBench(t, cfg)
		_, release := b.block(as("x"))
		var order []string
		for _, plugin := range []string{"a", "a", "a", "a", "b", "b", "c"} {
			b.submit(as(plugin), func(app.Job) (any, error) { order = append(order, plugin); return nil, nil })
		}
		release()
		require.Equal(t, "a b c a b a a", strings.Join(order, " "))
	})
}

func TestAJobWhoseCallerHasGoneIsDroppedAndFreesItsPlace(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Queue = 1
		b := startBench(t, cfg)
		_, release := b.block(as("a"))
		ctx, cancel := context.WithCancel(as("a"))
		ran := false
		gone := b.submit(ctx, func(app.Job) (any, error) { ran = true; return nil, nil })
		cancel()
		<-gone.done
		require.ErrorIs(t, gone.err, context.Canceled)
		require.Zero(t, b.value("plugboard_pool_queued"))
		require.EqualValues(t, 1, b.value("plugboard_pool_dropped_total"))

		next := b.submit(as("a"), nothing)
		release()
		<-next.done
		require.NoError(t, next.err)
		require.False(t, ran)

		_, err := b.Run(ctx, func(app.Job) (any, error) { ran = true; return nil, nil })
		require.ErrorIs(t, err, context.Canceled)
		require.False(t, ran)
	})
}

func TestTheDeadlineCoversQueueing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := startBench(t, settings())
		_, release := b.block(as("a"))
		defer release()
		ctx, cancel := context.WithTimeout(as("a"), time.Second)
		defer cancel()
		before := time.Now()
		_, err := b.Run(ctx, nothing)
		require.Equal(t, time.Second, time.Since(before))
		require.Equal(t, app.TimedOut, app.CodeOf(err))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestDoneTellsThatNobodyWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := startBench(t, settings())
		ctx, cancel := context.WithCancel(as("a"))
		noticed := false
		o := b.submit(ctx, func(job app.Job) (any, error) {
			select {
			case <-job.Done():
				t.Error("done before the caller has gone")
			default:
			}
			<-job.Done()
			noticed = true
			job.SetStatus(418)
			return nil, nil
		})
		cancel()
		<-o.done
		require.ErrorIs(t, o.err, context.Canceled)
		synctest.Wait()
		require.True(t, noticed)
		require.Zero(t, app.CallFrom(ctx).Status(), "work that nobody waits for changed the answer")
		require.Zero(t, b.value("plugboard_pool_dropped_total"), "it ran, so it was not dropped")
	})
}

func TestJobSetsStatusAndLogs(t *testing.T) {
	t.Parallel()
	b := startBench(t, settings())
	ctx := as("images.resize")
	_, err := b.Run(ctx, func(job app.Job) (any, error) {
		job.SetStatus(202)
		job.Logger().Info("hello")
		_, isContext := job.(context.Context)
		require.False(t, isContext)
		return nil, nil
	})
	require.NoError(t, err)
	require.Equal(t, 202, app.CallFrom(ctx).Status())
	require.Equal(t, map[string]any{"plugin": "images.resize", "request_id": "r1"}, b.logs.All()[0].ContextMap())

	known := app.WithCall(t.Context(), &app.Call{Plugin: "images.resize", RequestID: "r1", Principal: &app.Principal{ID: "ann"}})
	_, err = b.Run(known, func(job app.Job) (any, error) {
		job.Logger().Info("hello")
		return nil, nil
	})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"plugin": "images.resize", "request_id": "r1", "principal": "ann"}, b.logs.All()[1].ContextMap())

	_, err = b.Run(context.Background(), func(job app.Job) (any, error) {
		job.SetStatus(202) // outside a request: nothing
		job.Logger().Info("hello")
		return nil, nil
	})
	require.NoError(t, err)
}

// A job that panics or ends its goroutine must end neither the process nor the worker.
func TestBrokenWorkIsAnErrorAndTheWorkerGoesOn(t *testing.T) {
	t.Parallel()
	broken := map[string]func(app.Job) (any, error){
		"run work: panic: boom":    func(app.Job) (any, error) { panic("boom") },
		"run work: runtime.Goexit": func(app.Job) (any, error) { runtime.Goexit(); return nil, nil },
		"run work: panic: a cause": func(app.Job) (any, error) { panic(errors.New("a cause")) },
	}
	for want, work := range broken {
		for _, warm := range []int{0, 100} { // on the worker, and inline after short jobs
			b := startBench(t, settings())
			for range warm {
				_, err := b.Run(as("a"), nothing)
				require.NoError(t, err)
			}
			for range 5 {
				_, err := b.Run(as("a"), work)
				require.EqualError(t, err, want)
				require.Equal(t, app.Internal, app.CodeOf(err))
			}
			entries := b.logs.FilterMessage("job panicked or ended its goroutine").All()
			require.Len(t, entries, 5)
			fields := entries[0].ContextMap()
			require.Equal(t, "a", fields["plugin"])
			require.Equal(t, "r1", fields["request_id"])
			require.Contains(t, fields["stack"], "TestBrokenWorkIsAnErrorAndTheWorkerGoesOn")
			v, err := b.Run(as("a"), func(app.Job) (any, error) { return "alive", nil })
			require.NoError(t, err)
			require.Equal(t, "alive", v)
		}
	}
}

func TestAnOverdueJobIsReportedOnceAndItsCallerAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Workers = 2
		cfg.JobTimeout = time.Second
		b := startBench(t, cfg)
		before := time.Now()
		first, release := b.block(as("images.resize"))
		time.Sleep(500 * time.Millisecond) //nolint:forbidigo // of the bubble
		ctx, cancel := context.WithTimeout(as("images.crop"), 100*time.Millisecond)
		defer cancel()
		second, releaseSecond := b.block(ctx) // has gone before it is overdue

		<-first.done
		require.Equal(t, time.Second, time.Since(before))
		require.Equal(t, app.TimedOut, app.CodeOf(first.err))
		require.EqualError(t, first.err, "the work took longer than 1s")
		<-second.done
		require.EqualValues(t, 1, b.value("plugboard_pool_overdue"))

		time.Sleep(10 * time.Second) //nolint:forbidigo // of the bubble
		require.EqualValues(t, 2, b.value("plugboard_pool_overdue"))
		require.EqualValues(t, 2, b.value("plugboard_pool_timeouts_total"))
		entries := b.logs.All()
		require.Len(t, entries, 2, "each once")
		require.Equal(t, "images.resize", entries[0].ContextMap()["plugin"])
		require.Equal(t, "images.crop", entries[1].ContextMap()["plugin"])

		release()
		releaseSecond()
		require.Zero(t, b.value("plugboard_pool_overdue"))
		require.Zero(t, b.value("plugboard_pool_running"))
		_, err := b.Run(as("a"), nothing)
		require.NoError(t, err)
	})
}

func TestTheTimeInTheQueueDoesNotMakeAJobOverdue(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.JobTimeout = time.Second
		b := startBench(t, cfg)
		work := func(app.Job) (any, error) { time.Sleep(900 * time.Millisecond); return nil, nil } //nolint:forbidigo // of the bubble
		var all []*outcome
		for range 4 {
			all = append(all, b.submit(as("a"), work))
		}
		for _, o := range all {
			<-o.done
			require.NoError(t, o.err)
		}
		require.Empty(t, b.logs.All())
	})
}

// Many callers that come, wait and go at random, while the pool stops: each gets exactly one answer, and what
// ran is what was not refused.
func TestManyCallers(t *testing.T) {
	t.Parallel()
	cfg := settings()
	cfg.Workers, cfg.Queue, cfg.Share = 3, 8, 60
	b := newBench(t, cfg)
	require.NoError(t, b.Start(context.Background()))
	var ran, succeeded atomic.Int64
	var callers sync.WaitGroup
	for i := range 16 {
		callers.Go(func() {
			for range 300 {
				ctx, cancel := context.WithTimeout(as(fmt.Sprint(i%5)), time.Duration(rand.IntN(1000))*time.Microsecond)
				_, err := b.Run(ctx, func(app.Job) (any, error) {
					for range rand.IntN(50000) {
						_ = ctx
					}
					ran.Add(1)
					return nil, nil
				})
				if err == nil {
					succeeded.Add(1)
				} else if code := app.CodeOf(err); code != app.Unavailable && code != app.TimedOut {
					t.Errorf("unexpected: %v", err)
				}
				cancel()
			}
		})
	}
	callers.Wait()
	require.NoError(t, b.Stop(context.Background()))
	require.LessOrEqual(t, succeeded.Load(), ran.Load())
	require.Positive(t, succeeded.Load())
}

func TestModuleProvidesThePool(t *testing.T) {
	t.Parallel()
	var pool app.Pool
	var own *workpool.Pool
	err := fx.New(workpool.Module, fx.NopLogger, fx.Supply(settings(), zap.NewNop()),
		fx.Provide(func() prometheus.Registerer { return prometheus.NewRegistry() }), fx.Populate(&pool, &own)).Err()
	require.NoError(t, err)
	require.Same(t, own, pool)
}

// budget counts what is reserved.
type budget struct{ reserved atomic.Int64 }

func (m *budget) Reserve(n int64) error { m.reserved.Add(n); return nil }
func (m *budget) Release(n int64)       { m.reserved.Add(-n) }

// A request that is answered 504 while its job runs on leaves its body, and what the job made, in memory; so these stay
// reserved until the job has ended.
func TestMemoryIsReservedUntilTheJobEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := startBench(t, settings())
		memory := &budget{}
		call := &app.Call{Memory: memory}
		require.NoError(t, call.Reserve(1))
		ctx, leave := context.WithCancel(app.WithCall(t.Context(), call))
		gate := make(chan struct{})
		left := b.submit(ctx, func(job app.Job) (any, error) { defer func() { <-gate }(); return nil, job.Reserve(10) })
		queued := b.submit(ctx, func(app.Job) (any, error) { return nil, nil })
		leave()
		<-left.done
		<-queued.done
		call.End()
		require.EqualValues(t, 11, memory.reserved.Load(), "the request has ended, its job has not")
		close(gate)
		synctest.Wait()
		require.Zero(t, memory.reserved.Load())

		other := &app.Call{Memory: memory}
		require.NoError(t, other.Reserve(1))
		b.submit(app.WithCall(t.Context(), other), func(job app.Job) (any, error) { return nil, job.Reserve(10) })
		require.EqualValues(t, 1, memory.reserved.Load(), "a job's own is given back when it ends")
		b.submit(app.WithCall(t.Context(), other), func(app.Job) (any, error) { panic("broken") })
		other.End()
		require.Zero(t, memory.reserved.Load())
	})
}

// What a pool refuses, or gives up when it stops, holds nothing.
func TestMemoryOfJobsThatNeverRan(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := settings()
		cfg.Queue = 1
		b := newBench(t, cfg)
		require.NoError(t, b.Start(context.Background()))
		memory := &budget{}
		call := &app.Call{Memory: memory}
		require.NoError(t, call.Reserve(1))
		_, release := b.block(context.Background())
		ctx := app.WithCall(t.Context(), call)
		queued := b.submit(ctx, func(app.Job) (any, error) { return nil, nil })
		refused := b.submit(ctx, func(app.Job) (any, error) { return nil, nil })
		<-refused.done
		require.Equal(t, app.Unavailable, app.CodeOf(refused.err))
		stopping, cancel := context.WithCancel(context.Background())
		cancel()
		require.Error(t, b.Stop(stopping))
		<-queued.done
		call.End()
		require.Zero(t, memory.reserved.Load())
		release()
	})
}
