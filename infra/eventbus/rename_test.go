package eventbus_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"plugboard/infra/eventbus/admin"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// office is the state that all versions of a renamed service share: the database, the published events and their effects.
type office struct {
	t    *testing.T
	at   site
	next [4]int64
	// heard has the events that the subscription without transaction has handled.
	heard seen[int64]
}

func newOffice(t *testing.T, at site) *office {
	t.Helper()
	key := "INTEGER PRIMARY KEY"
	if at.name == "postgres" {
		key = "BIGINT GENERATED ALWAYS AS IDENTITY"
	}
	db := openAt(t, at)
	_, err := db.ExecContext(t.Context(), "CREATE TABLE effects (n "+key+", name TEXT, id BIGINT)")
	require.NoError(t, err)
	require.NoError(t, db.Close(t.Context()))
	return &office{t: t, at: at}
}

// version starts a version of the service. Names are the names of its two subscriptions. Each of formerly has a former name of both.
func (o *office) version(names [2]string, formerly ...[2]string) *rig {
	o.t.Helper()
	cfg := settings()
	cfg.Buffer = 8 // so that many deliveries wait in the database
	var r *rig
	work := func(ctx context.Context, e MadeRead) error {
		d, _ := app.DeliveryFrom(ctx)
		_, err := r.db.ExecContext(ctx, fmt.Sprintf("INSERT INTO effects (name, id) VALUES ('%s', %d)", d.Subscription, e.ID))
		return err
	}
	hear := func(_ context.Context, e MadeRead) error { o.heard.add(e.ID); return nil }
	var once, plain []string
	for _, f := range formerly {
		once, plain = append(once, f[0]), append(plain, f[1])
	}
	r = prepare(o.t, o.at, cfg, publishes(Made{}),
		subscribes(app.OnTx(work), app.Named(names[0]), app.Formerly(once...)),
		subscribes(app.On(hear), app.Named(names[1]), app.Formerly(plain...)))
	require.NoError(o.t, r.bus.Start(o.t.Context()))
	return r
}

// load starts a publisher for each key. Each publishes n events, and takes the next of the rigs for each event.
func (o *office) load(n int, rigs ...*rig) {
	o.t.Helper()
	var publishers sync.WaitGroup
	for key := range o.next {
		publishers.Go(func() {
			for range n {
				id := o.next[key]*int64(len(o.next)) + int64(key)
				err := rigs[int(o.next[key])%len(rigs)].bus.For("p0").Publish(o.t.Context(), Made{ID: id, Group: fmt.Sprint(key)})
				if err != nil {
					o.t.Errorf("publish: %v", err)
					return
				}
				o.next[key]++
			}
		})
	}
	publishers.Wait()
}

// judge checks that each event took effect once and was handled once, and in order.
func (o *office) judge(r *rig) {
	o.t.Helper()
	r.idle()
	var effects []int64
	for _, text := range texts(o.t, r, "SELECT CAST(id AS TEXT) FROM effects ORDER BY n") {
		var id int64
		_, err := fmt.Sscan(text, &id)
		require.NoError(o.t, err)
		effects = append(effects, id)
	}
	for what, ids := range map[string][]int64{"effects": effects, "heard": o.heard.all()} {
		want := make(map[int64]int64)
		for _, id := range ids {
			key := id % int64(len(o.next))
			require.Equal(o.t, want[key], id/int64(len(o.next)), "%s of key %d", what, key)
			want[key]++
		}
		for key, n := range o.next {
			require.Equal(o.t, n, want[int64(key)], "%s of key %d", what, key)
		}
	}
	require.Zero(o.t, number(o.t, r.db, "SELECT COUNT(*) FROM bus_deliveries"))
}

// After the rollback of a rename, the deliveries of the new version's events belonged to an orphan. After a repair, effects of OnTx
// happened twice, since an event that was handled under one name was handled again under the other name.
func TestARenameIsRolledForwardBackAndForwardUnderLoad(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		o := newOffice(t, at)
		first, second := [2]string{"mail", "calls"}, [2]string{"letters", "rings"}
		for range 3 {
			r := o.version(first)
			o.load(30, r)
			require.Len(t, subscriptions(t, r.bus.Admin("x")), 2)
			leave(t, r)
			r = o.version(second, first)
			o.load(30, r)
			leave(t, r)
		}
		r := o.version(second) // the rename is over
		o.load(10, r)
		leave(t, r)
		r = o.version([2]string{"post", "bells"}, second, first)
		o.load(10, r)
		o.judge(r)
		require.Equal(t, map[string]string{"post": "active 0/0/0", "bells": "active 0/0/0"}, subscriptions(t, r.bus.Admin("x")))
	})
}

// In a rolling deploy, and in its rollback, both versions run at the same time. Each event was then handled under both names.
func TestVersionsWithDifferentNamesShareASubscription(t *testing.T) {
	t.Parallel()
	o := newOffice(t, newSchema(t))
	first, second := [2]string{"mail", "calls"}, [2]string{"letters", "rings"}
	versions := []func() *rig{
		func() *rig { return o.version(second, first) }, func() *rig { return o.version(first) }, // the new one is the first of all
	}
	current := versions[0]()
	for i := range 4 {
		o.load(20, current)
		next := versions[(i+1)%2]()
		o.load(20, current, next)
		leave(t, current)
		current = next
	}
	o.judge(current)
	require.Len(t, subscriptions(t, current.bus.Admin("x")), 2)
	names := texts(t, current, "SELECT DISTINCT name FROM effects")
	slices.Sort(names)
	require.Equal(t, []string{"letters", "mail"}, names, "both have worked")
}

// A version comes back after its events were adopted, and a later version has both names. Both versions handle their events.
func TestAnAdoptionIsAnotherNameUntilAVersionHasBoth(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got, other seen[int64]
		r := start(t, at, settings(), publishes(Note{}), mails(&got))
		r.publish(Note{ID: 1}, app.Delay(time.Hour))
		leave(t, r)
		r = start(t, at, settings(), publishes(Note{}), letters(&other))
		require.NoError(t, r.bus.Admin("x").Adopt(t.Context(), "mail", "letters"))
		r.publish(Note{ID: 2}, app.Delay(time.Hour))
		leave(t, r)

		r = start(t, at, settings(), publishes(Note{}), mails(&got)) // the first version again
		require.Equal(t, map[string]string{"mail": "active 2/0/0"}, subscriptions(t, r.bus.Admin("x")))
		r.publish(Note{ID: 3}, app.Delay(time.Hour))
		leave(t, r)

		r = start(t, at, settings(), publishes(Note{}), mails(&got), letters(&other)) // both: two subscriptions
		require.Equal(t, map[string]string{"mail": "active 3/0/0", "letters": "active 0/0/0"}, subscriptions(t, r.bus.Admin("x")), "what was last in use has what waits")
		r.publish(Note{ID: 4})
		_, err := r.db.ExecContext(t.Context(), "UPDATE bus_deliveries SET due_at = 0 WHERE state = 'pending'")
		require.NoError(t, err)
		r.idle()
		require.ElementsMatch(t, []int64{1, 2, 3, 4}, got.all())
		require.Equal(t, []int64{4}, other.all())
	})
}

// Older versions did not know that two names belong to one subscription. A rollback left two subscriptions in the database: the new name,
// which was an orphan, and the old one. The operator repairs this, and each state in between, with the commands alone.
func TestAnOperatorRepairsWhatARollbackLeft(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var got seen[int64]
		leave(t, start(t, at, settings(), publishes(Note{}), mails(&got)))
		r := prepare(t, at, settings(), publishes(Note{}), mails(&got))
		ops := r.bus.Admin("x")
		do := func(statement string) {
			_, err := r.db.ExecContext(t.Context(), statement)
			require.NoError(t, err)
		}
		ctx := t.Context()

		// The old name is marked as another name of the new one, but no process has the new one.
		insert(t, r, "note.taken", "letters", `{"id":7}`)
		do("UPDATE bus_subscriptions SET state = 'retired', adopted_by = 'letters' WHERE name = 'mail'")
		require.Equal(t, map[string]string{"letters": "retired 1/0/0", "mail": "retired 0/0/0"}, subscriptions(t, ops))
		require.NoError(t, ops.Adopt(ctx, "letters", "mail"))
		require.Equal(t, map[string]string{"mail": "active 1/0/0"}, subscriptions(t, ops))

		require.NoError(t, r.bus.Start(ctx))
		r.idle()
		require.Equal(t, []int64{7}, got.all())
		require.Equal(t, map[string]string{"mail": "active 0/0/0"}, subscriptions(t, ops))
		r.stop()

		// An orphan has deliveries in each state. The operator discards the waiting ones.
		do("UPDATE bus_subscriptions SET adopted_by = '', state = 'active' WHERE name = 'letters'")
		do("DELETE FROM bus_events")
		insert(t, r, "note.taken", "letters", `{"id":8}`)
		require.Equal(t, "active orphan 1/0/0", subscriptions(t, ops)["letters"])
		_, err := ops.Discard(ctx, admin.Filter{Subscription: "mail", State: "pending"})
		require.Equal(t, app.Conflict, app.CodeOf(err))
		_, err = ops.Discard(ctx, admin.Filter{Subscription: "post", State: "pending"})
		require.Equal(t, app.NotFound, app.CodeOf(err))
		do("UPDATE bus_subscriptions SET seen_at = 9999999999999 WHERE name = 'letters'")
		_, err = ops.Discard(ctx, admin.Filter{Subscription: "letters", State: "pending"})
		require.ErrorContains(t, err, `subscription "letters" was in use 0s ago by a process of another version; stop that one, and wait for 30s`)
		do("UPDATE bus_subscriptions SET seen_at = 0 WHERE name = 'letters'")
		require.NoError(t, ops.Retire(ctx, "letters"))
		n, err := ops.Discard(ctx, admin.Filter{Subscription: "letters", State: "pending"})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, "retired 0/0/0", subscriptions(t, ops)["letters"])
		require.Zero(t, number(t, r.db, "SELECT COUNT(*) FROM bus_deliveries"))
	})
}

// While both versions of a renamed schedule ran, it ran at each of its times under both names.
func TestARenamedScheduleHasOneRow(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	runs := make(chan app.Due, 100)
	first := start(t, at, settings(), schedules("@monthly", app.On(sends(runs))))
	second := start(t, at, settings(), schedules("@monthly", app.On(sends(runs)), app.Named("reports"), app.Formerly(p0Schedule)))
	for _, r := range []*rig{first, second} {
		info, err := r.bus.Admin("test").Schedules(t.Context())
		require.NoError(t, err)
		require.NotZero(t, info[0].Next)
	}
	longAgo(t, first.db, time.Now().AddDate(0, -1, 0))
	require.NoError(t, second.bus.Admin("test").Run(t.Context(), "reports"))
	receive(t, runs)
	first.idle()
	require.Equal(t, int64(1), number(t, first.db, "SELECT COUNT(*) FROM bus_schedules"))
}
