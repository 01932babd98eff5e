package workpool

import "time"

// Waking the locked thread of a worker and returning from it costs two switches between threads, some tens of
// microseconds. That is nothing beside the work that the pool is made for, but many times the work of a tiny job.
// Therefore a plugin whose last shortStreak jobs took at most shortJob each has its next job run inline: on a new
// goroutine of ordinary priority, while the worker that has the job waits.
//
// The kernel may take the core away from a short job for a while, so one job of medium length only shortens the streak.
// An inline job of longJob or more was misjudged: the plugin then needs a streak twice as long as the last time.
// So at most about ten long jobs of a plugin ever run inline, whatever its callers send.
const (
	shortJob    = 100 * time.Microsecond
	shortStreak = 64
	longJob     = 10 * time.Millisecond
	longStreak  = 1 << 20
)

// recordRun lengthens or shortens the plugin's streak of short jobs by the run time of one job.
func (q *pluginQueue) recordRun(took time.Duration, inline bool) {
	switch {
	case took <= shortJob:
		q.shortRun = min(q.shortRun+1, q.requiredRun+shortStreak)
	case inline && took >= longJob:
		q.shortRun = 0
		q.requiredRun = min(2*q.requiredRun, longStreak)
	default:
		q.shortRun = max(q.shortRun-shortStreak, 0)
	}
}

// nextIsShort reports whether the plugin's next job is likely to be short.
func (q *pluginQueue) nextIsShort() bool { return q.shortRun >= q.requiredRun }
