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

// Replica is this process among those that share the database. On SQLite it is the only one. On Postgres it has a row with a
// lease, and a session that holds an advisory lock. The others take its deliveries over in two cases. When they find the lock free
// at two looks, a tick apart, the process has died. When the lease has run out, it hangs. A process that has only lost its
// session, as all do when Postgres restarts, takes a new one within that tick and goes on. A process that was taken over finds
// out at its next renewal, or when its lease has run out, and joins anew; it can complete none of its old claims.
//
// Its methods may be called concurrently, but for Join, Run and Leave.
type Replica struct {
	cfg    config.Events
	store  store.Replicas
	log    *zap.Logger
	events Events
	// id is the id under which this process claims.
	id atomic.Pointer[string]
	// beat is when the lease was last renewed, on this process's clock.
	beat atomic.Pointer[time.Time]
	// joined tells that the process has been known to the others.
	joined atomic.Bool
	// free are the locks of other processes that were found free once. others are the ids of those that were known at the last
	// look.
	free   map[int64]bool
	others map[string]bool
	// oldUntil is until when OthersLeft is called at each tick, since a process of an older version was seen.
	oldUntil time.Time
	// orphans says when to look for claims of unknown processes.
	orphans orphanClock

	mu   sync.Mutex
	conn *sql.Conn
	// lock is the advisory lock that conn holds.
	lock int64
}

// Events tell the outbox what happens among the replicas. Run calls them, one at a time.
type Events struct {
	// Seen marks the subscriptions of this process as in use.
	Seen func(ctx context.Context) error
	// Lost is called when another process has taken this one over, before it joins anew: what has not begun is the other's.
	Lost func()
	// Claimable is called when deliveries of another process have become open.
	Claimable func()
	// OthersLeft is called when a process has gone, perhaps between the end of a delivery and the look for the next one of its key.
	OthersLeft func()
}

// New returns this process, which nobody knows before Join.
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

// Join makes the process known to the others and takes over what dead ones left.
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

// resume takes a new session in the place of one that was lost, and reports whether nobody has taken this process over
// meanwhile: then all it has claimed is still its own.
func (r *Replica) resume(ctx context.Context) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.openSession(ctx); err != nil {
		return false, err
	}
	return r.prolong(ctx, `lock_key = ?, `, r.lock)
}

// prolong renews the lease in the process's row, and what set says besides. It returns false when the row is gone.
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

// openSession takes a new session with a lock of its own. The number is random: all schemas of the
// database share these locks, and the lost session may still hold the old one.
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
		_ = r.conn.Raw(func(any) error { return driver.ErrBadConn }) // the session ends, and the lock with it
		_ = r.conn.Close()
		r.conn = nil
	}
}

// Run renews the lease and takes over from the others until ctx is done. While stopping is true it does nothing.
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

// renew keeps the lease, with another session if this one is lost. When another process has taken this one for dead, it
// joins anew.
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

// extend renews the lease when a sixth of it has passed. Before that it only asks whether the row is there. Each renewal is a commit that waits for the disk of the
// database: six in a lease are enough to keep it. Both report whether the process's row is there.
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

// isKnown reports whether the process's row is there. It asks on the process's session, so that the loss of that is noticed
// at each tick, and writes nothing.
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

// someLeft reports whether a process that was known at the last look is known no more: it has stopped, or another process has
// taken it over, which may stop in its turn.
func (r *Replica) someLeft(others []store.Replica) bool {
	before := r.others
	r.others = make(map[string]bool, len(others))
	for _, other := range others {
		r.others[other.ID] = true
		delete(before, other.ID)
	}
	return len(before) > 0
}

// lost reports whether this process has no session of its own. When Postgres is restarted all lose theirs: so a
// process that is only slower to take a new one is not taken for dead.
func (r *Replica) lost() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conn == nil
}

// Leave makes the process unknown to the others. Its deliveries have been given back before.
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
