package eventbus

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// member keeps this process known to the others. On SQLite there are none. On Postgres the process has a row with a
// lease, and a session that holds an advisory lock: when the lock is found free twice, a tick apart, the process has died,
// and its deliveries are taken over; when the lease has run out, it hangs, and they are taken over too. A process that has
// lost its session alone, as all do when Postgres is restarted, takes a new one within that tick and goes on with what it
// has. One that was taken over finds out before it begins another handler, and joins anew.
type member struct {
	o *Outbox
	// beat is when the lease was last renewed, on this process's clock.
	beat atomic.Pointer[time.Time]
	// joined tells that the process has been known to the others.
	joined atomic.Bool
	// free are the locks of other processes that were found free once, others the ids of those that were known at the last look.
	free   map[int64]bool
	others map[string]bool
	// oldUntil is until when what is behind is looked at again and again, since a process of an older version ran.
	oldUntil time.Time
	// orphans says when to look for claims that nobody holds; inherit's alone.
	orphans orphanWatch

	mu   sync.Mutex
	conn *sql.Conn
	// lock is the advisory lock that conn holds.
	lock int64
}

func newMember(o *Outbox) *member { return &member{o: o} }

// alive reports whether the lease is certain to last: by the time of day too, since the monotonic clock stands still while
// the machine is suspended.
func (m *member) alive() bool {
	if !m.o.store.postgres {
		return true
	}
	return m.sinceBeat() < m.o.cfg.Lease
}

// sinceBeat returns how long ago the lease was last renewed.
func (m *member) sinceBeat() time.Duration {
	now, beat := time.Now(), m.beat.Load()
	if beat == nil {
		return math.MaxInt64
	}
	return max(now.Sub(*beat), now.Round(0).Sub(beat.Round(0)))
}

// join makes the process known and takes over what dead ones left.
func (m *member) join(ctx context.Context) error {
	if !m.o.store.postgres {
		m.o.newID()
		_, err := m.o.store.takeAll(ctx)
		m.joined.Store(err == nil)
		return err
	}
	if err := m.enter(ctx); err != nil {
		return fmt.Errorf("join the other processes: %w", err)
	}
	return m.inherit(ctx)
}

func (m *member) enter(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if err := m.openSession(ctx); err != nil {
		return err
	}
	_, err := m.conn.ExecContext(ctx, m.o.store.sql(`INSERT INTO bus_processes (id, lock_key, seen_at, lease_until, keeps_behind)
		VALUES (?, ?, {now}, {now} + ?, TRUE)`), m.o.newID(), m.lock, m.o.cfg.Lease.Milliseconds())
	if err != nil {
		m.dropConn()
		return err
	}
	m.joined.Store(true)
	m.beat.Store(&now)
	return nil
}

// resume takes a new session in the place of one that was lost, and reports whether nobody has taken this process over
// meanwhile: then all it has claimed is still its own.
func (m *member) resume(ctx context.Context) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.openSession(ctx); err != nil {
		return false, err
	}
	return m.prolong(ctx, `lock_key = ?, `, m.lock)
}

// prolong renews the lease in the process's row, with what else is to be set there, and reports whether there still is one.
func (m *member) prolong(ctx context.Context, set string, args ...any) (bool, error) {
	now := time.Now()
	result, err := m.conn.ExecContext(ctx, m.o.store.sql(`UPDATE bus_processes SET `+set+`seen_at = {now}, lease_until = {now} + ? WHERE id = ?`),
		append(args, m.o.cfg.Lease.Milliseconds(), m.o.id())...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 1 {
		m.beat.Store(&now)
	}
	return n == 1, err
}

// openSession takes a new session with a lock of its own. Locks are the whole database's, which may hold other schemas with
// processes of their own, and the lost session's may still be held.
func (m *member) openSession(ctx context.Context) error {
	m.dropConn()
	conn, err := m.o.db.Conn(ctx)
	if err != nil {
		return err
	}
	key := rand.Int64()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, key); err != nil {
		_ = conn.Close()
		return err
	}
	m.conn, m.lock = conn, key
	return nil
}

func (m *member) dropConn() {
	if m.conn != nil {
		_ = m.conn.Raw(func(any) error { return driver.ErrBadConn }) // the session ends, and the lock with it
		_ = m.conn.Close()
		m.conn = nil
	}
}

// run renews the lease and looks after the others until ctx is done.
func (m *member) run(ctx context.Context) {
	tick := time.NewTicker(min(m.o.cfg.Poll, m.o.cfg.Lease/4))
	defer tick.Stop()
	lastSeen := time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if m.o.stopping.Load() {
				continue
			}
			if now.Sub(lastSeen) >= m.o.cfg.Lease/3 {
				lastSeen = now
				m.try(ctx, "subscriptions not marked as seen", m.o.seen)
			}
			if m.o.store.postgres {
				m.try(ctx, "process not renewed", m.renew)
				m.try(ctx, "dead processes not found", m.inherit)
			}
		}
	}
}

func (m *member) try(ctx context.Context, failure string, fn func(context.Context) error) {
	limit, cancel := context.WithTimeout(ctx, m.o.cfg.Lease/2)
	defer cancel()
	if err := fn(limit); err != nil && ctx.Err() == nil {
		m.o.log.Warn(failure, zap.Error(err))
	}
}

// renew keeps the lease, with another session if this one is lost. When another process has taken this one for dead, it
// joins anew.
func (m *member) renew(ctx context.Context) error {
	renewed, err := m.extend(ctx)
	if err != nil {
		m.o.log.Warn("the session among the replicas is lost", zap.Error(err))
		renewed, err = m.resume(ctx)
	}
	if err != nil || renewed {
		return err
	}
	m.o.log.Warn("this process was taken over by another and joins anew")
	m.o.recall()
	return m.enter(ctx)
}

// extend renews a lease that is a sixth over, and asks otherwise. Each renewal is a commit that waits for the disk of the
// database: six in a lease are enough to keep it. Both report whether the process's row is there.
func (m *member) extend(ctx context.Context) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn == nil {
		return false, errors.New("no session")
	}
	if m.sinceBeat() < m.o.cfg.Lease/6 {
		return m.known(ctx)
	}
	return m.prolong(ctx, "")
}

// known reports whether the process's row is there. It asks on the process's session, so that the loss of that is noticed
// at each tick, and writes nothing.
func (m *member) known(ctx context.Context) (known bool, err error) {
	err = m.conn.QueryRowContext(ctx, m.o.store.sql(`SELECT EXISTS (SELECT 1 FROM bus_processes WHERE id = ?)`), m.o.id()).Scan(&known)
	return known, err
}

// inherit takes over what processes left that are dead or hang.
func (m *member) inherit(ctx context.Context) error {
	others, err := m.o.store.processes(ctx, m.o.id())
	if err != nil {
		return err
	}
	if m.left(others) {
		m.o.poller.checkAll.Store(true)
	}
	took := false
	before, lost := m.free, m.lost()
	m.free = make(map[int64]bool)
	for _, other := range others {
		if other.old {
			m.oldUntil = time.Now().Add(m.o.cfg.Lease)
		}
		if !other.expired {
			m.free[other.lock] = other.free && !lost
			if !m.free[other.lock] || !before[other.lock] {
				continue
			}
		}
		gone, n, err := m.o.store.takeOver(ctx, other)
		if err != nil {
			return err
		}
		if !gone {
			continue
		}
		m.o.log.Info("took over from another process", zap.String("process", other.id), zap.Int64("deliveries", n), zap.Bool("hangs", other.expired))
		took = true
	}
	n, err := m.takeOrphans(ctx, took)
	if took || n > 0 {
		for _, l := range m.o.lanes {
			m.o.poller.open(l, 0)
		}
	}
	if took || n > 0 || time.Now().Before(m.oldUntil) {
		m.o.poller.checkAll.Store(true)
	}
	return err
}

// left reports whether one of the processes that were known at the last look is not known any more. It has stopped, maybe right
// after the end of a delivery and before it looked for the next one of the key; or another process has taken it over, which may
// stop in its turn before it has looked at all that is behind.
func (m *member) left(others []process) bool {
	before := m.others
	m.others = make(map[string]bool, len(others))
	for _, other := range others {
		m.others[other.id] = true
		delete(before, other.id)
	}
	return len(before) > 0
}

// lost reports whether this process has no session of its own. When Postgres is restarted all lose theirs: nobody is then
// taken for dead who may only be slower to take a new one.
func (m *member) lost() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.conn == nil
}

// leave makes the process unknown; its deliveries have been given back.
func (m *member) leave(ctx context.Context) {
	if !m.o.store.postgres {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, _, err := m.o.store.takeOver(ctx, process{id: m.o.id(), lock: m.lock}); err != nil {
		m.o.log.Warn("process not signed off; others take over when its session ends", zap.Error(err))
	}
	m.dropConn()
}
