package eventbus

import (
	"context"
	"time"
)

// orphanAge is how old a claim of an unknown process must be to be taken over. There are such claims when a process dies
// while it commits: the server ends the commit, maybe after others have taken over what they saw of the process. A
// process that lives on under a new id has its older claims in hand for a moment; tokens decide whose they are.
const orphanAge = time.Second

// takeOrphans opens claims of processes that are no longer known, if it is time to look for them.
func (m *member) takeOrphans(ctx context.Context, took bool) (int64, error) {
	if !m.orphans.due(time.Now(), m.o.id(), took, m.o.cfg.Lease) {
		return 0, nil
	}
	return m.o.store.takeOrphans(ctx, min(orphanAge, m.o.cfg.Lease))
}

// orphanWatch says when to look for orphans. To look reads all deliveries: an index of those that run would cost each event two
// writes, since deliveries are born running. So it is done at each tick only while there may well be some, which is for a lease
// after a process has been taken over, this one's start, and its joining anew; and each hour otherwise.
type orphanWatch struct {
	id          string
	until, last time.Time
}

// due reports whether to look now, as the process known as id, which just took over from another or not.
func (w *orphanWatch) due(now time.Time, id string, took bool, lease time.Duration) bool {
	if took || id != w.id {
		w.id, w.until = id, now.Add(lease)
	}
	if now.After(w.until) && now.Sub(w.last) < fullLook {
		return false
	}
	w.last = now
	return true
}
