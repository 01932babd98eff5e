package replica

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"plugboard/app/apptest/emptydb"
	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus/internal/outbox/store"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/jackc/pgx/v5/pgxpool.(*Pool).backgroundHealthCheck"))
}

// told counts the calls of a replica's Events.
type told struct{ seen, lost, claimable, left int }

// replicaOn returns a replica on db that has not joined.
func replicaOn(db *database.DB) (*Replica, *told) {
	n := &told{}
	return New(config.Events{Lease: time.Hour, Poll: time.Second}, store.New(db).Replicas(), zap.NewNop(), Events{
		Seen: func(context.Context) error { n.seen++; return nil }, Lost: func() { n.lost++ },
		Claimable: func() { n.claimable++ }, OthersLeft: func() { n.left++ },
	}), n
}

// postgres opens a migrated schema of its own.
func postgres(t *testing.T) *database.DB {
	t.Helper()
	return emptydb.Open(t, emptydb.Postgres(t), store.Migrations())
}

// claim stores a delivery that a process has claimed.
func claim(t *testing.T, db *database.DB, id, owner string) {
	t.Helper()
	_, err := store.New(db).Exec(t.Context(), `INSERT INTO bus_deliveries (event_id, subscription, key, seq, state, owner, token, attempts, due_at, claimed_at)
		VALUES (?, 's', '', 0, 'running', ?, 1, 1, 0, 0)`, id, owner)
	require.NoError(t, err)
}

// row returns state, token and crashes of a delivery.
func row(t *testing.T, db *database.DB, id string) (text string) {
	t.Helper()
	r := db.Gorm().WithContext(t.Context()).Raw(`SELECT state || ' ' || token || ' ' || ends FROM bus_deliveries WHERE event_id = ?`, id).Row()
	require.NoError(t, r.Scan(&text))
	return text
}

// loseSession ends the session of r and waits until the server has freed its lock.
func loseSession(t *testing.T, db *database.DB, r *Replica) {
	t.Helper()
	r.dropConn()
	require.Eventually(t, func() bool {
		var held bool
		row := db.Gorm().WithContext(t.Context()).Raw(`SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
			AND classid = (?::bigint >> 32) & 4294967295 AND objid = ?::bigint & 4294967295)`, r.lock, r.lock).Row()
		require.NoError(t, row.Scan(&held))
		return !held
	}, time.Minute, time.Millisecond)
}

func TestOnSQLiteTheNextRunTakesBackAllClaims(t *testing.T) {
	t.Parallel()
	db := emptydb.Open(t, emptydb.SQLite(t), store.Migrations())
	r, _ := replicaOn(db)
	require.False(t, r.Joined())
	require.Empty(t, r.ID())
	claim(t, db, "e1", "an earlier run")
	require.NoError(t, r.Join(t.Context()))
	require.True(t, r.Joined())
	require.NotEmpty(t, r.ID())
	require.True(t, r.Alive())
	require.Equal(t, "pending 2 1", row(t, db, "e1"))
	r.Leave(t.Context())
}

// A process that dies loses its session and its lock. The others take over its deliveries when they see the free lock a second time: at
// the first time, the process may only have lost its connection.
func TestTheDeliveriesOfADeadProcessAreTakenOverAtTheSecondLook(t *testing.T) {
	t.Parallel()
	db := postgres(t)
	dead, _ := replicaOn(db)
	other, told := replicaOn(db)
	require.NoError(t, dead.Join(t.Context()))
	require.NoError(t, other.Join(t.Context()))
	claim(t, db, "e1", dead.ID())
	require.NoError(t, other.takeOver(t.Context()))
	require.NoError(t, other.takeOver(t.Context()))
	require.Equal(t, "running 1 0", row(t, db, "e1"), "it lives")

	loseSession(t, db, dead)
	require.NoError(t, other.takeOver(t.Context()))
	require.Equal(t, "running 1 0", row(t, db, "e1"), "after the first look")
	require.NoError(t, other.takeOver(t.Context()))
	require.Equal(t, "pending 2 1", row(t, db, "e1"), "after the second")
	require.Equal(t, 1, told.claimable)
	require.Positive(t, told.left)
	other.Leave(t.Context())
}

// A process that has only lost its connection opens a new one and keeps its deliveries.
func TestAProcessThatLostItsSessionGoesOn(t *testing.T) {
	t.Parallel()
	db := postgres(t)
	r, told := replicaOn(db)
	other, _ := replicaOn(db)
	require.NoError(t, r.Join(t.Context()))
	require.NoError(t, other.Join(t.Context()))
	id := r.ID()
	claim(t, db, "e1", id)
	r.dropConn()
	require.NoError(t, other.takeOver(t.Context()))
	require.NoError(t, r.renew(t.Context()))
	require.NoError(t, other.takeOver(t.Context()))
	require.NoError(t, other.takeOver(t.Context()))
	require.Equal(t, id, r.ID())
	require.Zero(t, told.lost)
	require.Equal(t, "running 1 0", row(t, db, "e1"))
	r.Leave(t.Context())
	other.Leave(t.Context())
}

// A process that was suspended past its lease begins nothing, finds out that it was taken over, and joins under another id.
func TestAProcessSuspendedPastItsLeaseIsTakenOverAndJoinsAnew(t *testing.T) {
	t.Parallel()
	db := postgres(t)
	hangs, toldHangs := replicaOn(db)
	other, _ := replicaOn(db)
	require.NoError(t, hangs.Join(t.Context()))
	require.NoError(t, other.Join(t.Context()))
	before := hangs.ID()
	claim(t, db, "e1", before)
	past := time.Now().Add(-2 * time.Hour)
	hangs.beat.Store(&past)
	_, err := db.ExecContext(t.Context(), `UPDATE bus_processes SET lease_until = 0 WHERE id = $1`, before)
	require.NoError(t, err)
	require.False(t, hangs.Alive())

	require.NoError(t, other.takeOver(t.Context()))
	require.Equal(t, "pending 2 1", row(t, db, "e1"), "at the first look")
	require.NoError(t, hangs.renew(t.Context()))
	require.Equal(t, 1, toldHangs.lost)
	require.NotEqual(t, before, hangs.ID())
	require.True(t, hangs.Alive())
	hangs.Leave(t.Context())
	other.Leave(t.Context())
}

// When Postgres restarts, all processes lose their sessions. A process without a session takes over from nobody.
func TestAProcessWithoutASessionTakesNobodyForDead(t *testing.T) {
	t.Parallel()
	db := postgres(t)
	a, _ := replicaOn(db)
	b, _ := replicaOn(db)
	require.NoError(t, a.Join(t.Context()))
	require.NoError(t, b.Join(t.Context()))
	claim(t, db, "e1", a.ID())
	loseSession(t, db, a)
	loseSession(t, db, b)
	for range 3 {
		require.NoError(t, b.takeOver(t.Context()))
	}
	require.Equal(t, "running 1 0", row(t, db, "e1"))
	a.Leave(t.Context())
	b.Leave(t.Context())
}

// A process died during a commit, and left a claim after others had taken over its deliveries. The claim becomes pending again.
func TestTheClaimsOfAnUnknownProcessAreOpened(t *testing.T) {
	t.Parallel()
	db := postgres(t)
	claim(t, db, "e1", "nobody knows")
	r, told := replicaOn(db)
	require.NoError(t, r.Join(t.Context()))
	require.Equal(t, "pending 2 1", row(t, db, "e1"))
	require.Equal(t, 1, told.claimable)
	r.Leave(t.Context())
	another, toldAnother := replicaOn(db)
	require.NoError(t, another.Join(t.Context()))
	require.Zero(t, toldAnother.claimable)
	another.Leave(t.Context())
}
