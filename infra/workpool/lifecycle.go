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
	"time"
)

// Start starts the workers and returns when all of them are ready. A pool starts once: a second call, and a call
// after [Pool.Stop], return an error.
func (p *Pool) Start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("start work pool: %w", err)
	}
	workers, err := p.begin()
	if err != nil {
		return err
	}
	var ready sync.WaitGroup
	for _, w := range workers {
		ready.Add(1)
		w.start(ready.Done)
	}
	ready.Wait()
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
		if err := p.registry.Register(p.metrics.registry); err != nil {
			return nil, fmt.Errorf("register metrics of the work pool: %w", err)
		}
	}
	p.state = running
	addProcs(p.size)
	p.timer = time.AfterFunc(p.limit, p.reportOverdue)
	for range p.size {
		p.workers = append(p.workers, &worker{pool: p, jobs: make(chan *task, 1)})
	}
	return slices.Clone(p.workers), nil
}

// Stop refuses new jobs, waits until the queued and running ones have ended, and ends the workers. When ctx is done
// first, Stop gives up the remaining jobs: their callers get [app.Unavailable], queued jobs never run, running jobs go on
// with nobody waiting, and the error says how many jobs there are and of which plugins. Stop without Start, and a second
// Stop, return nil.
func (p *Pool) Stop(ctx context.Context) error {
	if !p.close() {
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

// close refuses new jobs and ends the idle workers. It reports whether there is anything to wait for.
func (p *Pool) close() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == notStarted || p.state == stopped {
		p.state = stopped
		return false
	}
	p.state = stopping
	for _, w := range p.idle {
		w.jobs <- nil
	}
	p.idle = nil
	return true
}

// remove removes w from the pool for good.
func (p *Pool) remove(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.workers = slices.DeleteFunc(p.workers, func(other *worker) bool { return other == w })
	if len(p.workers) == 0 {
		close(p.drained)
	}
}

// release gives up the remaining jobs, then the timer, the processors and the metrics.
func (p *Pool) release() error {
	queued, running := p.giveUp()
	if len(queued)+len(running) == 0 {
		<-p.drained // the workers are about to end; they need microseconds
	}
	p.timer.Stop()
	addProcs(-p.size)
	if p.registry != nil {
		p.registry.Unregister(p.metrics.registry)
	}
	return givenUpError(queued, running)
}

// giveUp answers all callers and returns the plugins of the jobs that were given up, one entry for each job.
func (p *Pool) giveUp() (queued, running []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = stopped
	var all []*task
	for t := p.queue.pop(); t != nil; t = p.queue.pop() {
		all = append(all, t)
	}
	for _, w := range p.workers {
		if w.current != nil {
			all = append(all, w.current)
		}
	}
	for _, t := range all {
		switch {
		case t.end(waiting, givenUp): // in the queue, or on its way to a worker
			t.free()
			queued = append(queued, t.queue.plugin)
		case taskState(t.state.Load()) != dropped:
			t.end(started, givenUp)
			running = append(running, t.queue.plugin)
		}
	}
	return queued, running
}

// givenUpError names the plugins of the jobs that were given up: "images.resize (2), users.hash (1)".
func givenUpError(queued, running []string) error {
	if len(queued)+len(running) == 0 {
		return nil
	}
	jobs := make(map[string]int)
	for _, plugin := range slices.Concat(queued, running) {
		jobs[plugin]++
	}
	var plugins []string
	for _, plugin := range slices.Sorted(maps.Keys(jobs)) {
		plugins = append(plugins, fmt.Sprintf("%s (%d)", plugin, jobs[plugin]))
	}
	return fmt.Errorf("stop work pool: gave up %d running and %d queued jobs of %s", len(running), len(queued), strings.Join(plugins, ", "))
}

// procs guards the change of GOMAXPROCS. Like GOMAXPROCS, it belongs to the process; tests run several pools in one.
var procs sync.Mutex

// addProcs gives the process n more processors, for the workers to occupy, or takes -n away. When that returns to the
// runtime's default, the runtime follows changes of the container's limit again: it stops doing that as long as
// GOMAXPROCS is set by hand.
func addProcs(n int) {
	procs.Lock()
	defer procs.Unlock()
	want := runtime.GOMAXPROCS(0) + n
	if n < 0 && os.Getenv("GOMAXPROCS") == "" {
		runtime.SetDefaultGOMAXPROCS()
	}
	if runtime.GOMAXPROCS(0) != want {
		runtime.GOMAXPROCS(want)
	}
}
