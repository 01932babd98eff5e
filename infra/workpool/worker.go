package workpool

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"go.uber.org/zap"
)

// worker runs one job at a time on a goroutine and, where the system lowers threads, a thread of its own. When
// a job ends that goroutine, the worker goes on with another.
type worker struct {
	pool *Pool
	jobs chan *task // what an idle worker is given; nil is its dismissal

	current *task // under the pool's lock, like all that follows
	lowered bool  // its thread was lowered
}

func newWorker(p *Pool) *worker {
	return &worker{pool: p, jobs: make(chan *task, 1)}
}

// start starts the worker's goroutine. It calls ready when the worker is about to take jobs.
func (w *worker) start(ready func()) {
	go func() {
		if w.moveOffMainThread(ready) {
			return
		}
		w.lower()
		ready()
		w.loop()
	}()
}

// moveOffMainThread starts the worker elsewhere if this goroutine is on the process's first thread, and
// reports whether it did. That thread cannot end, shows as the process's priority, and takes its signals.
func (w *worker) moveOffMainThread(ready func()) bool {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if !onMainThread() {
		return false
	}
	moved := make(chan struct{})
	w.start(func() { ready(); close(moved) })
	<-moved
	return true
}

// lower gives the worker a thread of its own, of lowered priority, if the system allows it. The thread is never
// unlocked, so that it ends with the goroutine and nothing else ever runs on it.
func (w *worker) lower() {
	p := w.pool
	if p.nice == 0 {
		return
	}
	runtime.LockOSThread()
	err := lowerThread(p.nice)
	if err != nil {
		runtime.UnlockOSThread()
	}
	p.mu.Lock()
	w.lowered = err == nil
	p.mu.Unlock()
}

// loop runs jobs until the pool stops. A job that calls runtime.Goexit ends the goroutine, and the thread with
// it; then the worker starts again.
func (w *worker) loop() {
	retired := false
	defer func() {
		if !retired {
			w.start(func() {})
		}
	}()
	for t := w.next(); t != nil; t = w.next() {
		w.run(t)
	}
	retired = true
}

// run runs t, unless its caller has gone, and hands its result over, whatever the work does. The job is finished for
// the pool before that, so that who has a result finds its place free.
func (w *worker) run(t *task) {
	if !t.begin() {
		w.finish(t)
		return
	}
	t.started.Store(int64(w.pool.now()))
	var value any
	var err error
	returned := false
	defer func() {
		if !returned {
			err = t.broken(recover())
		}
		w.finish(t)
		t.free()
		t.settle(value, err)
	}()
	value, err = t.work(t)
	returned = true
}

// broken logs that the work panicked with v, or called runtime.Goexit if v is nil, and returns an error for it.
func (t *task) broken(v any) error {
	cause := "runtime.Goexit"
	if v != nil {
		cause = fmt.Sprintf("panic: %v", v)
	}
	t.Logger().Error("work ended abnormally", zap.String("cause", cause), zap.ByteString("stack", debug.Stack()))
	return fmt.Errorf("run work: %s", cause)
}

// next returns what w does next, waiting for it if need be; nil when the pool stops.
func (w *worker) next() *task {
	w.pool.mu.Lock()
	t, idle := w.pool.take(w)
	w.pool.mu.Unlock()
	if idle {
		t = <-w.jobs
	}
	if t == nil {
		w.pool.retire(w)
	}
	return t
}

// finish takes account of t, which w has done. If t ran aside, w gets its next job.
func (w *worker) finish(t *task) {
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	w.current = nil
	p.account(t)
	if !t.aside {
		return
	}
	if t, idle := p.take(w); !idle {
		w.jobs <- t
	}
}

// take returns what w does next, which is nil when the pool stops, or reports that w is idle. The caller holds
// the lock.
func (p *Pool) take(w *worker) (t *task, idle bool) {
	if t := p.queue.pop(); t != nil {
		p.assign(w, t, p.now())
		return t, false
	}
	if p.state != running {
		return nil, false
	}
	p.idle = append(p.idle, w)
	return nil, true
}

// account counts a job that has ended, unless it never began. The caller holds the lock.
func (p *Pool) account(t *task) {
	began := time.Duration(t.started.Load())
	if began == 0 {
		return
	}
	took := p.now() - began
	const weight = 8 // one job counts an eighth, so that some twenty jobs make up the mean
	if p.meanRun == 0 {
		p.meanRun = took
	}
	p.meanRun += (took - p.meanRun) / weight
	t.lane.wait.observe(began - t.queued)
	t.lane.run.observe(took)
	t.lane.judge(took, t.aside)
}
