// Package memory keeps the service within its memory.
//
// All requests and deliveries share one [Budget] of bytes. The HTTP server, the event bus and plugins reserve bytes before
// they allocate much, and release them when the work has ended. A reservation for which there is no room is refused at once:
// nobody waits. A Budget counts what it is told; it allocates nothing. It is safe for concurrent use.
// docs/adr/0024-memory-budget.md has the reasons and the figures.
package memory

import (
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/prometheus/client_golang/prometheus"

	"plugboard/app"
	"plugboard/config"
)

// Small is the largest reservation that may use all of the budget: a body of 64 KiB with its decoded form. Larger reservations
// leave an eighth of the budget to small ones, so that uploads never lock out the other requests.
const Small = 512 << 10

const (
	// containerShare and machineShare say which part of the container's memory, or of the machine's, the budget is. The other
	// half of a container is for memory that is not reserved: garbage that was not collected yet, caches, the binary.
	containerShare = 2
	machineShare   = 4
	// smallShare says which part of the budget large reservations leave to small ones.
	smallShare = 8
)

// Budget is the memory that all requests and deliveries share. It implements [app.Memory] and is safe for concurrent use.
// Make it with [New].
type Budget struct {
	limit, large int64 // the most bytes of all reservations together, and when a large one is added
	reserved     atomic.Int64
	refused      atomic.Int64
}

// New returns a budget of the given size; 0 stands for the default share of the available memory. Its metrics are in registry,
// which may be nil.
func New(size config.Size, registry prometheus.Registerer) (*Budget, error) {
	limit := int64(size)
	if limit == 0 {
		limit = share(available())
	}
	b := &Budget{limit: limit, large: limit - limit/smallShare}
	if registry == nil {
		return b, nil
	}
	return b, errors.Join(
		registry.Register(gauge("reserved_bytes", "Bytes that requests and deliveries have reserved.", b.Reserved)),
		registry.Register(gauge("limit_bytes", "The most bytes that may be reserved.", func() int64 { return b.limit })),
		registry.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "plugboard_memory_refused_total", Help: "Reservations refused because the budget had no room for them.",
		}, func() float64 { return float64(b.refused.Load()) })),
	)
}

func gauge(name, help string, read func() int64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "plugboard_memory_" + name, Help: help},
		func() float64 { return float64(read()) })
}

// Reserved returns how many bytes are reserved.
func (b *Budget) Reserved() int64 { return b.reserved.Load() }

// Reserve implements [app.Memory].
func (b *Budget) Reserve(n int64) error {
	for {
		reserved := b.reserved.Load()
		if n > b.room(n, reserved) {
			return b.refuse(n)
		}
		if b.reserved.CompareAndSwap(reserved, reserved+n) {
			return nil
		}
	}
}

// Release implements [app.Memory].
func (b *Budget) Release(n int64) { b.reserved.Add(-n) }

// Fits returns nil when there is room for n bytes. Otherwise it counts a refusal and returns the error that Reserve would
// return. A server calls it to refuse a request before it reads the body.
func (b *Budget) Fits(n int64) error {
	if n > b.room(n, b.reserved.Load()) {
		return b.refuse(n)
	}
	return nil
}

// room returns the most bytes that a reservation of n bytes could get.
func (b *Budget) room(n, reserved int64) int64 {
	if n > Small {
		return b.large - reserved
	}
	return b.limit - reserved
}

func (b *Budget) refuse(n int64) error {
	b.refused.Add(1)
	if n > b.room(n, 0) {
		return app.Errorf(app.TooLarge, "this takes more memory than the service has for requests")
	}
	err := app.Errorf(app.Unavailable, "the service has no memory left for this now, try again later")
	err.RetryAfter = time.Second
	return err
}

// OfProcess returns how much memory the process may use, and whether that is a hard limit, beyond which the process is ended.
// In a container it is the container's memory. Elsewhere it is twice the budget that an operator has set, as if the budget
// were half of a container, or else the machine's memory.
func OfProcess(budget config.Size) (bytes uint64, hard bool) {
	bytes, hard = available()
	if hard || budget <= 0 || budget > math.MaxInt64/containerShare {
		return bytes, hard
	}
	return min(bytes, containerShare*uint64(budget)), true
}

// share returns the default budget of a process with that much memory.
func share(bytes uint64, hard bool) int64 {
	if hard {
		return int64(min(bytes/containerShare, math.MaxInt64))
	}
	return int64(min(bytes/machineShare, math.MaxInt64))
}

// available returns the memory of the container, which is a hard limit, or of the machine.
func available() (bytes uint64, hard bool) {
	machine, err := memlimit.FromSystem()
	if err != nil {
		machine = math.MaxInt64
	}
	container, err := memlimit.FromCgroup()
	if err != nil || container >= machine {
		return machine, false
	}
	return container, true
}
