package workpool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Start starts the workers and returns when all of them are ready. A pool starts once: a second call, and one
// after [Pool.Stop], is an error.
func (p *Pool) Start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("start work pool: %w", err)
	}
	crew, err := p.begin()
	if err != nil {
		return err
	}
	ready := make(chan struct{}, len(crew))
	for _, w := range crew {
		w.start(func() { ready <- struct{}{} })
	}
	for range crew {
		<-ready
	}
	return nil
}

// begin opens the pool for jobs and returns its workers, not yet started.
func (p *Pool) begin() ([]*worker, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state != notStarted {
		return nil, errors.New("start work pool: it has been started or stopped before")
	}
	if p.registry != nil {
		if err := p.registry.Register(collector{p}); err != nil {
			return nil, fmt.Errorf("register metrics of the work pool: %w", err)
		}
	}
	p.state = running
	raiseProcs(p.workers)
	p.watch.start()
	for range p.workers {
		p.crew = append(p.crew, newWorker(p))
	}
	return slices.Clone(p.crew), nil
}

// Stop refuses new jobs, waits until those that are queued and running have ended, and ends the workers. When
// ctx is done first, it gives up the rest: their callers get [app.Unavailable], queued jobs never run, running
// ones go on with nobody waiting, and the error says how many there are and whose. Stop without Start, and
// a second Stop, return nil.
func (p *Pool) Stop(ctx context.Context) error {
	if !p.shut() {
		return nil
	}
	select {
	case <-p.drained:
	case <-ctx.Done():
	}
	var err error
	p.closing.Do(func() { err = p.release() })
	return err
}

// shut refuses new jobs and dismisses the idle workers. It reports whether there is anything to wait for.
func (p *Pool) shut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.state {
	case notStarted, stopped:
		p.state = stopped
		return false
	default:
		p.state = stopping
		for _, w := range p.idle {
			w.jobs <- nil
		}
		p.idle = nil
		return true
	}
}

// retire takes w off the crew for good.
func (p *Pool) retire(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.crew = slices.DeleteFunc(p.crew, func(other *worker) bool { return other == w })
	if len(p.crew) == 0 {
		close(p.drained)
	}
}

// release gives up the jobs that are left, and what the pool holds besides.
func (p *Pool) release() error {
	queued, running := p.abandon()
	if len(queued)+len(running) == 0 {
		<-p.drained // workers between two states; they need microseconds
	}
	p.watch.stop()
	lowerProcs(p.workers)
	if p.registry != nil {
		p.registry.Unregister(collector{p})
	}
	return abandonedError(queued, running)
}

// abandon ends the wait of all callers and returns the plugins of the jobs given up, one entry for each job.
func (p *Pool) abandon() (queued, running []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = stopped
	for t := p.queue.pop(); t != nil; t = p.queue.pop() {
		if t.end(waiting, shed) {
			t.free()
			queued = append(queued, t.lane.plugin)
		}
	}
	for _, w := range p.crew {
		switch t := w.current; {
		case t == nil:
		case t.end(waiting, shed): // on its way to the worker
			t.free()
			queued = append(queued, t.lane.plugin)
		default:
			t.end(started, shed)
			running = append(running, t.lane.plugin)
		}
	}
	return queued, running
}

func abandonedError(queued, running []string) error {
	if len(queued)+len(running) == 0 {
		return nil
	}
	return fmt.Errorf("stop work pool: gave up %d running and %d queued jobs of %s",
		len(running), len(queued), tally(append(queued, running...)))
}

// tally counts equal names: "images.resize (2), users.hash (1)".
func tally(names []string) string {
	counts := make(map[string]int)
	for _, name := range names {
		counts[name]++
	}
	parts := make([]string, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s (%d)", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}

// procs guards reading and then changing GOMAXPROCS, which belongs to the process like this lock; there are
// several pools in one process in tests.
var procs sync.Mutex

// raiseProcs gives the process so many processors more, for the workers to occupy.
func raiseProcs(by int) {
	procs.Lock()
	defer procs.Unlock()
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + by)
}

// lowerProcs undoes raiseProcs. If that leads back to the runtime's default, the runtime again follows changes
// of the container's limit, which it does until GOMAXPROCS is set by hand.
func lowerProcs(by int) {
	procs.Lock()
	defer procs.Unlock()
	n := runtime.GOMAXPROCS(0) - by
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.SetDefaultGOMAXPROCS()
	}
	if runtime.GOMAXPROCS(0) != n {
		runtime.GOMAXPROCS(n)
	}
}
