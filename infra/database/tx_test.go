package database_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/infra/database"
)

var errBoom = errors.New("boom")

func TestInTx(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		ctx := t.Context()

		require.NoError(t, app.InTx(ctx, db.Gorm(), func(ctx context.Context) error {
			require.NoError(t, add(ctx, db, "one"))
			require.Equal(t, 1, count(ctx, t, db), "its own write is read")
			return nil
		}))
		require.ErrorIs(t, db.InTx(ctx, func(ctx context.Context) error {
			require.NoError(t, add(ctx, db, "two"))
			return errBoom
		}), errBoom)
		require.Equal(t, 1, count(ctx, t, db))

		require.PanicsWithValue(t, "boom", func() {
			_ = db.InTx(ctx, func(ctx context.Context) error {
				require.NoError(t, add(ctx, db, "two"))
				panic("boom")
			})
		})
		require.Equal(t, 1, count(ctx, t, db))

		var done sync.WaitGroup
		done.Go(func() {
			_ = db.InTx(ctx, func(ctx context.Context) error {
				_ = add(ctx, db, "two")
				runtime.Goexit()
				return nil
			})
		})
		done.Wait()
		require.NoError(t, db.InTx(ctx, func(ctx context.Context) error {
			require.Equal(t, 1, count(ctx, t, db), "the connection is free again")
			return nil
		}))
	})
}

func TestNestedInTxIsASavepoint(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			require.NoError(t, add(ctx, db, "one"))
			err := db.InTx(ctx, func(ctx context.Context) error {
				require.NoError(t, add(ctx, db, "two"))
				return add(ctx, db, "one")
			})
			require.Equal(t, app.Conflict, app.CodeOf(err))
			require.ErrorIs(t, err, gorm.ErrDuplicatedKey)
			require.Equal(t, 1, count(ctx, t, db))
			require.NoError(t, db.InTx(ctx, func(ctx context.Context) error { return add(ctx, db, "three") }))
			return db.Gorm().WithContext(ctx).Transaction(func(tx *gorm.DB) error {
				return tx.Create(&Lamp{Name: "four", Watts: 1}).Error
			})
		}))
		require.Equal(t, 3, count(t.Context(), t, db))
	})
}

// A savepoint's context may end before that of the transaction around it, which goes on.
func TestWhatIsNestedIsUndoneAlsoWhenItsContextHasEnded(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			for i, end := range []error{errBoom, nil} {
				short, cancel := context.WithCancel(ctx)
				require.Error(t, db.InTx(short, func(ctx context.Context) error {
					require.NoError(t, add(ctx, db, fmt.Sprint("nested ", i)))
					cancel()
					return end
				}))
			}
			return add(ctx, db, "outer")
		}))
		require.NoError(t, db.Gorm().WithContext(t.Context()).Transaction(func(tx *gorm.DB) error {
			short, cancel := context.WithCancel(tx.Statement.Context)
			require.ErrorIs(t, tx.WithContext(short).Transaction(func(tx *gorm.DB) error {
				require.NoError(t, tx.Create(&Lamp{Name: "gorm, nested", Watts: 1}).Error)
				cancel()
				return errBoom
			}), errBoom)
			return tx.Create(&Lamp{Name: "gorm, outer", Watts: 1}).Error
		}))
		require.Equal(t, []string{"outer", "gorm, outer"}, names(t.Context(), t, db))
	})
}

func TestHooks(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		var log []string
		note := func(text string) func() { return func() { log = append(log, text) } }
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			tx, ok := database.TxFrom(ctx)
			require.True(t, ok)
			tx.Attach(nil, database.Participant{BeforeCommit: func(ctx context.Context) error {
				log = append(log, "before")
				return add(ctx, db, "hook")
			}})
			tx.Attach(nil, database.Participant{AfterCommit: note("commit 1")})
			tx.Attach(nil, database.Participant{AfterRollback: note("never")})
			err := db.InTx(ctx, func(ctx context.Context) error {
				tx, _ := database.TxFrom(ctx)
				tx.Attach(nil, database.Participant{AfterCommit: note("never")})
				tx.Attach(nil, database.Participant{BeforeCommit: func(context.Context) error { return errBoom }})
				tx.Attach(nil, database.Participant{AfterRollback: note("undone")})
				return errBoom
			})
			require.ErrorIs(t, err, errBoom)
			require.NoError(t, db.InTx(ctx, func(ctx context.Context) error {
				tx, _ := database.TxFrom(ctx)
				tx.Attach(nil, database.Participant{AfterCommit: note("commit 2")})
				tx.Attach("key", database.Participant{Value: 7})
				return nil
			}))
			require.Equal(t, 7, tx.Attached("key"))
			tx.Attach(nil, database.Participant{AfterCommit: func() { panic("a hook's panic leaves the others alone") }})
			tx.Attach(nil, database.Participant{AfterCommit: note("commit 3")})
			return nil
		}))
		require.Equal(t, []string{"undone", "before", "commit 1", "commit 2", "commit 3"}, log)
		require.Equal(t, 1, count(t.Context(), t, db))
	})
}

func TestForgottenTransactionFailsAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		outer := app.WithCall(t.Context(), &app.Call{})
		var ended context.Context
		require.NoError(t, db.InTx(outer, func(ctx context.Context) error {
			ended = ctx //nolint:fatcontext // kept on purpose, to be used too late
			require.ErrorContains(t, add(outer, db, "x"), "use the context that its function is given")
			require.ErrorContains(t, db.Gorm().Create(&Lamp{Name: "x"}).Error, "db.WithContext(ctx)")
			require.ErrorContains(t, db.InTx(outer, nil), "use the context that its function is given")
			require.ErrorContains(t, db.Gorm().WithContext(outer).Raw("SELECT 1").Row().Scan(new(int)), "inside app.InTx")
			return db.InTx(ctx, func(context.Context) error {
				require.ErrorContains(t, add(ctx, db, "x"), "use the context that its function is given")
				return nil
			})
		}))
		require.ErrorContains(t, add(ended, db, "x"), "transaction has ended")
		require.ErrorContains(t, db.InTx(ended, nil), "transaction has ended")
		_, ok := database.TxFrom(ended)
		require.False(t, ok)
		require.NoError(t, add(outer, db, "x"), "the call is out of its transaction")
		require.Equal(t, 1, count(outer, t, db))
	})
}

// As many requests as the pool is large, all of them within a transaction before any reads through its own handle.
func TestFullPoolOfTransactionsDoesNotDeadlock(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		cfg := settings(t, dialect)
		db := opened(t, cfg)
		n := cfg.MaxConns
		var inside, all sync.WaitGroup
		if dialect == database.Postgres { // on SQLite there is one writer, so one is inside at a time
			inside.Add(n)
		}
		errs := make([]error, n)
		for i := range n {
			all.Go(func() {
				errs[i] = db.InTx(app.WithCall(t.Context(), &app.Call{}), func(ctx context.Context) error {
					if dialect == database.Postgres {
						inside.Done()
						inside.Wait()
					}
					var found []Lamp
					if err := db.Gorm().WithContext(ctx).Find(&found).Error; err != nil {
						return err
					}
					return add(ctx, db, fmt.Sprint("lamp ", i))
				})
			})
		}
		all.Wait()
		require.NoError(t, errors.Join(errs...))
		require.Equal(t, n, count(t.Context(), t, db))
	})
}

func TestCancelledContextRollsBack(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		ctx, cancel := context.WithCancel(t.Context())
		err := db.InTx(ctx, func(ctx context.Context) error {
			require.NoError(t, add(ctx, db, "one"))
			cancel()
			return nil
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 0, count(t.Context(), t, db))
	})
}

// A handler that has outlived its deadline must not keep the one writer.
func TestHangingFunctionGivesUpItsConnection(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		cfg := settings(t, dialect)
		cfg.MaxConns = 2
		db := opened(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		var hanging sync.WaitGroup
		hanging.Go(func() {
			_ = db.InTx(ctx, func(ctx context.Context) error {
				_ = add(ctx, db, "one")
				cancel()
				<-release
				return nil
			})
		})
		<-ctx.Done()
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error { return add(ctx, db, "one") }))
		close(release)
		hanging.Wait()
		require.Equal(t, 1, count(t.Context(), t, db))
	})
}

func TestWaitForTheDatabaseIsCapped(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		cfg := settings(t, dialect)
		cfg.BusyTimeout, cfg.MaxConns = 500*time.Millisecond, 2 // long enough to connect
		db := opened(t, cfg)
		var hold func(n int)
		hold = func(n int) {
			if n > 0 {
				require.NoError(t, db.InTx(t.Context(), func(context.Context) error { hold(n - 1); return nil }))
				return
			}
			for name, use := range map[string]func() error{
				"InTx": func() error {
					return db.InTx(t.Context(), func(context.Context) error { return nil })
				},
				"Create": func() error { return add(t.Context(), db, "x") },
				"Exec":   func() error { return db.Gorm().WithContext(t.Context()).Exec("DELETE FROM lamps").Error },
			} {
				err := use()
				require.Equal(t, app.Unavailable, app.CodeOf(err), name)
				var e *app.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, time.Second, e.RetryAfter)
			}
		}
		if dialect == database.SQLite {
			hold(1)
			require.Equal(t, 0, count(t.Context(), t, db), "readers do not wait for the writer")
		} else {
			hold(2)
		}
		require.NoError(t, add(t.Context(), db, "x"))
	})
}
