package eventbus_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/database"
	"plugboard/infra/eventbus/admin"
)

var errBroken = errors.New("broken")

// effects is a table into which handlers insert rows. It keeps the order of the rows.
type effects struct{ r *rig }

func (r *rig) effects(at site) *effects {
	r.t.Helper()
	number := "INTEGER PRIMARY KEY AUTOINCREMENT"
	if at.name == "postgres" {
		number = "BIGSERIAL PRIMARY KEY"
	}
	_, err := r.db.ExecContext(r.t.Context(), "CREATE TABLE effects (n "+number+", subscription TEXT, key TEXT, id BIGINT)")
	require.NoError(r.t, err)
	return &effects{r}
}

func (e *effects) add(ctx context.Context, key string, id int64) error {
	d, _ := app.DeliveryFrom(ctx)
	_, err := e.r.db.ExecContext(ctx, fmt.Sprintf("INSERT INTO effects (subscription, key, id) VALUES ('%s', '%s', %d)", d.Subscription, key, id))
	return err
}

// all returns the effects of subscription and key, in order.
func (e *effects) all(subscription, key string) (ids []int64) {
	e.r.t.Helper()
	rows, err := e.r.db.QueryContext(e.r.t.Context(),
		fmt.Sprintf("SELECT id FROM effects WHERE subscription = '%s' AND key = '%s' ORDER BY n", subscription, key))
	require.NoError(e.r.t, err)
	defer func() { require.NoError(e.r.t, rows.Close()) }()
	for rows.Next() {
		var id int64
		require.NoError(e.r.t, rows.Scan(&id))
		ids = append(ids, id)
	}
	require.NoError(e.r.t, rows.Err())
	return ids
}

// publishAll publishes events in one transaction, so that their deliveries become ready together.
func (r *rig) publishAll(events ...app.Event) {
	r.t.Helper()
	require.NoError(r.t, r.db.InTx(r.t.Context(), func(ctx context.Context) error {
		for _, e := range events {
			if err := r.bus.For("p0").Publish(ctx, e); err != nil {
				return err
			}
		}
		return nil
	}))
}

// failOnce makes the transaction of ctx fail with an error after which it is tried again. With the same failed, it does so only once.
func failOnce(ctx context.Context, failed *atomic.Bool) {
	if tx, ok := database.TxFrom(ctx); ok && !failed.Swap(true) {
		tx.Attach(nil, database.Participant{BeforeCommit: func(context.Context) error { return &pgconn.PgError{Code: "40001"} }})
	}
}

func ids(from, to int64) (all []int64) {
	for id := from; id <= to; id++ {
		all = append(all, id)
	}
	return all
}

func TestTheEffectsOfAFailedTransactionalHandlerAreRolledBack(t *testing.T) {
	t.Parallel()
	failures := map[string]func(context.Context) error{
		"error": func(context.Context) error { return errBroken },
		"panic": func(context.Context) error { panic("broken") },
		"exit":  func(context.Context) error { runtime.Goexit(); return nil },
		"timeout": func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
	}
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachSite(t, func(t *testing.T, at site) {
				var runs, undone, committed, followed, tries seen[int64]
				var left *effects
				var r *rig
				handler := func(ctx context.Context, e Note) error {
					tx, _ := database.TxFrom(ctx)
					runs.add(e.ID)
					tx.Attach(nil, database.Participant{AfterRollback: func() { undone.add(e.ID) }})
					tx.Attach(nil, database.Participant{AfterCommit: func() { committed.add(e.ID) }})
					if err := errors.Join(left.add(ctx, "", e.ID), r.bus.For("p1").Publish(ctx, Made{ID: e.ID})); err != nil {
						return err
					}
					if d, _ := app.DeliveryFrom(ctx); e.ID == 4 {
						if tries.add(int64(d.Attempt)); d.Attempt == 1 {
							return fail(ctx)
						}
					}
					return nil
				}
				r = start(t, at, settings(), publishes(Note{}),
					func(b *app.Boot) {
						b.Publishes(Made{})
						b.Subscribe(app.OnTx(handler), app.Timeout(200*time.Millisecond))
					},
					subscribes(app.On(func(_ context.Context, e MadeRead) error { followed.add(e.ID); return nil })))
				left = r.effects(at)
				r.publishAll(Note{1}, Note{2}, Note{3}, Note{4}, Note{5}, Note{6})
				r.idle()
				require.ElementsMatch(t, ids(1, 6), left.all("p1/note.taken", ""))
				require.ElementsMatch(t, ids(1, 6), followed.all())
				require.ElementsMatch(t, ids(1, 6), committed.all())
				require.ElementsMatch(t, runs.all(), append(undone.all(), committed.all()...))
				if at.name == "sqlite" { // on Postgres the first attempt may run twice: with the others, and then by itself
					require.Equal(t, []int64{1, 2}, tries.all())
				}
			})
		})
	}
}

// Transactional handlers share a savepoint on SQLite. After a failure, the next deliveries of the subscription run in savepoints of their
// own.
func TestTransactionalHandlersShareASavepointUntilOneFails(t *testing.T) {
	t.Parallel()
	var txs seen[*database.Tx]
	var broken atomic.Bool
	r := start(t, site{"sqlite", "sqlite:" + filepath.Join(t.TempDir(), "events.db")}, settings(), publishes(Note{}),
		subscribes(app.OnTx(func(ctx context.Context, _ Note) error {
			tx, _ := database.TxFrom(ctx)
			txs.add(tx)
			if broken.Swap(false) {
				return errBroken
			}
			return nil
		})))
	share := func() bool { // two deliveries that wait together share a savepoint, unless the first one takes very long
		before := len(txs.all())
		r.publishAll(Note{1}, Note{2})
		r.idle()
		after := txs.all()[before:]
		return after[0] == after[1]
	}
	shared := false
	for i := 0; i < 100 && !shared; i++ {
		shared = share()
	}
	require.True(t, shared)
	broken.Store(true)
	share()
	for range 10 {
		require.False(t, share())
	}
}

// When a handler on SQLite does not end, the whole transaction is rolled back. In this transaction, deliveries of another subscription's
// key had already succeeded, and the next ones of the key had run.
func TestAKeyKeepsItsOrderWhenItsTransactionIsAbandoned(t *testing.T) {
	t.Parallel()
	at := site{"sqlite", "sqlite:" + filepath.Join(t.TempDir(), "events.db")}
	free := make(chan struct{})
	defer close(free)
	var left *effects
	r := start(t, at, settings(), publishes(Note{}, Made{}),
		subscribes(app.OnTx(func(ctx context.Context, e Made) error { return left.add(ctx, e.Group, e.ID) })),
		subscribes(app.OnTx(func(ctx context.Context, _ Note) error {
			if d, _ := app.DeliveryFrom(ctx); d.Attempt == 1 {
				<-free
			}
			return left.add(ctx, "", 0)
		}), app.Timeout(time.Millisecond)))
	left = r.effects(at)
	r.publishAll(Made{ID: 1, Group: "k"}, Made{ID: 2, Group: "k"}, Made{ID: 3, Group: "k"}, Note{1})
	r.idle()
	require.Equal(t, ids(1, 3), left.all("p1/thing.made", "k"))
	require.Len(t, left.all("p2/note.taken", ""), 1)
}

// When SQLite interrupts a write, it rolls back the whole transaction. The failure counts only for the handler whose write took so long.
func TestATransactionalHandlerWithASlowWriteUsesUpItsAttempts(t *testing.T) {
	t.Parallel()
	at := site{"sqlite", "sqlite:" + filepath.Join(t.TempDir(), "events.db")}
	var left *effects
	var r *rig
	r = start(t, at, settings(), publishes(Note{}), subscribes(app.OnTx(func(ctx context.Context, e Note) error {
		if e.ID != 2 {
			return left.add(ctx, "", e.ID)
		}
		_, err := r.db.ExecContext(ctx, `INSERT INTO effects (id)
			WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c`)
		return err
	}), app.Timeout(50*time.Millisecond), app.Attempts(2)))
	left = r.effects(at)
	r.publishAll(Note{1}, Note{2}, Note{3})
	r.idle()
	require.ElementsMatch(t, []int64{1, 3}, left.all("p1/note.taken", ""))
	dead, err := r.bus.Admin("x").Deliveries(t.Context(), admin.Filter{State: "dead"})
	require.NoError(t, err)
	require.Len(t, dead, 1)
	require.Equal(t, 2, dead[0].Attempts)
}

// The database checks a deferred constraint at the commit, and several handlers share a transaction. A violation must not use up the
// attempts of the other handlers.
func TestARefusedCommitDelaysOnlyItsHandler(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var left *effects
		var r *rig
		r = start(t, at, settings(), publishes(Note{}, Made{}),
			subscribes(app.OnTx(func(ctx context.Context, e Note) error {
				if e.ID == 2 {
					_, err := r.db.ExecContext(ctx, "INSERT INTO parts (whole) VALUES (7)")
					return err
				}
				return left.add(ctx, "", e.ID)
			}), app.Attempts(3)),
			subscribes(app.OnTx(func(ctx context.Context, e Made) error { return left.add(ctx, e.Group, e.ID) })))
		left = r.effects(at)
		for _, table := range []string{
			"CREATE TABLE wholes (id INTEGER PRIMARY KEY)",
			"CREATE TABLE parts (whole INTEGER REFERENCES wholes (id) DEFERRABLE INITIALLY DEFERRED)",
		} {
			_, err := r.db.ExecContext(t.Context(), table)
			require.NoError(t, err)
		}
		r.publishAll(Made{ID: 1, Group: "k"}, Note{1}, Note{2}, Note{3}, Made{ID: 2, Group: "k"}, Made{ID: 3, Group: "k"})
		r.idle()
		require.ElementsMatch(t, []int64{1, 3}, left.all("p1/note.taken", ""))
		require.Equal(t, ids(1, 3), left.all("p2/thing.made", "k"))
		dead, err := r.bus.Admin("x").Deliveries(t.Context(), admin.Filter{State: "dead"})
		require.NoError(t, err)
		require.Len(t, dead, 1)
		require.Equal(t, 3, dead[0].Attempts)
		require.Contains(t, dead[0].Error, "constraint")
	})
}

// The database layer may run the function of a transaction again, and a handler may then fail although it succeeded before, or succeed
// although it failed before.
func TestAKeyKeepsItsOrderWhenItsTransactionIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		outcomes []error // of the runs of the key's first event
		want     []int64
	}{
		"fails the second time": {[]error{nil, errBroken}, []int64{1, 2, 3, 4}},
		"fails the first time":  {[]error{errBroken}, []int64{1, 2, 3, 4}},
		"dies the second time":  {[]error{nil, app.Permanent(errBroken)}, []int64{2, 3, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachSite(t, func(t *testing.T, at site) {
				var failed atomic.Bool
				var left *effects
				runs := 0
				r := start(t, at, settings(), publishes(Note{}, Made{}),
					subscribes(app.OnTx(func(ctx context.Context, e Made) error {
						if e.ID == 1 {
							if runs++; runs <= len(c.outcomes) && c.outcomes[runs-1] != nil {
								return c.outcomes[runs-1]
							}
							failOnce(ctx, &failed)
						}
						return left.add(ctx, e.Group, e.ID)
					})),
					subscribes(app.OnTx(func(ctx context.Context, _ Note) error { // on SQLite, in the same transaction
						if c.outcomes[0] != nil {
							failOnce(ctx, &failed)
						}
						return nil
					})))
				left = r.effects(at)
				r.publishAll(Made{ID: 1, Group: "k"}, Made{ID: 2, Group: "k"}, Made{ID: 3, Group: "k"}, Note{1})
				r.publish(Made{ID: 4, Group: "k"})
				r.idle()
				require.Equal(t, c.want, left.all("p1/thing.made", "k"))
			})
		})
	}
}

// A handler ignores the error of a statement. Postgres then refuses every further statement of the transaction until a rollback. The next
// handler of the transaction must not see this error.
func TestAnIgnoredSQLErrorDoesNotReachTheNextHandler(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var ignored atomic.Int64
		var problems seen[error]
		var left *effects
		var r *rig
		r = start(t, at, settings(), publishes(Note{}), subscribes(app.OnTx(func(ctx context.Context, e Note) error {
			err := left.add(ctx, "", e.ID)
			if e.ID != 2 {
				problems.add(err)
				return err
			}
			err = errors.Join(err, app.Complete(ctx))
			if ignored.Add(1) == 1 {
				_, _ = r.db.ExecContext(ctx, "INSERT INTO nowhere VALUES (1)")
			}
			return err
		}), app.Concurrency(1)))
		left = r.effects(at)
		r.publishAll(Note{1}, Note{2}, Note{3})
		r.idle()
		require.ElementsMatch(t, ids(1, 3), left.all("p1/note.taken", ""))
		if at.name == "sqlite" { // on Postgres the next handler sees the error, and runs again in a transaction of its own
			for _, err := range problems.all() {
				require.NoError(t, err)
			}
		}
	})
}

// Handlers and their transactions fail in all ways. Still each effect is stored once, and in the order of its key.
func TestEachEffectIsStoredOnceAndInOrder(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var left *effects
		var r *rig
		handler := func(ctx context.Context, key string, id int64) error {
			err := left.add(ctx, key, id)
			switch rand.N(16) {
			case 0:
				return errBroken
			case 1:
				panic("broken")
			case 2:
				runtime.Goexit()
			case 3:
				failOnce(ctx, &atomic.Bool{})
			case 4: // a savepoint that fails and is rolled back does not make the handler fail
				_ = r.db.InTx(ctx, func(ctx context.Context) error { return errors.Join(left.add(ctx, key, -1), errBroken) })
			}
			return err
		}
		cfg := settings()
		cfg.Attempts = 100
		onMade := func(ctx context.Context, e Made) error { return handler(ctx, e.Group, e.ID) }
		r = start(t, at, cfg, publishes(Note{}, Made{}),
			subscribes(app.OnTx(onMade)),
			subscribes(app.OnTx(onMade)),
			subscribes(app.OnTx(func(ctx context.Context, e Note) error { return handler(ctx, "", e.ID) })))
		left = r.effects(at)
		for i := int64(1); i <= 60; i++ {
			r.publishAll(Made{ID: i, Group: "a"}, Made{ID: i, Group: "b"}, Note{i})
		}
		r.idle()
		for _, subscription := range []string{"p1/thing.made", "p2/thing.made"} {
			require.Equal(t, ids(1, 60), left.all(subscription, "a"))
			require.Equal(t, ids(1, 60), left.all(subscription, "b"))
		}
		require.ElementsMatch(t, ids(1, 60), left.all("p3/note.taken", ""))
	})
}
