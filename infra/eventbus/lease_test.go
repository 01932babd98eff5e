package eventbus_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// When Postgres restarts, all sessions end. A process that still lives keeps its deliveries. No delivery runs twice at the same time, here
// or in another process.
func TestALostSessionTakesNothingOver(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	cfg := settings()
	cfg.Poll = time.Second
	var runs seen[[2]int64] // id and attempt
	begun, gate := make(chan struct{}, 100), make(chan struct{})
	handler := func(b *app.Boot) {
		b.Publishes(Made{})
		b.Subscribe(app.On(func(ctx context.Context, e Made) error {
			d, _ := app.DeliveryFrom(ctx)
			runs.add([2]int64{e.ID, int64(d.Attempt)})
			begun <- struct{}{}
			<-gate
			return nil
		}))
	}
	here, there := start(t, at, cfg, handler), start(t, at, cfg, handler)
	here.publish(Made{ID: 1, Group: "k"})
	here.publish(Made{ID: 2, Group: "k"})
	receive(t, begun)

	type process struct {
		id   string
		lock int64
	}
	processes := func() (all []process) {
		rows, err := here.db.QueryContext(t.Context(), "SELECT id, lock_key FROM bus_processes ORDER BY id")
		require.NoError(t, err)
		defer func() { require.NoError(t, rows.Close()) }()
		for rows.Next() {
			var p process
			require.NoError(t, rows.Scan(&p.id, &p.lock))
			all = append(all, p)
		}
		return all
	}
	before := processes()
	require.Len(t, before, 2)
	_, err := here.db.ExecContext(t.Context(), `SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN bus_processes p
		ON l.locktype = 'advisory' AND ((l.classid::bigint << 32) | l.objid::bigint) = p.lock_key`)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		now := processes()
		return len(now) == 2 && now[0].lock != before[0].lock && now[1].lock != before[1].lock
	}, 20*time.Second, 20*time.Millisecond)
	after := processes()
	require.Equal(t, []string{before[0].id, before[1].id}, []string{after[0].id, after[1].id})
	close(gate)
	here.idle()
	there.idle()
	require.Equal(t, [][2]int64{{1, 1}, {2, 1}}, runs.all())
}

// A timeout ends a run even when every connection is in use. Such runs may be the ones that use them.
func TestATimeoutNeedsNoConnection(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	ended := make(chan struct{})
	r := start(t, at, settings(), publishes(Note{}), subscribes(app.On(func(ctx context.Context, _ Note) error {
		<-ctx.Done()
		close(ended)
		return nil
	}), app.Timeout(time.Second)))
	r.publish(Note{ID: 1})
	const conns = 7 // of the 8, one is the session's
	held, done := make(chan struct{}, conns), make(chan error, conns)
	free := make(chan struct{})
	for range conns {
		go func() {
			done <- r.db.InTx(t.Context(), func(ctx context.Context) error {
				_, err := r.db.ExecContext(ctx, "SELECT 1")
				held <- struct{}{}
				<-free
				return err
			})
		}()
	}
	for range conns {
		receive(t, held)
	}
	select {
	case <-ended:
	case <-time.After(6 * time.Second): // a statement waits for a connection for ten
		t.Error("the run was not ended")
	}
	close(free)
	for range conns {
		require.NoError(t, receive(t, done))
	}
}

// A process renewed its lease at each poll. So each idle replica made a commit each second, which waits for the disk. Now it only checks at
// each poll that its row exists, and renews the lease six times in a lease.
func TestALeaseIsNotRenewedAtEachPoll(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	cfg := settings()
	start(t, at, cfg, publishes(Note{}))
	begin, db := time.Now(), openAt(t, at)
	looks, renewals, lastLook, lastRenewal := 0, 0, int64(0), int64(0)
	for looks < 40 {
		rows, err := db.QueryContext(t.Context(), `SELECT (extract(epoch FROM a.query_start) * 1000000)::bigint, p.lease_until FROM bus_processes p
			JOIN pg_locks l ON l.locktype = 'advisory' AND ((l.classid::bigint << 32) | l.objid::bigint) = p.lock_key
			JOIN pg_stat_activity a ON a.pid = l.pid`)
		require.NoError(t, err)
		var look, renewal int64
		require.True(t, rows.Next())
		require.NoError(t, rows.Scan(&look, &renewal))
		require.NoError(t, rows.Close())
		if look != lastLook {
			lastLook = look
			looks++
		}
		if renewal != lastRenewal {
			lastRenewal = renewal
			renewals++
		}
	}
	require.LessOrEqual(t, renewals, 2+int(time.Since(begin)/(cfg.Lease/6)))
}

// With fewer renewals the lease does not run out: nobody takes over from a process that lives.
func TestALeaseIsKeptByItsRenewals(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	cfg := settings()
	cfg.Lease = 6 * time.Second
	start(t, at, cfg, publishes(Note{}))
	start(t, at, cfg, publishes(Note{}))
	db := openAt(t, at)
	process := func() (id string, until int64) {
		rows, err := db.QueryContext(t.Context(), `SELECT id, lease_until FROM bus_processes ORDER BY id LIMIT 1`)
		require.NoError(t, err)
		defer func() { require.NoError(t, rows.Close()) }()
		require.True(t, rows.Next())
		require.NoError(t, rows.Scan(&id, &until))
		return id, until
	}
	before, first := process()
	require.Eventually(t, func() bool {
		_, until := process()
		return until > first+cfg.Lease.Milliseconds()
	}, time.Minute, 50*time.Millisecond)
	after, _ := process()
	require.Equal(t, before, after)
	require.EqualValues(t, 2, number(t, db, `SELECT COUNT(*) FROM bus_processes`))
}
