package cli

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"time"

	"plugboard/config"
	"plugboard/infra/memory"
)

// With a small heap, Go collects garbage many times a second under load. That held up light requests more than the work
// itself did (docs/adr/0010). So the heap may grow, between two collections, by what the service allocates in calmTime,
// within these bounds. The memory is used only under load.
const (
	restingFloor = 64 << 20
	highestFloor = 256 << 20
	// The floor is at most one floorShare-th of the memory: of the container's, or else of the machine's.
	floorShare = 8
	// The soft limit in a container is limitShare of its memory less notGo, and at least half of the memory. Beyond the
	// soft limit, Go collects garbage as often as necessary. notGo is for the caches of SQLite and for the binary.
	limitShare = 0.9
	notGo      = 96 << 20
	// calmTime is the time that should pass between two collections.
	calmTime = 2 * time.Second
	// floorTick is how often the floor is adjusted. It is lowered after a smaller one was enough for floorRest.
	floorTick = time.Second
	floorRest = 15 * floorTick
)

// heapFloor is the least size by which the heap grows between two collections. Go has no setting for that: GOGC is a
// share of the live heap. So a large allocation without pointers, which nobody ever touches, makes the live heap look
// larger. It costs no memory: the collector does not scan it, and the system gives it no pages.
//
// It is for one goroutine.
type heapFloor struct {
	resting, highest int64
	// limit is the soft limit of the memory, without the floor; math.MaxInt64 is none.
	limit   int64
	size    int64
	ballast strings.Builder // it allocates without clearing; clearing would touch the memory
	lower   time.Duration   // for how long a smaller floor was enough
}

// newHeapFloor returns the resting floor for a process that may use this memory. When the limit is hard, as that of a
// container, it also sets the soft limit.
func newHeapFloor(memory uint64, hard bool) *heapFloor {
	highest := int64(min(memory/floorShare, highestFloor))
	f := &heapFloor{resting: min(restingFloor, highest), highest: highest, limit: math.MaxInt64}
	if hard {
		f.limit = max(int64(limitShare*float64(memory))-notGo, int64(memory/2))
	}
	f.set(f.resting)
	return f
}

func (f *heapFloor) set(size int64) {
	f.size, f.lower = size, 0
	f.ballast = strings.Builder{}
	f.ballast.Grow(int(size))
	if f.limit < math.MaxInt64 {
		debug.SetMemoryLimit(f.limit + size) // the limit counts the ballast
	}
}

// follow adjusts the floor to what was allocated during a tick.
func (f *heapFloor) follow(allocated int64) {
	want := f.resting
	for want < f.highest && want < allocated*int64(calmTime/floorTick) {
		want = min(2*want, f.highest)
	}
	switch {
	case want > f.size:
		f.set(want)
	case want == f.size:
		f.lower = 0
	default:
		if f.lower += floorTick; f.lower >= floorRest {
			f.set(want)
			debug.FreeOSMemory()
		}
	}
}

// run adjusts the floor at every tick, until ctx ends.
func (f *heapFloor) run(ctx context.Context) {
	tick := time.NewTicker(floorTick)
	defer tick.Stop()
	total := allocatedBytes()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		f.follow(int64(allocatedBytes() - total))
		total = allocatedBytes() // a new ballast is no load
	}
}

// allocatedBytes returns what the process has allocated on the heap since its start.
func allocatedBytes() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// raiseHeapFloor starts adjusting the floor and returns a function that ends that. It does nothing when the operator has
// set GOGC or GOMEMLIMIT.
func raiseHeapFloor(budget config.Size) (lower func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	f := newHeapFloor(memory.OfProcess(budget))
	debug.FreeOSMemory() // of the start
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.run(ctx)
	}()
	return func() {
		cancel()
		<-done
		debug.SetMemoryLimit(math.MaxInt64)
	}
}
