package host

import (
	"os"
	"runtime"
	"runtime/debug"
)

// heapFloor is how much the heap may grow between two collections, however little of it lives. A service whose heap is
// small would otherwise collect garbage tens of times a second when work makes some, which held up light requests more than
// the work itself did (docs/adr/0010). It is memory that is used under load only.
const heapFloor = 64 << 20

// raiseHeapFloor gives the heap its floor, and returns what takes it away. Where the operator has set GOGC or GOMEMLIMIT
// it does nothing.
//
// Go has no setting for it. An allocation without pointers that nobody touches counts as living, and takes no memory: the
// collector does not look into it, and the system does not back it.
func raiseHeapFloor() (lower func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	floor := make([]byte, heapFloor)
	debug.FreeOSMemory() // what the start has left behind
	return func() { runtime.KeepAlive(floor) }
}
