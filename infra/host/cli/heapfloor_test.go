package cli

import (
	"encoding/binary"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// TestHeapFloor holds that a small heap is not collected again and again. Not parallel: the heap is the process's.
func TestHeapFloor(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	debug.FreeOSMemory()
	// On a busy machine one collection takes long, and what is made meanwhile needs no other. With the floor there is at most
	// one for each restingFloor of garbage.
	const little, much, most = restingFloor / 2, 8 * restingFloor, uint32(8)
	require.Greater(t, collections(much), most)
	lower := raiseHeapFloor(0)
	require.LessOrEqual(t, collections(little), uint32(1))
	lower()

	debug.FreeOSMemory()
	t.Setenv("GOGC", "50")
	lower = raiseHeapFloor(0)
	require.Greater(t, collections(much), most, "what the operator has set stands")
	lower()
}

// TestHeapFloorFollowsTheLoad holds that the floor rises with the load at once, and falls when it has been gone for a while.
func TestHeapFloorFollowsTheLoad(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	f := newHeapFloor(1<<30, false)
	require.EqualValues(t, 64*mb, f.size)
	f.follow(30 * mb)
	require.EqualValues(t, 64*mb, f.size)
	f.follow(40 * mb)
	require.EqualValues(t, 128*mb, f.size, "two seconds of it")
	f.follow(900 * mb)
	require.EqualValues(t, 128*mb, f.size, "an eighth of the memory at most")
	for range floorRest / floorTick / 2 {
		f.follow(0)
	}
	f.follow(40 * mb) // from here anew
	for range floorRest/floorTick - 1 {
		f.follow(0)
	}
	require.EqualValues(t, 128*mb, f.size)
	f.follow(0)
	require.EqualValues(t, 64*mb, f.size)
	require.EqualValues(t, 256*mb, newHeapFloor(1<<40, false).highest)
}

// TestHeapFloorFitsIntoTheContainer holds that a small container is not filled by garbage, and that its memory is the heap's
// soft limit. Not parallel: the limit is the process's.
//
//nolint:paralleltest // see above
func TestHeapFloorFitsIntoTheContainer(t *testing.T) {
	const memory = 128 << 20
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	f := newHeapFloor(memory, true)
	f.follow(900 << 20)
	require.EqualValues(t, memory/floorShare, f.size)
	require.Equal(t, f.limit+f.size, debug.SetMemoryLimit(-1))
	require.EqualValues(t, memory/2, f.limit, "a small one has room for what is not Go's")
	require.InDelta(t, limitShare*(4<<30)-notGo, newHeapFloor(4<<30, true).limit, 1)
}

// TestHeapFloorTakesNoMemory holds that the floor is not backed by memory, also where garbage has been, which Go clears
// before it gives it out again. Not parallel: the memory is the process's. What the process has as a whole would not tell:
// the race detector keeps notes of its own beside whatever is allocated.
//
//nolint:paralleltest // see above
func TestHeapFloorTakesNoMemory(t *testing.T) {
	f := newHeapFloor(1<<40, false)
	collections(f.highest)
	for range 3 {
		f.set(f.highest)
		runtime.GC()
		f.set(f.resting)
		debug.FreeOSMemory()
	}
	f.set(f.highest)
	start := unsafe.StringData(f.ballast.String())
	require.NotNil(t, start)
	require.Less(t, backed(t, start, f.size), f.size/100)
}

// backed returns how many of the bytes from start are backed by memory, where the system tells.
func backed(t *testing.T, start *byte, bytes int64) int64 {
	t.Helper()
	pages, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Skip("the system does not tell which pages of a process are backed by memory")
	}
	defer pages.Close()
	size := int64(os.Getpagesize())
	const entry = 8
	entries := make([]byte, bytes/size*entry)
	_, err = pages.ReadAt(entries, int64(uintptr(unsafe.Pointer(start)))/size*entry)
	require.NoError(t, err)
	var count int64
	for at := 0; at < len(entries); at += entry {
		if present := binary.NativeEndian.Uint64(entries[at:]) >> 63; present == 1 {
			count++
		}
	}
	return count * size
}

// collections makes so many bytes of garbage and returns how often it was collected meanwhile.
func collections(garbage int64) uint32 {
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
