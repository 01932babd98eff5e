package replica

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

	"github.com/google/uuid"
	"go.uber.org/zap"

	"plugboard/config"
	"plugboard/infra/eventbus/internal/outbox/store"
)

// Replica is this process among the processes that share the database. On SQLite there is no other process. On Postgres it has a row
// with a lease, and a session that holds an advisory lock. Other processes take over its deliveries in two cases. When they find the
// lock free at two looks, a tick apart, the process has died. When the lease has run out, the process hangs. A process that has only
// lost its session (when Postgres restarts, all processes do) opens a new session within a tick and goes on. A process whose deliveries
// were taken over notices it at its next renewal, or when its lease has run out. It then joins anew, and cannot complete any of its
// old claims.
//
// The methods may be called concurrently, except Join, Run and Leave.
type Replica struct {
	cfg    config.Events
	store  store.Replicas
	log    *zap.Logger
	events Events
	// id is the id under which this process claims.
	id atomic.Pointer[string]
	// beat is when the lease was last renewed, on this process's clock.
	beat atomic.Pointer[time.Time]
	// joined is true if Join has succeeded.
	joined atomic.Bool
	// free has the locks of other processes that were free at the last look. others has the ids of the processes at the last look.
	free   map[int64]bool
	others map[string]bool
	// oldUntil is a lease after a process of an older version was last seen. Until then OthersLeft is called at each tick.
	oldUntil time.Time
	// orphans decides when to look for claims of unknown processes.
	orphans orphanClock

	mu   sync.Mutex
	conn *sql.Conn
	// lock is the advisory lock that conn holds.
	lock int64
}

// Events has functions of the outbox. Run and Join call them, one at a time.
type Events struct {
	// Seen marks the subscriptions of this process as in use.
	Seen func(ctx context.Context) error
	// Lost is called when another process has taken over the deliveries of this process, before it joins anew. The deliveries that
	// have not begun do not belong to this process any more.
	Lost func()
	// Claimable is called when deliveries of another process have become pending.
	Claimable func()
	// OthersLeft is called when another process has gone. It may have finished a delivery and not looked for the next one of the key.
	OthersLeft func()
}

// New returns the replica of this process. No other process knows it before Join.
func New(cfg config.Events, store store.Replicas, log *zap.Logger, events Events) *Replica {
	return &Replica{cfg: cfg, store: store, log: log, events: events}
}

// ID returns the id under which this process claims; "" before Join. It changes when the process joins anew.
func (r *Replica) ID() string {
	if id := r.id.Load(); id != nil {
		return *id
	}
	return ""
}

func (r *Replica) newID() string {
	id := uuid.Must(uuid.NewV7()).String()
	r.id.Store(&id)
	return id
}

// Joined reports whether the process has joined.
func (r *Replica) Joined() bool { return r.joined.Load() }

// Alive reports whether the lease has not run out yet, by the clock of this process.
func (r *Replica) Alive() bool { return !r.store.Postgres || r.sinceBeat() < r.cfg.Lease }

// sinceBeat returns how long ago the lease was last renewed. It looks at the time of day too, since the monotonic clock stands
// still while the machine is suspended.
func (r *Replica) sinceBeat() time.Duration {
	now, beat := time.Now(), r.beat.Load()
	if beat == nil {
		return math.MaxInt64
	}
	return max(now.Sub(*beat), now.Round(0).Sub(beat.Round(0)))
}

// Join makes the process known to the others, and takes over the deliveries of dead processes.
func (r *Replica) Join(ctx context.Context) error {
	if !r.store.Postgres {
		r.newID()
		_, err := r.store.ReclaimAll(ctx)
		r.joined.Store(err == nil)
		return err
	}
	if err := r.enter(ctx); err != nil {
		return fmt.Errorf("join the other processes: %w", err)
	}
	return r.takeOver(ctx)
}

func (r *Replica) enter(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if err := r.openSession(ctx); err != nil {
		return err
	}
	_, err := r.conn.ExecContext(ctx, r.store.Text(`INSERT INTO bus_processes (id, lock_key, seen_at, lease_until, keeps_behind)
		VALUES (?, ?, {now}, {now} + ?, TRUE)`), r.newID(), r.lock, r.cfg.Lease.Milliseconds())
	if err != nil {
		r.dropConn()
		return err
	}
	r.joined.Store(true)
	r.beat.Store(&now)
	return nil
}

// resume opens a new session after the old one was lost. It returns false if another process has taken over the deliveries of this
// process meanwhile.
func (r *Replica) resume(ctx context.Context) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.openSession(ctx); err != nil {
		return false, err
	}
	return r.prolong(ctx, `lock_key = ?, `, r.lock)
}

// prolong renews the lease in the process's row. Set is SQL that assigns further columns. It returns false when the row has been deleted.
func (r *Replica) prolong(ctx context.Context, set string, args ...any) (bool, error) {
	now := time.Now()
	result, err := r.conn.ExecContext(ctx, r.store.Text(`UPDATE bus_processes SET `+set+`seen_at = {now}, lease_until = {now} + ? WHERE id = ?`),
		append(args, r.cfg.Lease.Milliseconds(), r.ID())...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 1 {
		r.beat.Store(&now)
	}
	return n == 1, err
}

// openSession opens a new session with a new lock. The number of the lock is random: all schemas of the database share these locks, and
// the lost session may still hold the old lock.
func (r *Replica) openSession(ctx context.Context) error {
	r.dropConn()
	conn, err := r.store.DB.Conn(ctx)
	if err != nil {
		return err
	}
	key := rand.Int64()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, key); err != nil {
		_ = conn.Close()
		return err
	}
	r.conn, r.lock = conn, key
	return nil
}

func (r *Replica) dropConn() {
	if r.conn != nil {
		_ = r.conn.Raw(func(any) error { return driver.ErrBadConn }) // closes the session, which frees the lock
		_ = r.conn.Close()
		r.conn = nil
	}
}

// Run renews the lease and takes over deliveries of dead processes, until ctx is done. While stopping is true it does nothing.
func (r *Replica) Run(ctx context.Context, stopping *atomic.Bool) {
	tick := time.NewTicker(min(r.cfg.Poll, r.cfg.Lease/4))
	defer tick.Stop()
	lastSeen := time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if stopping.Load() {
				continue
			}
			if now.Sub(lastSeen) >= r.cfg.Lease/3 {
				lastSeen = now
				r.try(ctx, "marking the subscriptions as seen failed", r.events.Seen)
			}
			if r.store.Postgres {
				r.try(ctx, "renewal of the lease failed", r.renew)
				r.try(ctx, "takeover from other processes failed", r.takeOver)
			}
		}
	}
}

func (r *Replica) try(ctx context.Context, failure string, fn func(context.Context) error) {
	limit, cancel := context.WithTimeout(ctx, r.cfg.Lease/2)
	defer cancel()
	if err := fn(limit); err != nil && ctx.Err() == nil {
		r.log.Warn(failure, zap.Error(err))
	}
}

// renew renews the lease. It opens a new session if the old one is lost, and joins anew if another process has taken over the deliveries
// of this process.
func (r *Replica) renew(ctx context.Context) error {
	renewed, err := r.extend(ctx)
	if err != nil {
		r.log.Warn("lost the database session that shows that this process lives, opening a new one", zap.Error(err))
		renewed, err = r.resume(ctx)
	}
	if err != nil || renewed {
		return err
	}
	r.log.Warn("another process has taken over the deliveries of this one, which joins anew")
	r.events.Lost()
	return r.enter(ctx)
}

// extend renews the lease when a sixth of it has passed, and before that only checks that the process's row exists. Each renewal is a
// commit that waits for the database's disk, and six renewals in a lease are enough. It returns false if the row does not exist.
func (r *Replica) extend(ctx context.Context) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return false, errors.New("no session")
	}
	if r.sinceBeat() < r.cfg.Lease/6 {
		return r.isKnown(ctx)
	}
	return r.prolong(ctx, "")
}

// isKnown reports whether the process's row exists. It asks on the process's session, so that the process notices at each tick when it
// has lost the session. It writes nothing.
func (r *Replica) isKnown(ctx context.Context) (known bool, err error) {
	err = r.conn.QueryRowContext(ctx, r.store.Text(`SELECT EXISTS (SELECT 1 FROM bus_processes WHERE id = ?)`), r.ID()).Scan(&known)
	return known, err
}

// takeOver takes over the deliveries of processes that are dead or hang.
func (r *Replica) takeOver(ctx context.Context) error {
	others, err := r.store.Others(ctx, r.ID())
	if err != nil {
		return err
	}
	if r.someLeft(others) {
		r.events.OthersLeft()
	}
	took := false
	before, lost := r.free, r.lost()
	r.free = make(map[int64]bool)
	for _, other := range others {
		if other.Outdated {
			r.oldUntil = time.Now().Add(r.cfg.Lease)
		}
		if !other.LeaseExpired {
			r.free[other.LockKey] = other.LockFree && !lost
			if !r.free[other.LockKey] || !before[other.LockKey] {
				continue
			}
		}
		gone, n, err := r.store.TakeOver(ctx, other)
		if err != nil {
			return err
		}
		if !gone {
			continue
		}
		r.log.Info("took over the deliveries of another process", zap.String("process", other.ID), zap.Int64("deliveries", n), zap.Bool("hangs", other.LeaseExpired))
		took = true
	}
	n, err := r.takeOrphans(ctx, took)
	if took || n > 0 {
		r.events.Claimable()
	}
	if took || n > 0 || time.Now().Before(r.oldUntil) {
		r.events.OthersLeft()
	}
	return err
}

// someLeft reports whether a process that existed at the last look does not exist any more. It has stopped, or another process has taken
// over its deliveries.
func (r *Replica) someLeft(others []store.Replica) bool {
	before := r.others
	r.others = make(map[string]bool, len(others))
	for _, other := range others {
		r.others[other.ID] = true
		delete(before, other.ID)
	}
	return len(before) > 0
}

// lost reports whether this process has no session. takeOver then declares no other process dead because of a free lock: when Postgres
// restarts, all processes lose their sessions, and another process may only be slower to open a new one.
func (r *Replica) lost() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conn == nil
}

// Leave removes the process's row. The caller has given its deliveries back before.
func (r *Replica) Leave(ctx context.Context) {
	if !r.store.Postgres {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, _, err := r.store.TakeOver(ctx, store.Replica{ID: r.ID(), LockKey: r.lock}); err != nil {
		r.log.Warn("sign-off of this process failed, others take over when its session ends", zap.Error(err))
	}
	r.dropConn()
}
