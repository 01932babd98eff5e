package database_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/database"
)

// TestATransactionOnPostgresTakesFewRoundTrips holds that BEGIN travels with the first statement, and the last ones with
// COMMIT.
func TestATransactionOnPostgresTakesFewRoundTrips(t *testing.T) {
	t.Parallel()
	db, relay := throughRelay(t, few)
	number := 0
	trips := func(fn func(ctx context.Context) error) int64 {
		before := relay.Sent.Load()
		require.NoError(t, db.InTx(t.Context(), fn))
		return relay.Sent.Load() - before
	}
	insert := func(ctx context.Context) error {
		number++
		return add(ctx, db, fmt.Sprint("lamp ", number))
	}
	last := func(ctx context.Context) error {
		if err := insert(ctx); err != nil {
			return err
		}
		tx, _ := database.TxFrom(ctx)
		for range 2 {
			number++
			err := tx.ExecLast(ctx, "store lamp", "INSERT INTO lamps (name, watts, created_at) VALUES ($1, 5, now())", fmt.Sprint("lamp ", number))
			if err != nil {
				return err
			}
		}
		return nil
	}
	for _, fn := range []func(ctx context.Context) error{insert, last} { // has their statements prepared
		require.NoError(t, db.InTx(t.Context(), fn))
	}
	require.EqualValues(t, 0, trips(func(context.Context) error { return nil }))
	require.EqualValues(t, 2, trips(insert))
	require.EqualValues(t, 2, trips(last))
	require.EqualValues(t, 3, trips(func(ctx context.Context) error { return db.InTx(ctx, func(context.Context) error { return nil }) }), "a savepoint")
	require.Equal(t, number, count(t.Context(), t, db))

	before := relay.Sent.Load()
	require.ErrorIs(t, db.InTx(t.Context(), func(context.Context) error { return errBoom }), errBoom)
	require.Equal(t, before, relay.Sent.Load(), "nothing was begun, nothing is rolled back")
}

func TestStatementIsNotRunWhenBeginFails(t *testing.T) {
	t.Parallel()
	db, relay := throughRelay(t, few)
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error { return add(ctx, db, "before") }))
	bogus := func(p []byte) []byte { return bytes.Replace(p, []byte("begin\x00"), []byte("bogus\x00"), 1) }
	relay.Rewrite.Store(&bogus)
	var after error
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		err := add(ctx, db, "lost")
		after = add(ctx, db, "lost too")
		return err
	})
	require.ErrorContains(t, err, "42601", "the syntax error of BEGIN")
	require.Error(t, db.InTx(t.Context(), func(ctx context.Context) error { // a statement in the simple protocol
		return db.InTx(ctx, func(ctx context.Context) error { return add(ctx, db, "lost") })
	}))
	require.Error(t, db.InTx(t.Context(), func(ctx context.Context) error {
		_ = add(ctx, db, "lost") // whoever forgets an error must not believe it stored
		return nil
	}))
	relay.Rewrite.Store(nil)
	require.Error(t, after)
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error { return add(ctx, db, "after") }))
	require.Equal(t, 2, count(t.Context(), t, db))
}

func TestExecLast(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		ends := []string{}
		run := func(query string) error {
			return db.InTx(t.Context(), func(ctx context.Context) error {
				tx, _ := database.TxFrom(ctx)
				tx.Attach(nil, database.Participant{BeforeCommit: func(ctx context.Context) error { return tx.ExecLast(ctx, "light lamp", query) }})
				tx.Attach(nil, database.Participant{AfterCommit: func() { ends = append(ends, "committed") }})
				tx.Attach(nil, database.Participant{AfterRollback: func() { ends = append(ends, "rolled back") }})
				return add(ctx, db, "one")
			})
		}
		err := run("INSERT INTO lamps (name, watts, created_at) VALUES ('two', 0, '2026-01-01')")
		require.Equal(t, app.Invalid, app.CodeOf(err), "%v", err)
		require.ErrorContains(t, err, "light lamp")
		err = run("INSERT INTO lamps (name, watts, created_at) VALUES ('one', 1, '2026-01-01')")
		require.Equal(t, app.Conflict, app.CodeOf(err), "%v", err)
		require.Zero(t, count(t.Context(), t, db), "nothing of the transaction is left")
		require.NoError(t, run("INSERT INTO lamps (name, watts, created_at) VALUES ('two', 1, '2026-01-01')"))
		require.Equal(t, 2, count(t.Context(), t, db))
		require.Equal(t, []string{"rolled back", "rolled back", "committed"}, ends)
	})
}

func TestTransactionOptions(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.Postgres)
	for level, want := range map[sql.IsolationLevel]string{
		sql.LevelDefault: "read committed", sql.LevelRepeatableRead: "repeatable read", sql.LevelSnapshot: "repeatable read",
		sql.LevelSerializable: "serializable", sql.LevelReadUncommitted: "read uncommitted",
	} {
		tx := db.Gorm().WithContext(t.Context()).Begin(&sql.TxOptions{Isolation: level, ReadOnly: true})
		require.NoError(t, tx.Error)
		var isolation, readOnly string
		require.NoError(t, tx.Raw("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')").
			Row().Scan(&isolation, &readOnly))
		require.Equal(t, []string{want, "on"}, []string{isolation, readOnly})
		require.NoError(t, tx.Rollback().Error)
	}
	require.Error(t, db.Gorm().WithContext(t.Context()).Begin(&sql.TxOptions{Isolation: sql.LevelLinearizable}).Error)
}

// TestAWholePoolOfDeadConnections is what a restart of the server leaves. The driver asks a connection whether it is alive
// when it was last taken more than a second ago, or never before; each of these was taken a moment ago. The first that is
// found dead costs the transaction an attempt, and has the others asked.
func TestAWholePoolOfDeadConnections(t *testing.T) {
	t.Parallel()
	const all = 16 // more than a transaction has attempts
	db, relay := throughRelay(t, all)
	for round := range 2 {
		var busy, done sync.WaitGroup
		busy.Add(all)
		for i := range all {
			done.Go(func() {
				_ = db.InTx(t.Context(), func(ctx context.Context) error {
					err := add(ctx, db, fmt.Sprint("lamp ", round, i))
					busy.Done()
					busy.Wait()
					return err
				})
			})
		}
		done.Wait()
	}
	relay.Cut()
	runs := 0
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
		runs++
		return add(ctx, db, "after")
	}))
	require.LessOrEqual(t, runs, 2)
	require.Equal(t, 2*all+1, count(t.Context(), t, db))
}

// Postgres ended the session of a transaction that did nothing for too long. Over a socket of the machine the next statement
// could not be sent, and its error was that of a lost connection: the transaction was tried again, and again was too long.
func TestTheEndOfAnIdleSessionIsTold(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.Postgres)
	for name, then := range map[string]func(context.Context) error{
		"a statement": func(ctx context.Context) error { return add(ctx, db, "late") },
		"another one": func(ctx context.Context) error {
			_ = add(ctx, db, "late")
			return add(ctx, db, "later")
		},
		"a commit": func(context.Context) error { return nil },
	} {
		runs := 0
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			runs++
			if err := add(ctx, db, "in time"); err != nil {
				return err
			}
			var pid int
			if err := db.Gorm().WithContext(ctx).Raw("SELECT pg_backend_pid()").Row().Scan(&pid); err != nil {
				return err
			}
			if err := db.Gorm().WithContext(ctx).Exec("SET LOCAL idle_in_transaction_session_timeout = '20ms'").Error; err != nil {
				return err
			}
			require.Eventually(t, func() bool {
				var left int
				return db.Gorm().WithContext(t.Context()).Raw("SELECT COUNT(*) FROM pg_stat_activity WHERE pid = ?", pid).Scan(&left).Error == nil && left == 0
			}, 30*time.Second, 5*time.Millisecond)
			return then(ctx)
		})
		pg, ok := errors.AsType[*pgconn.PgError](err)
		require.True(t, ok, "%s: %v", name, err)
		require.Equal(t, "25P03", pg.Code, name)
		require.False(t, database.Absent(err), name)
		require.Equal(t, 1, runs, name)
		require.Zero(t, count(t.Context(), t, db), name)
	}
}
