package replica

import (
	"context"
	"time"
)

// orphanAge is how old a claim of an unknown process must be to be taken over. Such claims appear when a process dies during a
// commit: the server may end the commit after others have taken over the claims that they saw. A process that has joined anew
// may still run handlers under its old id; their claims may be taken over, and their tokens are out of date then.
const orphanAge = time.Second

// rarelyLook is how often to look for orphans when there is no sign of any.
const rarelyLook = time.Hour

// takeOrphans opens the claims of unknown processes, if it is time to look for them.
func (r *Replica) takeOrphans(ctx context.Context, took bool) (int64, error) {
	if !r.orphans.due(time.Now(), r.ID(), took, r.cfg.Lease) {
		return 0, nil
	}
	return r.store.ReclaimOrphans(ctx, min(orphanAge, r.cfg.Lease))
}

// orphanClock says when to look for the claims of unknown processes. A look reads all deliveries, since an index of the running ones
// would cost each event two writes. So it is done while such claims are likely: for a lease after a takeover, after the start, and
// after joining anew; at once, and then after waits that double. Otherwise it is done each hour.
type orphanClock struct {
	id                 string
	begin, until, last time.Time
}

// due reports whether to look now. Id is the id of this process, and took tells that it has just taken over from another.
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
