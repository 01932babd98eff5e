package host

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHeapFloor holds that a small heap is not collected again and again. Not parallel: the heap is the process's.
func TestHeapFloor(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	debug.FreeOSMemory()
	const garbage = heapFloor / 2
	without := collections(garbage)
	lower := raiseHeapFloor()
	with := collections(garbage)
	lower()
	require.LessOrEqual(t, with, uint32(1))
	require.Greater(t, without, with)

	debug.FreeOSMemory()
	t.Setenv("GOGC", "50")
	lower = raiseHeapFloor()
	require.Greater(t, collections(garbage), uint32(1), "what the operator has set stands")
	lower()
}

// collections makes so many bytes of garbage and returns how often it was collected meanwhile.
func collections(garbage int) uint32 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const piece = 64 << 10
	pieces := make(chan []byte, 1) // what goes through a channel is on the heap
	for range garbage / piece {
		pieces <- make([]byte, piece)
		<-pieces
	}
	runtime.ReadMemStats(&after)
	return after.NumGC - before.NumGC
}
