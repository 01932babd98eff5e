package store

import (
	"context"
	"database/sql"
	"time"
)

// takeAll opens all claims: on SQLite, those of earlier runs.
func (s Replicas) ReclaimAll(ctx context.Context) (int64, error) {
	return s.Exec(ctx, `UPDATE bus_deliveries SET state = 'pending', owner = '', token = `+nextToken+`, ends = `+oneMoreEnd+` WHERE state = 'running'`)
}

// Replicas has the statements of the processes that share the database.
type Replicas struct{ Store }

// process is another replica.
type Replica struct {
	ID      string
	LockKey int64
	// expired tells that its lease has run out, free that nobody holds its lock, old that it is of a version that does not
	// keep the column behind.
	LeaseExpired, LockFree, Outdated bool
}

// processes lists the other replicas. One statement asks for the locks of all of them.
func (s Replicas) Others(ctx context.Context, except string) ([]Replica, error) {
	var out []Replica
	err := s.Query(ctx, func(r *sql.Rows) error {
		var p Replica
		err := r.Scan(&p.ID, &p.LockKey, &p.LeaseExpired, &p.LockFree, &p.Outdated)
		out = append(out, p)
		return err
	}, `WITH held AS MATERIALIZED (
			SELECT classid::bigint AS high, objid::bigint AS low FROM pg_locks
			WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
		SELECT id, lock_key, lease_until < {now}, NOT EXISTS (SELECT 1 FROM held
			WHERE high = (lock_key >> 32) & 4294967295 AND low = lock_key & 4294967295), NOT keeps_behind
		FROM bus_processes WHERE id <> ?`, except)
	return out, err
}

// openClaims opens the claims that the rest of the statement selects. Those that a transaction has locked are left for
// later: a process that hangs in the middle of one must not hold up the others' work.
const openClaims = `UPDATE bus_deliveries SET state = 'pending', owner = '', token = ` + nextToken + `, ends = ` + oneMoreEnd + ` WHERE (event_id, subscription) IN (
	SELECT event_id, subscription FROM bus_deliveries WHERE state = 'running' AND `

// takeOver removes a process and opens its claims, unless it has shown meanwhile that it lives. Their tokens change, so that
// it can complete none of them any more.
func (s Replicas) TakeOver(ctx context.Context, p Replica) (gone bool, n int64, err error) {
	err = s.DB.InTx(ctx, func(ctx context.Context) error {
		removed, err := s.Exec(ctx, `DELETE FROM bus_processes WHERE id = ? AND lock_key = ? AND (NOT CAST(? AS BOOLEAN) OR lease_until < {now})`,
			p.ID, p.LockKey, p.LeaseExpired)
		if gone = removed == 1; err != nil || !gone {
			return err
		}
		n, err = s.Exec(ctx, openClaims+`owner = ? FOR UPDATE SKIP LOCKED)`, p.ID)
		return err
	})
	return gone, n, err
}

// takeOrphans opens claims of processes that are no longer known.
func (s Replicas) ReclaimOrphans(ctx context.Context, age time.Duration) (int64, error) {
	return s.Exec(ctx, openClaims+`claimed_at < {now} - ? AND owner NOT IN (SELECT id FROM bus_processes) FOR UPDATE SKIP LOCKED)`,
		age.Milliseconds())
}
