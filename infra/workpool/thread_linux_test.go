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

// becomes keeps the thread busy until its priority is nice.
func becomes(t *testing.T, nice int) bool {
	for deadline := time.Now().Add(30 * time.Second); niceOf(t, 0) != nice; {
		if time.Now().After(deadline) {
			t.Error("a long job was not lowered")
			return false
		}
	}
	return true
}

// A lowered thread must never run anything but jobs, and must end with the pool. Not parallel, since the threads
// are the process's.
func TestWorkersAreLoweredAndNothingElseIs(t *testing.T) {
	normal := niceOf(t, os.Getpid())
	cfg := settings()
	cfg.Workers, cfg.Nice = 2, 7
	b := newBench(t, cfg)
	require.NoError(t, b.Start(context.Background()))
	require.Equal(t, "workers 2 on threads lowered by 7, queue 4 (4 per plugin)", b.Describe())
	require.Equal(t, normal+7, b.niceInside())

	// After some short jobs one runs aside, at ordinary priority. It turns out to be long, and is lowered while
	// it runs. On a busy machine a short job may take long, so this is tried until it comes about.
	wasLowered := false
	for i := 0; i < 100_000 && !wasLowered; i++ {
		_, err := b.Run(as("a"), func(app.Job) (any, error) {
			wasLowered = niceOf(t, 0) == normal && becomes(t, normal+7)
			return nil, nil
		})
		require.NoError(t, err)
	}
	require.True(t, wasLowered)
	require.Equal(t, normal+7, b.niceInside(), "one long job, and the plugin's next goes to the worker")
	require.Equal(t, normal, niceOf(t, os.Getpid()))

	require.NoError(t, b.Stop(context.Background()))
	require.Eventually(t, func() bool { return lowest(t) == normal }, 10*time.Second, time.Millisecond)
}
