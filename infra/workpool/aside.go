package workpool

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Waking a worker's locked thread and coming back from it costs two switches between threads, some tens of
// microseconds: nothing for the work the pool is for, but many times the work of a plugin whose jobs are
// tiny. When the last shortStreak jobs of a plugin all took less than shortJob, its next one runs aside:
// on a new goroutine of ordinary priority, while the worker it was given to waits. If it proves to be longer
// after all, the watchdog lowers the thread it is on after graceTime, and that thread is not used again.
const (
	shortJob    = 100 * time.Microsecond
	shortStreak = 64
	graceTime   = time.Millisecond
)

// aside is a job that runs beside the worker it was given to.
type aside struct {
	running bool         // under the pool's lock
	lowered bool         // likewise
	thread  atomic.Int64 // the id of the thread it runs on; 0 when it has none of its own
}

// runAside runs t on a goroutine of its own in w's place. The caller holds the pool's lock.
func (w *worker) runAside(t *task) {
	w.aside.running = true
	w.pool.watch.arm(t.queued+graceTime, t.queued)
	go func() {
		runtime.LockOSThread()
		if thread := currentThread(); thread != w.pool.mainThread { // which must not be lowered
			w.aside.thread.Store(int64(thread))
			w.run(t, w.endAside)
			return
		}
		runtime.UnlockOSThread()
		w.giveBack(t)
	}()
}

// giveBack has w run t itself.
func (w *worker) giveBack(t *task) {
	w.pool.mu.Lock()
	w.aside.running = false
	w.pool.mu.Unlock()
	w.jobs <- t
}

// endAside gives w its next job, and frees the thread unless it was lowered.
func (w *worker) endAside() {
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.aside.lowered {
		runtime.UnlockOSThread()
	}
	w.aside.running, w.aside.lowered = false, false
	w.aside.thread.Store(0)
	p.finish(w)
	if t, idle := p.take(w); !idle {
		w.jobs <- t
	}
}

// lowerAside lowers the thread of w's job if that runs aside and its time of grace is over. It returns how much
// of it is left; 0 when there is nothing to wait for. The caller holds the pool's lock, without which the job
// could end and the thread become another's.
func (w *worker) lowerAside(age time.Duration) (left time.Duration) {
	thread := int(w.aside.thread.Load())
	switch {
	case !w.aside.running || w.aside.lowered:
		return 0
	case age < graceTime || thread == 0:
		return max(graceTime-age, graceTime/10)
	default:
		w.aside.lowered = lowerThread(thread, w.pool.nice) == nil
		return 0
	}
}
