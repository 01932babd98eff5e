package workpool_test

import (
	"context"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// niceOf returns the priority of a thread, 0 for the calling one.
func niceOf(t *testing.T, thread int) int {
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, thread)
	if err == syscall.ESRCH {
		return 0 // it has ended
	}
	require.NoError(t, err)
	return 20 - raw
}

// lowest returns the priority of the thread of this process that was lowered the most.
func lowest(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	n := -20
	for _, e := range entries {
		thread, err := strconv.Atoi(e.Name())
		require.NoError(t, err)
		n = max(n, niceOf(t, thread))
	}
	return n
}

func (b *bench) niceInside() int {
	v, err := b.Run(as("a"), func(app.Job) (any, error) { return niceOf(b.t, 0), nil })
	require.NoError(b.t, err)
	return v.(int)
}

// shortJobsUntilInline runs short jobs until one runs at ordinary priority, and returns how many it took.
func (b *bench) shortJobsUntilInline(normal int) int {
	for n := 1; n < 1_000_000; n++ { // on a busy machine a short job may take long
		if b.niceInside() == normal {
			return n
		}
	}
	b.t.Fatal("no short job ran inline")
	return 0
}

// longInlineJob runs jobs of 20 ms until one of them runs at ordinary priority.
func (b *bench) longInlineJob(normal int) {
	for {
		inline := false
		_, err := b.Run(as("a"), func(app.Job) (any, error) {
			inline = niceOf(b.t, 0) == normal
			time.Sleep(20 * time.Millisecond) //nolint:forbidigo // a job of 20 ms
			return nil, nil
		})
		require.NoError(b.t, err)
		if inline {
			return
		}
		b.shortJobsUntilInline(normal)
	}
}

// A lowered thread must never run anything but jobs, and must end with the pool. Not parallel, since the threads
// are the process's.
func TestWorkersAreLoweredAndNothingElseIs(t *testing.T) {
	normal := niceOf(t, os.Getpid())
	cfg := settings()
	cfg.Workers, cfg.Nice = 2, 7
	b := newBench(t, cfg)
	require.NoError(t, b.Start(context.Background()))
	require.Equal(t, "workers 2 on threads lowered by 7, queue 4 (4 per plugin)", b.String())
	require.Equal(t, normal+7, b.niceInside())

	require.GreaterOrEqual(t, b.shortJobsUntilInline(normal), 64)
	b.longInlineJob(normal)
	require.GreaterOrEqual(t, b.shortJobsUntilInline(normal), 128, "a misjudged plugin has to prove itself again")
	b.longInlineJob(normal)
	require.GreaterOrEqual(t, b.shortJobsUntilInline(normal), 256)
	require.Equal(t, normal, niceOf(t, os.Getpid()))

	require.NoError(t, b.Stop(context.Background()))
	require.Eventually(t, func() bool { return lowest(t) == normal }, 10*time.Second, time.Millisecond)
}
