package workpool

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"go.uber.org/zap"
)

// worker runs one job at a time, on a goroutine that has a thread of its own where the system can lower threads. When a
// job ends the goroutine, the worker goes on with another one.
type worker struct {
	pool *Pool
	jobs chan *task // the next job of an idle worker; nil ends the worker

	current *task // under the pool's lock, like lowered
	lowered bool  // its thread has a lower priority
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

// moveOffMainThread starts the worker on another thread if this goroutine is on the process's first one, and reports
// whether it did. The first thread cannot end, its priority shows as the process's, and it takes the signals.
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

// lower gives the worker a thread of its own, of lower priority, if the system allows it. The goroutine never unlocks the
// thread: the thread ends with the goroutine, and nothing else ever runs on it.
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

// loop runs jobs until the pool stops. A job that calls runtime.Goexit ends the goroutine and its thread; then the worker
// starts again.
func (w *worker) loop() {
	ended := false
	defer func() {
		if !ended {
			w.start(func() {})
		}
	}()
	for t := w.next(); t != nil; t = w.next() {
		w.run(t)
	}
	ended = true
}

// run runs t, unless its caller has gone, and hands the result to the caller, even if the work panics. The worker takes its
// next job, or becomes idle, before that: a caller that has its result finds the place free.
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

// broken logs that the work panicked with v, or called runtime.Goexit if v is nil, and returns the error for the caller.
func (t *task) broken(v any) error {
	cause := "runtime.Goexit"
	if v != nil {
		cause = fmt.Sprintf("panic: %v", v)
	}
	t.Logger().Error("job panicked or ended its goroutine", zap.String("error", cause), zap.ByteString("stack", debug.Stack()))
	return fmt.Errorf("run work: %s", cause)
}

// next waits for w's next job and returns it; nil when the pool stops.
func (w *worker) next() *task {
	w.pool.mu.Lock()
	t, idle := w.pool.take(w)
	w.pool.mu.Unlock()
	if idle {
		t = <-w.jobs
	}
	if t == nil {
		w.pool.remove(w)
	}
	return t
}

// finish records that w has ended t. If t ran inline, the worker waits for its next job, which finish gives it.
func (w *worker) finish(t *task) {
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	w.current = nil
	p.recordRun(t)
	if !t.inline {
		return
	}
	if t, idle := p.take(w); !idle {
		w.jobs <- t
	}
}

// take returns w's next job, which is nil when the pool stops, or reports that w is idle. The caller holds the lock.
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

// recordRun records the times of a job that has ended, unless it never began. The caller holds the lock.
func (p *Pool) recordRun(t *task) {
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
	t.queue.wait.Observe((began - t.queued).Seconds())
	t.queue.run.Observe(took.Seconds())
	t.queue.recordRun(took, t.inline)
}
