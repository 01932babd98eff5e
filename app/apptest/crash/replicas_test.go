package main

import (
	"context"
	"database/sql"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// lease is the replicas' setting.
	lease = 2 * time.Second
	// holdFor keeps every completing subscriber long enough to be interrupted in the middle, in milliseconds.
	holdFor = 400
	// slowPause is the time between two requests of a client when every event is held.
	slowPause = 400 * time.Millisecond
)

// replica is one of two services on one database.
type replica struct {
	*process
	// id is its id in bus_processes.
	id string
	at *beacon
}

// twoReplicas starts two replicas of the named binary on a Postgres database of their own.
func twoReplicas(t *testing.T, name string, settings ...string) (s *service, db *store, a, b replica) {
	t.Helper()
	p := placeOf(t, "postgres")
	s = newService(t, p, "service", "APP_EVENTS_LEASE="+lease.String(), "APP_DATABASE_MAX_CONNS=12")
	db = look(t, s)
	var ids []string
	join := func() replica {
		r := replica{process: serve(t, s.as(t, name, settings...))}
		now := members(t, db)
		ids = slices.DeleteFunc(now, func(id string) bool { return slices.Contains(ids, id) })
		require.Len(t, ids, 1)
		r.id, r.at = ids[0], shining(r.process)
		return r
	}
	a = join()
	b = join()
	return s, db, a, b
}

// members lists the ids of the replicas that are known.
func members(t *testing.T, db *store) (ids []string) {
	t.Helper()
	err := db.rows(t.Context(), `SELECT id FROM bus_processes`, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	require.NoError(t, err)
	return ids
}

// held lists what a replica has claimed for the subscription that holds its events, but for what its transactions have
// locked, since they are about to complete it.
func held(t *testing.T, db *store, r replica) map[string]bool {
	t.Helper()
	events := make(map[string]bool)
	err := db.rows(t.Context(), `SELECT event_id FROM bus_deliveries WHERE state = 'running' AND subscription = 'completing'
		AND owner = '`+r.id+`' FOR UPDATE SKIP LOCKED`, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		events[id] = true
		return err
	})
	require.NoError(t, err)
	return events
}

// left counts the deliveries that a replica has claimed.
func left(ctx context.Context, db *store, r replica) (int, error) {
	return db.count(ctx, `SELECT COUNT(*) FROM bus_deliveries WHERE state = 'running' AND owner = $1`, r.id)
}

func stopBoth(t *testing.T, a, b replica) {
	t.Helper()
	require.NoError(t, within(t.Context(), patience, a.stop))
	require.NoError(t, within(t.Context(), patience, b.stop))
}

func slowLedger() *probeLedger {
	l := newProbeLedger()
	l.holdMS, l.holdPercent = holdFor, percent
	return l
}

func TestTwoReplicasShareTheWork(t *testing.T) {
	t.Parallel()
	seed, l := seed(t), newProbeLedger()
	s, _, a, b := twoReplicas(t, "service")
	fleet := launch(l, seed, pause, a.at, b.at)
	acks(t, l, 150)
	fleet.stop()
	stopBoth(t, a, b)
	r, err := finishProbe(t.Context(), s, l, replayed(s))
	require.NoError(t, err)
	require.True(t, r.clean(), r)
}

func TestTheOtherReplicaTakesOverFromAKilledOne(t *testing.T) {
	t.Parallel()
	seed, l := seed(t), slowLedger()
	s, db, a, b := twoReplicas(t, "service")
	fleet := launch(l, seed, slowPause, a.at, b.at)
	until(t, "wait for the replica to be at work", func() (bool, error) { return len(held(t, db, a)) >= 2, nil })
	a.kill()
	begin := time.Now()
	a.at.set("")
	until(t, "wait for the takeover", func() (bool, error) {
		n, err := left(t.Context(), db, a)
		return n == 0, err
	})
	took := time.Since(begin)
	t.Logf("taken over %s after the kill, with a lease of %s", took.Round(time.Millisecond), lease)
	require.Less(t, took, lease+time.Second)
	acks(t, l, 10)
	fleet.stop()
	require.NoError(t, within(t.Context(), patience, b.stop))
	r, err := finishProbe(t.Context(), s, l, replayed(s))
	require.NoError(t, err)
	require.True(t, r.clean(), r)
}

// suspend stops replica a in the middle of its handlers until b has done its work, and lets it go on.
func suspend(t *testing.T, db *store, a, b replica, l *probeLedger, seed uint64) {
	t.Helper()
	fleet := launch(l, seed, slowPause, a.at, b.at)
	until(t, "wait for the replica to be at work", func() (bool, error) { return len(held(t, db, a)) >= 3, nil })
	require.NoError(t, a.cmd.Process.Signal(syscall.SIGSTOP))
	a.at.set("")
	stolen := held(t, db, a)
	require.NotEmpty(t, stolen)
	until(t, "wait for the other replica to do its work", func() (bool, error) {
		done := true
		for id := range stolen {
			n, err := db.count(t.Context(), `SELECT COUNT(*) FROM bus_deliveries WHERE event_id = $1 AND subscription = 'completing'`, id)
			if err != nil {
				return false, err
			}
			done = done && n == 0
		}
		return done, nil
	})
	t.Logf("%d deliveries were taken from the suspended replica", len(stolen))
	require.NoError(t, a.cmd.Process.Signal(syscall.SIGCONT))
	until(t, "wait for the suspended replica to join anew", func() (bool, error) {
		now := members(t, db)
		return len(now) == 2 && !slices.Contains(now, a.id), nil
	})
	a.at.set(a.url)
	acks(t, l, 10)
	fleet.stop()
	stopBoth(t, a, b)
}

func TestASuspendedReplicaChangesNothing(t *testing.T) {
	t.Parallel()
	seed, l := seed(t), slowLedger()
	s, db, a, b := twoReplicas(t, "service")
	suspend(t, db, a, b, l, seed)
	r, err := finishProbe(t.Context(), s, l, replayed(s))
	require.NoError(t, err)
	require.True(t, r.clean(), r)
}

// A build that completes deliveries whoever holds them by now lets the suspended replica do its work a second time.
func TestMissingFencingIsFound(t *testing.T) {
	t.Parallel()
	seed, l := seed(t), slowLedger()
	s, db, a, b := twoReplicas(t, "sabotaged", "CRASH_MUTANT=no fencing")
	suspend(t, db, a, b, l, seed)
	r, err := finishProbe(t.Context(), s, l, replayed(s))
	require.NoError(t, err)
	require.True(t, r.has(repeated), r)
}

// recovers waits until the service is ready and has acked another write, and returns how long that took.
func recovers(t *testing.T, p *process, l *probeLedger) time.Duration {
	t.Helper()
	begin, before := time.Now(), l.ackedSoFar()
	until(t, "wait for the service to be ready again", func() (bool, error) {
		return p.healthy(t.Context()) && l.ackedSoFar() > before, nil
	})
	return time.Since(begin)
}

// The service outlives its connections and its Postgres: nothing acked is lost, and it is ready again within five
// seconds.
func TestPostgresGoesAway(t *testing.T) {
	t.Parallel()
	const soon, rounds = 20 * time.Second, 3 // on a machine that does other things, Postgres too takes seconds to serve
	if placeOf(t, "postgres"); testing.Short() {
		t.Skip("starts processes; left out with -short")
	}
	b, err := newBuilder(t.Context(), "")
	require.NoError(t, err)
	ctx := context.WithoutCancel(t.Context())
	own, err := startServer(ctx, b.root, t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, own.stop(ctx)) })

	seed, l := seed(t), newProbeLedger()
	p := &place{postgres: own.url}
	s := newService(t, p, "service", "APP_EVENTS_LEASE="+lease.String())
	db, process := look(t, s), serve(t, s)
	fleet := launch(l, seed, pause, shining(process))
	for range rounds {
		acks(t, l, 20)
		n, err := db.count(ctx, `SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'plugboard'`)
		require.NoError(t, err)
		took := recovers(t, process, l)
		t.Logf("%d connections ended; ready again after %s", n, took.Round(time.Millisecond))
		require.Less(t, took, soon)
	}
	for range rounds {
		acks(t, l, 20)
		require.NoError(t, own.crash(ctx))
		require.NoError(t, own.start(ctx))
		took := recovers(t, process, l)
		t.Logf("Postgres crashed; ready again %s after its return", took.Round(time.Millisecond))
		require.Less(t, took, soon)
	}
	fleet.stop()
	require.NoError(t, within(ctx, patience, process.stop))
	r, err := finishProbe(t.Context(), s, l, replayed(s))
	require.NoError(t, err)
	require.True(t, r.clean(), r)
}
