// Package workpool runs CPU-bound work without starving the rest of the service.
//
// [Pool] implements [app.Pool]. The HTTP server calls it for handlers that take an [app.Job], and plugins call it through
// app.Compute. It is safe for concurrent use. Whoever assembles the service starts and stops it.
//
// Jobs wait in a bounded queue, in which each plugin has a share. Free workers take from the plugins in turn. A job for
// which there is no place is refused at once. A job that panics gives its caller an error. A job that runs too long is
// answered and logged, but cannot be ended: it holds its worker.
//
// The workers are goroutines locked to operating system threads of lower priority, and GOMAXPROCS is raised by their
// number. So the kernel decides who runs, and not Go's time slice of 10 ms: a request that becomes ready takes the core from
// a worker at once. Where the system does not allow that, the workers are plain goroutines; [Pool.String] says which.
// docs/adr/0010-work-pool.md has the figures.
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
// trace.TracerProvider is optional. It starts nothing: the host calls [Pool.Start] and [Pool.Stop].
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
	size     int           // the number of workers
	capacity int           // how many jobs may wait
	share    int           // how many jobs of one plugin may wait
	limit    time.Duration // a job that runs this long is overdue
	nice     int           // by how much the threads' priority is lowered
	logger   *zap.Logger
	registry prometheus.Registerer
	metrics  *metrics
	tracer   trace.Tracer // nil: no spans
	epoch    time.Time    // times are durations since the epoch, and 0 is no time

	drained chan struct{} // closed when the last worker has ended
	closing sync.Once     // runs release
	timer   *time.Timer   // calls reportOverdue

	mu        sync.Mutex
	state     poolState
	queue     queue
	idle      []*worker // the last one became idle last, so its thread is the likeliest to be awake
	workers   []*worker // those that have not ended
	meanRun   time.Duration
	nextCheck time.Duration // when the timer fires; 0 when it is not set
}

type poolState int

const (
	notStarted poolState = iota
	running
	stopping
	stopped
)

// New returns a pool with the settings cfg, not started. Its metrics are in registry, which may be nil, while it runs.
func New(cfg config.Pool, logger *zap.Logger, registry prometheus.Registerer) *Pool {
	p := &Pool{
		size:     cfg.Workers,
		capacity: cfg.Queue,
		limit:    cfg.JobTimeout,
		nice:     cfg.Nice,
		logger:   logger,
		registry: registry,
		epoch:    time.Now().Add(-time.Second), // so that no time is 0
		drained:  make(chan struct{}),
	}
	if p.size == 0 {
		p.size = cores()
	}
	if p.capacity == 0 {
		p.capacity = 16 * p.size
	}
	p.share = max(1, p.capacity*cfg.Share/100)
	p.queue.plugins = make(map[string]*pluginQueue)
	p.metrics = newMetrics(p)
	return p
}

// String describes the pool in one line: "workers 2 on threads lowered by 10, queue 32 (16 per plugin)". Whether threads
// are lowered is known once the pool has started.
func (p *Pool) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("workers %d on %s, queue %d (%d per plugin)", p.size, p.threads(), p.capacity, p.share)
}

func (p *Pool) threads() string {
	switch {
	case p.nice == 0:
		return "plain goroutines"
	case len(p.workers) == 0:
		return fmt.Sprintf("threads to be lowered by %d", p.nice)
	case !p.workers[0].lowered: // the system treats all of them alike
		return "plain goroutines, since this system does not lower threads"
	default:
		return fmt.Sprintf("threads lowered by %d", p.nice)
	}
}

// Run implements [app.Pool]. It returns an [app.TimedOut] error when the deadline of ctx passes, or when the job runs longer
// than the pool's limit. It returns an [app.Unavailable] error, which says when to try again, when the pool is full, not
// started, or stopped.
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

// Refuses returns nil when there is room for a job of ctx's plugin. Otherwise it counts a refusal and returns the error that
// Run would return. A server calls it to refuse a request before it reads the body.
func (p *Pool) Refuses(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.open(); err != nil || len(p.idle) > 0 {
		return err
	}
	return p.admit(p.queueOf(pluginOf(app.CallFrom(ctx))))
}

// submit admits t and hands it to an idle worker, or else queues it.
func (p *Pool) submit(t *task, plugin string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.open(); err != nil {
		return err
	}
	t.queue = p.queueOf(plugin)
	t.queued = p.now()
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.assign(w, t, t.queued)
		if w.lowered && t.queue.nextIsShort() {
			t.inline = true
			go w.run(t)
		} else {
			w.jobs <- t
		}
		return nil
	}
	if err := p.admit(t.queue); err != nil {
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

// open returns nil when the pool takes jobs, else the error for the caller.
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

// admit refuses a job if the queue is full, or the plugin's share of it. The caller is told to come back when the queue,
// or the plugin's jobs in their turns, will have been worked off.
func (p *Pool) admit(q *pluginQueue) error {
	switch {
	case p.queue.len >= p.capacity:
		q.queueFull.Inc()
		return unavailable("too much work is waiting", p.estimate(p.queue.len))
	case len(q.tasks) >= p.share:
		q.shareFull.Inc()
		return unavailable("too much work of this kind is waiting", p.estimate(len(q.tasks)*len(p.queue.turns)))
	default:
		return nil
	}
}

const (
	minRetryAfter = time.Second
	maxRetryAfter = time.Minute
)

// estimate returns how long the workers need for that many jobs, by the mean run time of the last ones.
func (p *Pool) estimate(jobs int) time.Duration {
	d := p.meanRun * time.Duration(jobs+1) / time.Duration(p.size)
	return min(max(d, minRetryAfter), maxRetryAfter)
}

// queueOf returns the plugin's queue. Queues are never removed, since there are as many as plugins at most.
func (p *Pool) queueOf(plugin string) *pluginQueue {
	q, ok := p.queue.plugins[plugin]
	if !ok {
		q = newPluginQueue(plugin, p.logger, p.metrics)
		p.queue.plugins[plugin] = q
	}
	return q
}

// assign records that w has t since the time now.
func (p *Pool) assign(w *worker, t *task, now time.Duration) {
	w.current = t
	p.checkOverdueAt(now+p.limit, now)
}

// leave is called when t's caller stops waiting. It returns false when the outcome came first.
func (p *Pool) leave(t *task) bool {
	if t.end(waiting, dropped) {
		t.free()
		p.metrics.dropped.Inc()
		p.mu.Lock()
		p.queue.remove(t)
		p.mu.Unlock()
		return true
	}
	return t.end(started, left)
}

// outcome returns the caller's result, once t is over.
func (p *Pool) outcome(t *task, call *app.Call) (any, error) {
	switch taskState(t.state.Load()) {
	case expired:
		return nil, app.Errorf(app.TimedOut, "the work took longer than %s", p.limit)
	case givenUp:
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

// cores returns the number of processors that this process may use: GOMAXPROCS, which follows the container's limit. Another
// pool in the process may have raised it, so the machine's number is the most.
func cores() int { return min(runtime.GOMAXPROCS(0), runtime.NumCPU()) }
