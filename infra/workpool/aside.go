package workpool

import (
	"runtime"
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

// aside is a job that runs beside the worker it was given to. Its fields are under the pool's lock.
type aside struct {
	running bool
	thread  int // the id of the thread it runs on; 0 before that is known
	lowered bool
}

// runAside runs t on a goroutine of its own in w's place. The caller holds the pool's lock.
func (w *worker) runAside(t *task) {
	w.aside = aside{running: true}
	w.pool.watch.arm(t.queued+graceTime, t.queued)
	go func() {
		runtime.LockOSThread()
		if w.beginAside() {
			w.run(t, w.endAside)
			return
		}
		runtime.UnlockOSThread()
		w.jobs <- t
	}()
}

// beginAside notes which thread the job is on. It reports false on the main thread, which must not be lowered.
func (w *worker) beginAside() bool {
	thread := currentThread()
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	w.aside = aside{running: thread != p.mainThread, thread: thread}
	return w.aside.running
}

// endAside gives w its next job, and frees the thread unless it was lowered.
func (w *worker) endAside() {
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.aside.lowered {
		runtime.UnlockOSThread()
	}
	w.aside = aside{}
	p.finish(w)
	if t, idle := p.take(w); !idle {
		w.jobs <- t
	}
}

// lowerAside lowers the thread of w's job if that runs aside and its time of grace is over. It returns how much
// of it is left; 0 when there is nothing to wait for. The caller holds the pool's lock, without which the job
// could end and the thread become another's.
func (w *worker) lowerAside(age time.Duration) (left time.Duration) {
	switch {
	case !w.aside.running || w.aside.lowered:
		return 0
	case age < graceTime || w.aside.thread == 0:
		return max(graceTime-age, graceTime/10)
	default:
		w.aside.lowered = lowerThread(w.aside.thread, w.pool.nice) == nil
		return 0
	}
}
