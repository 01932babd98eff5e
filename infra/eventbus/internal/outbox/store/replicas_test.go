package store

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// addReplica stores a process whose lease ends in some milliseconds from now.
func (r rig) addReplica(id string, lock, lease int64) {
	r.t.Helper()
	r.do("INSERT INTO bus_processes (id, lock_key, seen_at, lease_until, keeps_behind) VALUES (?, ?, {now}, {now} + ?, TRUE)", id, lock, lease)
}

func TestReclaimAllTakesEveryClaimBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r rig) {
		r.add("running", "state = 'running', owner = 'a', token = 5, ends = 1, alone = 1")
		r.add("pending", "")
		r.add("dead", "state = 'dead'")
		r.add("crashing", "state = 'running', owner = 'a', ends = 32767")
		n, err := r.Replicas().ReclaimAll(r.ctx())
		require.NoError(t, err)
		require.Equal(t, int64(2), n)
		require.Equal(t, "pending #6 try 1 crashes 2/1 behind 0", r.see("running"))
		require.Equal(t, "pending #2 try 1 crashes 32767/0 behind 0", r.see("crashing"), "the column holds no more")
		require.Equal(t, "pending #1 try 1 crashes 0/0 behind 0", r.see("pending"))
		require.Equal(t, "dead #1 try 1 crashes 0/0 behind 0", r.see("dead"))
	})
}

func TestOthersTellsWhoseLeaseAndLockAreFree(t *testing.T) {
	t.Parallel()
	r := onPostgres(t)
	free, held := time.Now().UnixNano(), -time.Now().UnixNano() // of this test alone; both halves of the key count
	r.addReplica("me", 1, 60000)
	r.addReplica("lives", held, 60000)
	r.addReplica("died", free, 60000)
	r.addReplica("hangs", held, -1)
	r.do("UPDATE bus_processes SET keeps_behind = FALSE WHERE id = 'hangs'")
	conn, err := r.DB.Conn(r.ctx())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = conn.ExecContext(r.ctx(), "SELECT pg_advisory_lock($1)", held)
	require.NoError(t, err)
	all, err := r.Replicas().Others(r.ctx(), "me")
	require.NoError(t, err)
	require.ElementsMatch(t, []Replica{
		{ID: "lives", LockKey: held}, {ID: "died", LockKey: free, LockFree: true}, {ID: "hangs", LockKey: held, LeaseExpired: true, Outdated: true},
	}, all)
	_, err = conn.ExecContext(r.ctx(), "SELECT pg_advisory_unlock($1)", held)
	require.NoError(t, err)
}

// A process looked dead, and then renewed its lease or came back with another lock. It keeps its deliveries.
func TestTakeOverSparesAReplicaThatHasShownItself(t *testing.T) {
	t.Parallel()
	r := onPostgres(t)
	r.add("e", "state = 'running', owner = 'b', token = 5")
	for name, c := range map[string]struct {
		lease int64
		seen  Replica
		gone  bool
	}{
		"its lease has run out":     {-1, Replica{ID: "b", LockKey: 7, LeaseExpired: true}, true},
		"it has renewed its lease":  {60000, Replica{ID: "b", LockKey: 7, LeaseExpired: true}, false},
		"its lock is free":          {60000, Replica{ID: "b", LockKey: 7, LockFree: true}, true},
		"it has another lock":       {60000, Replica{ID: "b", LockKey: 8, LockFree: true}, false},
		"another was faster":        {60000, Replica{ID: "c", LockKey: 7, LockFree: true}, false},
		"it signs off":              {60000, Replica{ID: "b", LockKey: 7}, true},
		"it signs off while hanged": {-1, Replica{ID: "b", LockKey: 7}, true},
	} {
		r.do("DELETE FROM bus_processes")
		r.do("UPDATE bus_deliveries SET state = 'running', owner = 'b', token = 5, ends = 0")
		r.addReplica("b", 7, c.lease)
		gone, n, err := r.Replicas().TakeOver(r.ctx(), c.seen)
		require.NoError(t, err, name)
		require.Equal(t, c.gone, gone, name)
		if c.gone {
			require.Equal(t, int64(1), n, name)
			require.Equal(t, "pending #6 try 1 crashes 1/0 behind 0", r.see("e"), name)
		} else {
			require.Zero(t, n, name)
			require.Equal(t, "running b#5 try 1 crashes 0/0 behind 0", r.see("e"), name)
		}
	}
}

// A process that hangs in the middle of a transaction holds its row locked. Its other claims are taken over meanwhile.
func TestTakeOverDoesNotWaitForALockedClaim(t *testing.T) {
	t.Parallel()
	r := onPostgres(t)
	r.addReplica("b", 7, -1)
	r.add("locked", "state = 'running', owner = 'b'")
	r.add("free", "state = 'running', owner = 'b'")
	r.inTx(func(ctx context.Context) error {
		_, err := r.Exec(ctx, "SELECT 1 FROM bus_deliveries WHERE event_id = 'locked' FOR UPDATE")
		require.NoError(t, err)
		gone, n, err := r.Replicas().TakeOver(r.ctx(), Replica{ID: "b", LockKey: 7, LeaseExpired: true})
		require.NoError(t, err)
		require.True(t, gone)
		require.Equal(t, int64(1), n)
		return nil
	})
	require.Equal(t, "running b#1 try 1 crashes 0/0 behind 0", r.see("locked"))
	n, err := r.Replicas().ReclaimOrphans(r.ctx(), 0)
	require.NoError(t, err)
	require.Equal(t, int64(1), n, "what was locked is an orphan now")
}

func TestReclaimOrphansLeavesKnownProcessesAndNewClaims(t *testing.T) {
	t.Parallel()
	r := onPostgres(t)
	r.addReplica("known", 7, -1)
	r.add("known's", "state = 'running', owner = 'known'")
	r.add("new", "state = 'running', owner = 'unknown', claimed_at = {now}")
	r.add("old", "state = 'running', owner = 'unknown', claimed_at = {now} - 120000")
	n, err := r.Replicas().ReclaimOrphans(r.ctx(), time.Minute)
	require.NoError(t, err)
	require.Equal(t, int64(1), n)
	require.Equal(t, "pending #2 try 1 crashes 1/0 behind 0", r.see("old"))
}
