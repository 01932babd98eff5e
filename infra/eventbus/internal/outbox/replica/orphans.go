package replica

import (
	"context"
	"time"
)

// orphanAge is the least age of an orphan: a claim of an unknown process. Orphans appear when a process dies during a commit: the server
// may finish the commit after others have taken over all claims that they saw. A process that has joined anew may still run
// handlers under its old id. Their claims are orphans too: others may take them over, and the old tokens are then out of date.
const orphanAge = time.Second

// rarelyLook is the wait between two searches for orphans when nothing suggests that there are any.
const rarelyLook = time.Hour

// takeOrphans makes orphans pending again, if it is time to look for them. Took is true if this process has just taken over from another.
func (r *Replica) takeOrphans(ctx context.Context, took bool) (int64, error) {
	if !r.orphans.due(time.Now(), r.ID(), took, r.cfg.Lease) {
		return 0, nil
	}
	return r.store.ReclaimOrphans(ctx, min(orphanAge, r.cfg.Lease))
}

// orphanClock decides when to look for orphans. A look reads all deliveries, since an index of the running ones would cost two writes
// for each event. Orphans are likely for a lease after a takeover, after the start, and after this process has joined anew: the first
// look then comes at once, and the waits between the following looks double. At other times there is one look each hour.
type orphanClock struct {
	id                 string
	begin, until, last time.Time
}

// due reports whether to look now. Id is the id of this process. Took is true if it has just taken over from another process.
func (w *orphanClock) due(now time.Time, id string, took bool, lease time.Duration) bool {
	wait := w.last.Sub(w.begin)
	switch {
	case took || id != w.id:
		w.id, w.begin, w.until = id, now, now.Add(lease)
		wait = 0
	case now.After(w.until):
		wait = rarelyLook
	}
	if wait > 0 && now.Sub(w.last) < wait {
		return false
	}
	w.last = now
	return true
}
