package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/panjf2000/ants/v2"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/workpool"
)

// jobTime is the CPU time of one job on a core of its own.
const jobTime = 5 * time.Millisecond

// queuePerWorker is the queue of each pool; the default of Plugboard's.
const queuePerWorker = 16

// runner runs one job and waits for it. It returns an error when the job is refused.
type runner func(ctx context.Context, work func()) error

// newRunner starts the named variant: "straight", "pond", "ants", or "nice" and a number for Plugboard's pool.
func newRunner(variant string, workers int) (run runner, stop func(), err error) {
	queue := queuePerWorker * workers
	switch variant {
	case "straight":
		return func(_ context.Context, work func()) error { work(); return nil }, func() {}, nil
	case "pond":
		pool := pond.NewPool(workers, pond.WithQueueSize(queue), pond.WithNonBlocking(true))
		return func(_ context.Context, work func()) error { return pool.Submit(work).Wait() }, pool.StopAndWait, nil
	case "ants":
		pool, err := ants.NewPool(workers, ants.WithMaxBlockingTasks(queue))
		if err != nil {
			return nil, nil, fmt.Errorf("start ants: %w", err)
		}
		return onAnts(pool), pool.Release, nil
	default:
		nice, err := strconv.Atoi(strings.TrimPrefix(variant, "nice"))
		if err != nil {
			return nil, nil, fmt.Errorf("unknown variant %q", variant)
		}
		return newOurs(config.Pool{Workers: workers, Queue: queue, Share: 100, JobTimeout: time.Minute, Nice: nice})
	}
}

func onAnts(pool *ants.Pool) runner {
	return func(_ context.Context, work func()) error {
		done := make(chan struct{})
		if err := pool.Submit(func() { defer close(done); work() }); err != nil {
			return err
		}
		<-done
		return nil
	}
}

func newOurs(cfg config.Pool) (runner, func(), error) {
	pool := workpool.New(cfg, zap.NewNop(), nil)
	if err := pool.Start(context.Background()); err != nil {
		return nil, nil, err
	}
	run := func(ctx context.Context, work func()) error {
		_, err := pool.Run(ctx, func(app.Job) (any, error) { work(); return nil, nil })
		return err
	}
	return run, func() { _ = pool.Stop(context.Background()) }, nil
}

// burn uses the CPU for so many turns.
func burn(turns int) {
	var block [1024]byte
	for range turns {
		sum := sha256.Sum256(block[:])
		copy(block[:], sum[:])
	}
	runtime.KeepAlive(&block)
}

// calibrate returns the turns of burn that take d, judged by the fastest of many tries.
func calibrate(d time.Duration) int {
	const turns = 1000
	fastest := time.Duration(math.MaxInt64)
	for range 200 {
		begin := time.Now()
		burn(turns)
		fastest = min(fastest, time.Since(begin))
	}
	return int(turns * d / fastest)
}
