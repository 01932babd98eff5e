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

// A service whose heap is small would collect garbage many times a second when work makes some, which held up light
// requests more than the work itself did (docs/adr/0010). So the heap may grow by more than it holds between two
// collections: by what is allocated in calmTime, within these bounds. It is memory that is used under load only.
const (
	restingFloor = 64 << 20
	highestFloor = 256 << 20
	// floorShare is the part of the memory that the floor may be: of the container's, or else the machine's.
	floorShare = 8
	// limitShare is the part of a container's memory beyond which the heap is collected as often as it takes, when notGo was
	// taken off: SQLite's caches and the contents it passes on, and the binary itself. The heap has half at least.
	limitShare = 0.9
	notGo      = 96 << 20
	// calmTime is the time that is to be between two collections.
	calmTime = 2 * time.Second
	// floorTick is how often the floor follows the load, and floorRest how long less must do before it is lowered.
	floorTick = time.Second
	floorRest = 15 * floorTick
)

// heapFloor is the least by which the heap may grow between two collections. Go has no setting for it: GOGC is a part of
// what lives. But an allocation without pointers that nobody touches counts as living, and takes no memory: the
// collector does not look into it, and the system does not back it.
//
// It is for one goroutine.
type heapFloor struct {
	resting, highest int64
	// limit is the soft limit of the memory, without the floor; none if it is math.MaxInt64.
	limit   int64
	size    int64
	ballast strings.Builder // allocates without clearing, which would be touching
	lower   time.Duration   // since when less would do
}

// newHeapFloor returns the resting floor for a process that may use so much memory; with a hard limit, as that of a
// container, it sets the soft limit.
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
		debug.SetMemoryLimit(f.limit + size) // the ballast counts
	}
}

// follow fits the floor to what was allocated during a tick.
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

// run follows the load until ctx ends.
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
		total = allocatedBytes() // with the floor, which is no load
	}
}

// allocatedBytes returns what the process has allocated on the heap since its start.
func allocatedBytes() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// raiseHeapFloor gives the heap a floor, and returns what takes it away. Where the operator has set GOGC or GOMEMLIMIT
// it does nothing.
func raiseHeapFloor(budget config.Size) (lower func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	f := newHeapFloor(memory.OfProcess(budget))
	debug.FreeOSMemory() // what the start has left behind
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
