package replica

import (
	"context"
	"time"
)

// orphanAge is how old a claim of an unknown process must be to be taken over. There are such claims when a process dies
// while it commits: the server ends the commit, maybe after others have taken over what they saw of the process. A
// process that lives on under a new id has its older claims in hand for a moment; tokens decide whose they are.
const orphanAge = time.Second

// rarelyLook is how often to look for orphans when there is no sign of any.
const rarelyLook = time.Hour

// takeOrphans opens claims of processes that are no longer known, if it is time to look for them.
func (r *Replica) takeOrphans(ctx context.Context, took bool) (int64, error) {
	if !r.orphans.due(time.Now(), r.ID(), took, r.cfg.Lease) {
		return 0, nil
	}
	return r.store.ReclaimOrphans(ctx, min(orphanAge, r.cfg.Lease))
}

// orphanWatch says when to look for orphans. To look reads all deliveries: an index of those that run would cost each event two
// writes, since deliveries are born running. So it is done while there may well be some, which is for a lease after a process
// has been taken over, this one's start, and its joining anew: at once, and each time after twice as long. Otherwise it is done
// each hour.
type orphanWatch struct {
	id                 string
	begin, until, last time.Time
}

// due reports whether to look now, as the process known as id, which just took over from another or not.
func (w *orphanWatch) due(now time.Time, id string, took bool, lease time.Duration) bool {
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
