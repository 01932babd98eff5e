package eventbus_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/database"
)

// Replicas share a Postgres. Here they are two buses of one process; the crash suite kills and stops real ones.
func TestReplicasKeepTheOrderOfAKeyAndEffectsOnce(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	at := newSchema(t)
	cfg := settings()
	cfg.Buffer = 16
	var replicas []*rig
	prepareEffects(t, at)
	for range 2 {
		var r *rig
		r = start(t, at, cfg, publishes(Made{}), subscribes(app.OnTx(func(ctx context.Context, e Made) error {
			_, err := r.db.ExecContext(ctx, "INSERT INTO effects (grp, id) VALUES ($1, $2)", e.Group, e.ID)
			return err
		})))
		replicas = append(replicas, r)
	}
	const keys, each = 5, 60
	done := make(chan struct{}, keys)
	for k := range keys {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range each { // one publisher per key, that changes replicas from event to event
				replicas[i%2].publish(Made{ID: int64(i), Group: fmt.Sprint(k)})
			}
		}()
	}
	for range keys {
		<-done
	}
	for _, r := range replicas {
		r.idle()
	}
	requireInOrder(t, replicas[0].db, keys, each)
}

func prepareEffects(t *testing.T, at site) {
	t.Helper()
	db := openAt(t, at)
	_, err := db.ExecContext(t.Context(), "CREATE TABLE effects (n BIGINT GENERATED ALWAYS AS IDENTITY, grp TEXT, id BIGINT)")
	require.NoError(t, err)
}

func requireInOrder(t *testing.T, db *database.DB, keys, each int) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT grp, id FROM effects ORDER BY n")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	next := make(map[string]int64)
	for rows.Next() {
		var group string
		var id int64
		require.NoError(t, rows.Scan(&group, &id))
		require.Equal(t, next[group], id, "group %s", group)
		next[group]++
	}
	require.NoError(t, rows.Err())
	require.Len(t, next, keys)
	for group, n := range next {
		require.EqualValues(t, each, n, "group %s", group)
	}
}

func TestTheClaimsOfADeadProcessAreTakenOverAtOnce(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	cfg := settings() // the lease is 30 s
	var second seen[int64]
	r1 := start(t, at, cfg, publishes(Note{}), subscribes(app.On(func(ctx context.Context, _ Note) error {
		<-ctx.Done()
		return ctx.Err()
	}), app.Concurrency(1)))
	for i := range 10 {
		r1.publish(Note{ID: int64(i)})
	}
	r1.dead = true
	require.NoError(t, r1.db.Close(t.Context()))
	_, err := openAt(t, at).ExecContext(t.Context(), `SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN bus_processes p
		ON l.locktype = 'advisory' AND ((l.classid::bigint << 32) | l.objid::bigint) = p.lock_key`)
	require.NoError(t, err) // its sessions have ended, as with the process

	r2 := start(t, at, cfg, publishes(Note{}), subscribes(app.On(func(_ context.Context, e Note) error { second.add(e.ID); return nil })))
	begin := time.Now()
	r2.idle()
	require.Less(t, time.Since(begin), 15*time.Second)
	require.ElementsMatch(t, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, second.all())
}

// A process dies during a commit. Its claims of this commit appear after others have taken over its deliveries, and waited for the lease.
func TestClaimsCommittedAfterTheTakeoverAreTakenSoon(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	var got seen[int64]
	r := start(t, at, settings(), publishes(Note{}), subscribes(app.On(func(_ context.Context, e Note) error { // the lease is 30 s
		got.add(e.ID)
		return nil
	})))
	r.publish(Note{ID: 1}, app.Delay(time.Hour))
	_, err := r.db.ExecContext(t.Context(), `UPDATE bus_deliveries SET state = 'running', owner = 'gone', token = 1, attempts = 1,
		due_at = moment.at, claimed_at = moment.at FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS at) moment`)
	require.NoError(t, err)
	limit, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	require.NoError(t, r.bus.Idle(limit))
	require.Equal(t, []int64{1}, got.all())
}

// A process hangs in the middle of a transaction and has locked rows of its deliveries. Others could take over none of its deliveries until
// the database ended its session, a minute later.
func TestATransactionThatHangsDoesNotKeepTheRestFromBeingTakenOver(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	var got seen[int64]
	r := start(t, at, settings(), publishes(Note{}), subscribes(app.On(func(_ context.Context, e Note) error {
		got.add(e.ID)
		return nil
	})))
	r.publish(Note{ID: 1}, app.Delay(time.Hour))
	r.publish(Note{ID: 2}, app.Delay(time.Hour))
	other := openAt(t, at)
	do := func(ctx context.Context, statement string) {
		_, err := other.ExecContext(ctx, statement)
		require.NoError(t, err)
	}
	// The claims have a time in the future, so that they are not old enough to be orphans.
	do(t.Context(), `UPDATE bus_deliveries SET state = 'running', owner = 'hangs', token = 1, attempts = 1, due_at = 0, claimed_at = due_at`)
	require.NoError(t, other.InTx(t.Context(), func(ctx context.Context) error {
		do(ctx, `UPDATE bus_deliveries SET claimed_at = 0 WHERE event_id = (SELECT MIN(event_id) FROM bus_deliveries)`)
		_, err := r.db.ExecContext(t.Context(), `INSERT INTO bus_processes (id, lock_key, seen_at, lease_until) VALUES ('hangs', -1, 0, 0)`)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return len(got.all()) == 1 }, 5*time.Second, time.Millisecond)
		return nil
	}))
	r.idle()
	require.Equal(t, []int64{2, 1}, got.all())
}

// Each publication looks for subscriptions of its topic that only other versions have. It must use an index and not read all of them.
func TestAnEventDoesNotLookAtTheSubscriptionsOfOtherTopics(t *testing.T) {
	t.Parallel()
	r := start(t, newSchema(t), settings(), publishes(Made{}))
	ctx := t.Context()
	_, err := r.db.ExecContext(ctx, `INSERT INTO bus_subscriptions SELECT 's' || i, 't' || i, 'p', 'active', 0, 0 FROM generate_series(1, 2000) i`)
	require.NoError(t, err)
	_, err = r.db.ExecContext(ctx, "ANALYZE bus_subscriptions")
	require.NoError(t, err)
	rows, err := r.db.QueryContext(ctx, "EXPLAIN SELECT name FROM bus_subscriptions WHERE topic = 't7' AND state = 'active'")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	plan := ""
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		plan += line + "\n"
	}
	require.NoError(t, rows.Err())
	require.Contains(t, plan, "bus_subscriptions_topic")
}

// A version without a durable subscription of a topic does not store the topic's events, as long as no other version has one either. When
// another version with such a subscription has started, no event is missed any more.
func TestANewSubscriptionGetsWhatOthersPublish(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	cfg := settings()
	cfg.Poll = 500 * time.Millisecond
	old := start(t, at, cfg, publishes(Note{}), subscribes(app.On(func(context.Context, Note) error { return nil }), app.Volatile()))
	old.publish(Note{ID: -1})
	var got seen[int64]
	young := start(t, at, cfg, publishes(Note{}), subscribes(app.On(func(_ context.Context, e Note) error { got.add(e.ID); return nil })))
	var want []int64
	for i := range int64(50) {
		old.publish(Note{ID: i})
		want = append(want, i)
	}
	young.idle()
	require.ElementsMatch(t, want, got.all())
}
