package workpool_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/workpool"
)

func TestRunOutsideItsTimeIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, settings())
	_, err := b.Run(as("a"), nothing)
	require.EqualError(t, requireBusy(t, err), "the work pool has not started, try again later")
	require.NoError(t, b.Start(context.Background()))
	require.NoError(t, b.Stop(context.Background()))
	_, err = b.Run(as("a"), nothing)
	require.EqualError(t, requireBusy(t, err), "the work pool is stopping, try again later")
}

func TestStopWithoutStartAndTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t, settings())
	require.NoError(t, b.Stop(context.Background()))
	require.NoError(t, b.Stop(context.Background()))
	require.ErrorContains(t, b.Start(context.Background()), "started or stopped before")

	b = newBench(t, settings())
	require.NoError(t, b.Start(context.Background()))
	require.ErrorContains(t, b.Start(context.Background()), "started or stopped before")
	require.NoError(t, b.Stop(context.Background()))
	require.NoError(t, b.Stop(context.Background()))
}

func TestStartThatIsTooLateStartsNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b := newBench(t, settings())
	require.ErrorIs(t, b.Start(ctx), context.Canceled)
	require.NoError(t, b.Stop(context.Background()))
}

func TestMetricsComeAndGoWithThePool(t *testing.T) {
	t.Parallel()
	b := startBench(t, settings())
	other := workpool.New(settings(), zap.NewNop(), b.registry)
	require.ErrorContains(t, other.Start(context.Background()), "register metrics of the work pool")
	require.NoError(t, other.Stop(context.Background()))
	require.NoError(t, b.Stop(context.Background()))
	families, err := b.registry.Gather()
	require.NoError(t, err)
	require.Empty(t, families)
}

func TestStopDrains(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := startBench(t, settings())
		var ran atomic.Int64
		work := func(app.Job) (any, error) {
			time.Sleep(time.Second) //nolint:forbidigo // work that takes a second of the bubble's time
			ran.Add(1)
			return nil, nil
		}
		var all []*outcome
		for range 4 {
			all = append(all, b.submit(as("a"), work))
		}
		before := time.Now()
		require.NoError(t, b.Stop(context.Background()))
		require.Equal(t, 4*time.Second, time.Since(before))
		require.EqualValues(t, 4, ran.Load())
		for _, o := range all {
			<-o.done
			require.NoError(t, o.err)
		}
	})
}

func TestStopGivesUpWithAReport(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, settings())
		require.NoError(t, b.Start(context.Background()))
		jobDone := make(chan struct{})
		running := b.submit(as("images.resize"), func(job app.Job) (any, error) {
			<-job.Done()
			close(jobDone)
			time.Sleep(time.Hour) //nolint:forbidigo // work that takes an hour of the bubble's time
			return nil, nil
		})
		never := func(app.Job) (any, error) { t.Error("ran"); return nil, nil }
		queued := b.submit(as("images.resize"), never)
		other := b.submit(as("users.hash"), never)

		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		second := make(chan error, 1)
		go func() { second <- b.Stop(ctx) }()
		before := time.Now()
		err := b.Stop(ctx)
		if err == nil { // one of the two reports
			err = <-second
		}
		require.EqualError(t, err, "stop work pool: gave up 1 running and 2 queued jobs of images.resize (2), users.hash (1)")
		require.Equal(t, 3*time.Second, time.Since(before))
		<-jobDone
		for _, o := range []*outcome{running, queued, other} {
			<-o.done
			requireBusy(t, o.err)
		}
		require.NoError(t, b.Stop(ctx))
		time.Sleep(2 * time.Hour) //nolint:forbidigo // of the bubble: the job ends, and the worker with it
		synctest.Wait()
	})
}

func TestStopOfAnIdlePoolNeedsNoTime(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	b := newBench(t, settings())
	require.NoError(t, b.Start(ctx))
	cancel()
	require.NoError(t, b.Stop(ctx))
}

// Not parallel, since GOMAXPROCS and the goroutines are the process's.
func TestStartAndStopLeaveNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	before := runtime.GOMAXPROCS(0)
	cfg := settings()
	cfg.Workers = 3
	a, b := newBench(t, cfg), newBench(t, cfg)
	require.NoError(t, a.Start(context.Background()))
	require.Equal(t, before+3, runtime.GOMAXPROCS(0))
	require.NoError(t, b.Start(context.Background()))
	require.Equal(t, before+6, runtime.GOMAXPROCS(0))
	for range 200 {
		_, err := a.Run(as("a"), nothing)
		require.NoError(t, err)
	}
	require.NoError(t, a.Stop(context.Background()))
	require.NoError(t, b.Stop(context.Background()))
	require.Equal(t, before, runtime.GOMAXPROCS(0))
}

func TestString(t *testing.T) {
	t.Parallel()
	p := workpool.New(config.Pool{Workers: 3, Share: 50, JobTimeout: time.Second}, zap.NewNop(), prometheus.NewRegistry())
	require.Equal(t, "workers 3 on plain goroutines, queue 48 (24 per plugin)", p.String())
	cfg := settings()
	b := newBench(t, cfg)
	require.Equal(t, "workers 1 on threads to be lowered by 10, queue 4 (4 per plugin)", b.String())
}

// An inline job holds its worker, although the worker does not run it: the next job begins, and Stop returns, when it has ended.
func TestAnInlineJobHoldsItsWorker(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := startBench(t, settings())
		for range 100 { // short, by the bubble's clock
			_, err := b.Run(as("a"), nothing)
			require.NoError(t, err)
		}
		_, release := b.block(as("a"))
		queued := b.submit(as("a"), nothing)
		require.EqualValues(t, 1, b.value("plugboard_pool_running"))
		require.EqualValues(t, 1, b.value("plugboard_pool_queued"))
		release()
		<-queued.done
		require.NoError(t, queued.err)

		last, release := b.block(as("a"))
		stopped := make(chan error, 1)
		go func() { stopped <- b.Stop(context.Background()) }()
		synctest.Wait()
		require.Empty(t, stopped)
		release()
		require.NoError(t, <-stopped)
		<-last.done
		require.NoError(t, last.err)
	})
}
