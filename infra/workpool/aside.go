package workpool

import "time"

// Waking a worker's locked thread and coming back from it costs two switches between threads, some tens of
// microseconds: nothing for the work the pool is for, but many times the work of a plugin whose jobs are tiny. When
// shortStreak jobs of a plugin have taken no longer than shortJob, its next one runs aside: on a new goroutine of
// ordinary priority, while the worker it was given to waits. A job may seem long because the kernel gave its core to
// others for a while, so one alone does not end the habit. But one that takes longJob was misjudged: then the plugin
// has to prove itself again, with twice as many short jobs as the last time, so that over its life a plugin gets
// no more than some ten long jobs past the workers, whatever its callers send.
const (
	shortJob    = 100 * time.Microsecond
	shortStreak = 64
	longJob     = 10 * time.Millisecond
	longStreak  = 1 << 20
)

// runAside runs t on a goroutine of its own in w's place. The caller holds the pool's lock.
func (w *worker) runAside(t *task) {
	t.aside = true
	go w.run(t)
}

// judge remembers how long a job took.
func (l *lane) judge(took time.Duration, aside bool) {
	switch {
	case took <= shortJob:
		l.brevity = min(l.brevity+1, l.required+shortStreak)
	case aside && took >= longJob:
		l.brevity = 0
		l.required = min(2*l.required, longStreak)
	default:
		l.brevity = max(l.brevity-shortStreak, 0)
	}
}

// short reports whether the next job is likely to be short.
func (l *lane) short() bool { return l.brevity >= l.required }
