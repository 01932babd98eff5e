package eventbus_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/database"
	"plugboard/infra/eventbus/admin"
)

// A handler returns nil, but has made its transaction fail. It must use up its attempts, and not run for ever. Other handlers must not be
// affected.
func TestATransactionThatItsHandlerSpoiltIsAFailedAttempt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(ctx context.Context, r *rig)
		says  string
		only  string
	}{
		"a failed statement kept secret": {func(ctx context.Context, r *rig) {
			_, _ = r.db.ExecContext(ctx, "INSERT INTO taken (id) VALUES (1)")
		}, "an earlier statement of this transaction failed", ""},
		"its time is over": {func(ctx context.Context, _ *rig) { <-ctx.Done() }, "context canceled", "postgres"}, // on SQLite it has some grace
		"the commit is refused": {func(ctx context.Context, r *rig) {
			_, err := r.db.ExecContext(ctx, "INSERT INTO guarded (id) VALUES (1)")
			require.NoError(r.t, err)
		}, "the sum is not right", "postgres"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachSite(t, func(t *testing.T, at site) {
				if c.only != "" && c.only != at.name {
					t.Skip("on " + c.only)
				}
				var left *effects
				var r *rig
				var later atomic.Int64
				r = start(t, at, settings(), publishes(Note{}), subscribes(app.OnTx(func(ctx context.Context, e Note) error {
					d, _ := app.DeliveryFrom(ctx)
					if e.ID == 2 {
						c.spoil(ctx, r)
						return nil
					}
					later.Add(int64(d.Attempt - 1))
					return left.add(ctx, "", e.ID)
				}), app.Attempts(2), app.Timeout(time.Second)))
				left = r.effects(at)
				for _, statement := range spoilable(at) {
					_, err := r.db.ExecContext(t.Context(), statement)
					require.NoError(t, err)
				}
				r.publishAll(Note{1}, Note{2}, Note{3})
				r.idle()
				require.ElementsMatch(t, []int64{1, 3}, left.all("p1/note.taken", ""))
				require.Zero(t, later.Load(), "others have used up no attempt")
				dead, err := r.bus.Admin("x").Deliveries(t.Context(), admin.Filter{State: "dead"})
				require.NoError(t, err)
				require.Len(t, dead, 1)
				require.Equal(t, 2, dead[0].Attempts)
				require.Contains(t, dead[0].Error, c.says)
			})
		})
	}
}

func spoilable(at site) []string {
	statements := []string{"CREATE TABLE taken (id BIGINT PRIMARY KEY)", "INSERT INTO taken (id) VALUES (1)"}
	if at.name == "postgres" {
		statements = append(statements, "CREATE TABLE guarded (id BIGINT)",
			"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the sum is not right'; END $$",
			"CREATE CONSTRAINT TRIGGER guard AFTER INSERT ON guarded DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()")
	}
	return statements
}

func TestAFailureOfTheDatabaseUsesUpNoAttempt(t *testing.T) {
	t.Parallel()
	eachSite(t, func(t *testing.T, at site) {
		var failed atomic.Bool
		var left *effects
		r := start(t, at, settings(), publishes(Note{}), subscribes(app.OnTx(func(ctx context.Context, e Note) error {
			if tx, ok := database.TxFrom(ctx); ok && !failed.Swap(true) {
				tx.Attach(nil, database.Participant{BeforeCommit: func(context.Context) error { return app.Errorf(app.Unavailable, "the database is away") }})
			}
			return left.add(ctx, "", e.ID)
		}), app.Attempts(1)))
		left = r.effects(at)
		r.publish(Note{1})
		r.idle()
		require.Equal(t, ids(1, 1), left.all("p1/note.taken", ""))
	})
}

// Postgres ends the session of a transaction that does nothing for too long. When a handler caused this and returned nil, it ran again
// for ever, since the failure counted as a failure of the database.
func TestAHandlerThatOutlivesItsSessionIsAFailedAttempt(t *testing.T) {
	t.Parallel()
	at := newSchema(t)
	other := openAt(t, at)
	var runs seen[int]
	var r *rig
	r = start(t, at, settings(), publishes(Note{}), subscribes(app.OnTx(func(ctx context.Context, _ Note) error {
		d, _ := app.DeliveryFrom(ctx)
		runs.add(d.Attempt)
		pid := number(t, r.db, "SELECT 0")
		require.NoError(t, r.db.Gorm().WithContext(ctx).Raw("SELECT pg_backend_pid()").Row().Scan(&pid))
		_, err := r.db.ExecContext(ctx, "SET LOCAL idle_in_transaction_session_timeout = '20ms'")
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			return number(t, other, fmt.Sprintf("SELECT COUNT(*) FROM pg_stat_activity WHERE pid = %d", pid)) == 0
		}, 10*time.Second, 5*time.Millisecond)
		return nil
	}), app.Attempts(3)))
	r.publish(Note{1})
	r.idle()
	require.Equal(t, []int{1, 2, 3}, runs.all())
	dead, err := r.bus.Admin("x").Deliveries(t.Context(), admin.Filter{State: "dead"})
	require.NoError(t, err)
	require.Len(t, dead, 1)
	require.Equal(t, 3, dead[0].Attempts)
}
