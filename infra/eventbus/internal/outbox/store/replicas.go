package store

import (
	"context"
	"time"
)

// Replicas has the statements of the processes that share the database.
type Replicas struct{ Store }

// Replica is a process of the service.
type Replica struct {
	ID string
	// LockKey is the key of the advisory lock that the process holds as long as it lives.
	LockKey int64
	// LeaseExpired is true if its lease has run out. LockFree is true if nobody holds its lock. Outdated is true if its version does
	// not maintain the column behind.
	LeaseExpired, LockFree, Outdated bool
}

// Others lists the other replicas on Postgres. One statement reads the locks of all replicas.
func (s Replicas) Others(ctx context.Context, except string) ([]Replica, error) {
	return List(ctx, s.Store, func(p *Replica) []any { return []any{&p.ID, &p.LockKey, &p.LeaseExpired, &p.LockFree, &p.Outdated} },
		`WITH held AS MATERIALIZED (
			SELECT classid::bigint AS high, objid::bigint AS low FROM pg_locks
			WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
		SELECT id, lock_key, lease_until < {now}, NOT EXISTS (SELECT 1 FROM held
			WHERE high = (lock_key >> 32) & 4294967295 AND low = lock_key & 4294967295), NOT keeps_behind
		FROM bus_processes WHERE id <> ?`, except)
}

// reclaim makes claims pending again; the caller adds the condition.
const reclaim = `UPDATE bus_deliveries SET state = 'pending', owner = '', token = ` + nextToken + `, ends = ` + oneMoreCrash + ` WHERE `

// reclaimWhere is the beginning of a statement that makes claims pending again. The caller adds the condition, {lock free} and a
// closing bracket. With {lock free} the statement skips rows that a transaction has locked, so that a process that hangs in a
// transaction blocks nobody. A later call reclaims these rows.
const reclaimWhere = reclaim + `(event_id, subscription) IN (SELECT event_id, subscription FROM bus_deliveries WHERE state = 'running' AND `

// ReclaimAll makes all claims pending again. On SQLite this process is the only one, and calls it before it claims anything: all
// claims are from earlier runs.
func (s Replicas) ReclaimAll(ctx context.Context) (int64, error) {
	return s.Exec(ctx, reclaim+`state = 'running'`)
}

// TakeOver removes a replica and makes its claims pending again, unless the replica has renewed its lease since p was read. The
// tokens of the claims change, so the replica can complete none of these deliveries any more.
func (s Replicas) TakeOver(ctx context.Context, p Replica) (gone bool, n int64, err error) {
	err = s.DB.InTx(ctx, func(ctx context.Context) error {
		gone, err = s.runOne(ctx, `DELETE FROM bus_processes WHERE id = ? AND lock_key = ? AND (NOT CAST(? AS BOOLEAN) OR lease_until < {now})`,
			p.ID, p.LockKey, p.LeaseExpired)
		if err != nil || !gone {
			return err
		}
		n, err = s.Exec(ctx, reclaimWhere+`owner = ? {lock free})`, p.ID)
		return err
	})
	return gone, n, err
}

// ReclaimOrphans makes claims pending again if they are older than age, and bus_processes has no row for their process.
func (s Replicas) ReclaimOrphans(ctx context.Context, age time.Duration) (int64, error) {
	return s.Exec(ctx, reclaimWhere+`claimed_at < {now} - ? AND owner NOT IN (SELECT id FROM bus_processes) {lock free})`, age.Milliseconds())
}
