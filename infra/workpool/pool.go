// Package workpool runs CPU-bound work without starving the rest of the service. It is the implementation
// of [app.Pool].
//
// The workers are goroutines locked to operating system threads of lowered priority, and GOMAXPROCS is
// raised by their number, so that the kernel, and not Go's 10 ms time slice, decides who runs: a request that
// becomes ready takes the core from a worker at once. Where the system does not allow that, the workers are
// plain goroutines; [Pool.Describe] says which. docs/adr/0010 has the figures.
//
// Jobs wait in a bounded queue, in a lane for each plugin; free workers take from the lanes in turn. What does
// not fit is refused at once rather than kept waiting.
package workpool

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
)

// Module provides *[Pool], also as [app.Pool]. It needs config.Pool, a logger and a prometheus.Registerer; a
// trace.TracerProvider is optional. It starts nothing: whoever runs the application calls [Pool.Start] and [Pool.Stop] in
// their turn.
var Module = fx.Module("workpool", fx.Provide(provide, func(p *Pool) app.Pool { return p }))

type inputs struct {
	fx.In

	Config     config.Pool
	Logger     *zap.Logger
	Registerer prometheus.Registerer
	Tracing    trace.TracerProvider `optional:"true"`
}

func provide(in inputs) *Pool {
	p := New(in.Config, in.Logger, in.Registerer)
	p.Trace(in.Tracing)
	return p
}

// Pool is a bounded set of workers with a bounded queue. It is safe for concurrent use. Make it with [New].
type Pool struct {
	workers  int           // how many jobs run at a time
	capacity int           // how many jobs wait
	share    int           // how many jobs of one plugin wait
	limit    time.Duration // the run time from which a job is overdue
	nice     int           // by how much threads are lowered
	logger   *zap.Logger
	registry prometheus.Registerer
	tracer   trace.Tracer // nil: no spans
	epoch    time.Time    // times are kept as durations since then, and 0 is none

	drained chan struct{} // closed when the last worker has ended
	closing sync.Once     // runs release
	watch   *watchdog

	mu      sync.Mutex
	state   poolState
	queue   queue
	idle    []*worker // the last one became idle last, so it is the likeliest to be awake
	crew    []*worker // those that have not ended
	meanRun time.Duration

	dropped, timeouts int // for the metrics
}

type poolState int

const (
	notStarted poolState = iota
	running
	stopping
	stopped
)

// New returns a pool that is configured by cfg and not started. Its metrics are in registry, which may be
// nil, while it runs.
func New(cfg config.Pool, logger *zap.Logger, registry prometheus.Registerer) *Pool {
	p := &Pool{
		workers:  cfg.Workers,
		capacity: cfg.Queue,
		limit:    cfg.JobTimeout,
		nice:     cfg.Nice,
		logger:   logger,
		registry: registry,
		epoch:    time.Now().Add(-time.Second), // so that no time is 0
		drained:  make(chan struct{}),
	}
	if p.workers == 0 {
		p.workers = cores()
	}
	if p.capacity == 0 {
		p.capacity = 16 * p.workers
	}
	p.share = max(1, p.capacity*cfg.Share/100)
	p.queue.lanes = make(map[string]*lane)
	p.watch = newWatchdog(p)
	return p
}

// Describe says in one line what the pool is: "workers 2 on threads lowered by 10, queue 32 (16 per plugin)".
// What it says about threads is known once the pool has started.
func (p *Pool) Describe() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("workers %d on %s, queue %d (%d per plugin)", p.workers, p.threads(), p.capacity, p.share)
}

func (p *Pool) threads() string {
	lowered := 0
	for _, w := range p.crew {
		if w.lowered {
			lowered++
		}
	}
	switch {
	case p.nice == 0:
		return "plain goroutines"
	case len(p.crew) == 0:
		return fmt.Sprintf("threads to be lowered by %d", p.nice)
	case lowered == p.workers:
		return fmt.Sprintf("threads lowered by %d", p.nice)
	case lowered == 0:
		return "plain goroutines, since this system does not lower threads"
	default:
		return fmt.Sprintf("threads, %d of them lowered by %d", lowered, p.nice)
	}
}

// Run implements [app.Pool]. Beyond what that says: a ctx whose deadline passes gives an [app.TimedOut] error,
// as does a job that runs longer than the pool's limit; a pool that is full, not started or stopped gives
// [app.Unavailable], with advice when to try again.
func (p *Pool) Run(ctx context.Context, work func(app.Job) (any, error)) (value any, err error) {
	if err := ctx.Err(); err != nil {
		return nil, leftError(err)
	}
	work, end := p.traced(ctx, work)
	defer func() { end(err) }()
	call := app.CallFrom(ctx)
	t := newTask(call, work)
	if err := p.submit(t, pluginOf(call)); err != nil {
		t.free()
		return nil, err
	}
	select {
	case <-t.over:
	case <-ctx.Done():
		if p.leave(t) {
			return nil, leftError(ctx.Err())
		}
	}
	return p.outcome(t, call)
}

// Refuses returns the error with which Run would refuse a job of ctx's plugin now, and counts that as a refusal; nil when
// there is room. It lets a server refuse a request before it reads what the job would work on.
func (p *Pool) Refuses(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.open(); err != nil || len(p.idle) > 0 {
		return err
	}
	return p.admit(p.lane(pluginOf(app.CallFrom(ctx))))
}

// submit admits t and hands it to an idle worker, or else queues it.
func (p *Pool) submit(t *task, plugin string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.open(); err != nil {
		return err
	}
	t.lane = p.lane(plugin)
	t.queued = p.now()
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.assign(w, t, t.queued)
		if w.lowered && t.lane.short() {
			w.runAside(t)
		} else {
			w.jobs <- t
		}
		return nil
	}
	if err := p.admit(t.lane); err != nil {
		return err
	}
	p.queue.push(t)
	return nil
}

func pluginOf(call *app.Call) string {
	if call == nil {
		return ""
	}
	return call.Plugin
}

// open reports why the pool takes no jobs, if it does not.
func (p *Pool) open() error {
	switch p.state {
	case running:
		return nil
	case notStarted:
		return unavailable("the work pool has not started", time.Second)
	default:
		return unavailable("the work pool is stopping", time.Second)
	}
}

// admit refuses a job for which there is no place in the queue, or none in its plugin's share of it. The
// advice is the time in which the queue, or the lane in its turn, would be worked off.
func (p *Pool) admit(l *lane) error {
	switch {
	case p.queue.len >= p.capacity:
		l.queueFull++
		return unavailable("too much work is waiting", p.estimate(p.queue.len))
	case l.tasks.Len() >= p.share:
		l.shareFull++
		return unavailable("too much work of this kind is waiting", p.estimate(l.tasks.Len()*p.queue.turns.Len()))
	default:
		return nil
	}
}

const (
	minRetryAfter = time.Second
	maxRetryAfter = time.Minute
)

// estimate returns how long the workers need for so many jobs, judged by those of late.
func (p *Pool) estimate(jobs int) time.Duration {
	d := p.meanRun * time.Duration(jobs+1) / time.Duration(p.workers)
	return min(max(d, minRetryAfter), maxRetryAfter)
}

// lane returns the plugin's lane. A lane is kept, since there are no more of them than plugins.
func (p *Pool) lane(plugin string) *lane {
	l, ok := p.queue.lanes[plugin]
	if !ok {
		l = newLane(plugin, p.logger)
		p.queue.lanes[plugin] = l
	}
	return l
}

// assign notes that w has t, at the time now.
func (p *Pool) assign(w *worker, t *task, now time.Duration) {
	w.current = t
	p.watch.arm(now+p.limit, now)
}

// leave is called when t's caller stops waiting. It reports false when the outcome was there first.
func (p *Pool) leave(t *task) bool {
	if t.end(waiting, dropped) {
		t.free()
		p.mu.Lock()
		p.queue.remove(t)
		p.dropped++
		p.mu.Unlock()
		return true
	}
	return t.end(started, left)
}

// outcome returns what t's caller gets, once t is over.
func (p *Pool) outcome(t *task, call *app.Call) (any, error) {
	switch taskState(t.state.Load()) {
	case expired:
		return nil, app.Errorf(app.TimedOut, "the work took longer than %s", p.limit)
	case shed:
		return nil, unavailable("the work pool is stopping", time.Second)
	default:
		if status := t.status.Load(); status != 0 && call != nil {
			call.SetStatus(int(status))
		}
		return t.value, t.err
	}
}

func (p *Pool) now() time.Duration { return time.Since(p.epoch) }

func unavailable(message string, retryAfter time.Duration) error {
	err := app.Errorf(app.Unavailable, "%s, try again later", message)
	err.RetryAfter = retryAfter
	return err
}

func leftError(cause error) error {
	if errors.Is(cause, context.DeadlineExceeded) {
		return app.Errorf(app.TimedOut, "the work was not done in time").Because(cause)
	}
	return fmt.Errorf("wait for work: %w", cause)
}

// cores returns how many processors this process may use: GOMAXPROCS, which knows the limits of containers,
// unless other pools have raised it.
func cores() int { return min(runtime.GOMAXPROCS(0), runtime.NumCPU()) }
