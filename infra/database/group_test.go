package database_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/database"
)

// names of the lamps, in the order of their insertion.
func names(ctx context.Context, t *testing.T, db *database.DB) []string {
	t.Helper()
	var found []string
	require.NoError(t, db.Gorm().WithContext(ctx).Model(&Lamp{}).Order("id").Pluck("name", &found).Error)
	return found
}

// convoy has the transactions queue up behind one that ends when all of them have begun to wait, as nearly as can be
// told from outside, so that they follow each other. It returns their errors.
func convoy(t *testing.T, db *database.DB, txs ...func() error) []error {
	t.Helper()
	var all sync.WaitGroup
	errs := make([]error, len(txs))
	start := sync.OnceFunc(func() { // once: the leader, too, may run again
		for i, tx := range txs {
			started := make(chan struct{})
			all.Go(func() {
				close(started)
				errs[i] = tx()
			})
			<-started
			for range 20 {
				runtime.Gosched()
			}
		}
	})
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
		start()
		return add(ctx, db, "leader")
	}))
	all.Wait()
	return errs
}

// commitsOf counts the commits in the write-ahead log of a database that has not been checkpointed yet.
func commitsOf(t *testing.T, cfg config.Database) int {
	t.Helper()
	log, err := os.ReadFile(strings.TrimPrefix(cfg.URL, "sqlite:") + "-wal")
	require.NoError(t, err)
	const header, frameHeader = 32, 24
	page := int(binary.BigEndian.Uint32(log[8:]))
	salt := string(log[16:24])
	n := 0
	for at := header; at+frameHeader+page <= len(log) && string(log[at+8:at+16]) == salt; at += frameHeader + page {
		if binary.BigEndian.Uint32(log[at+4:]) != 0 { // the size of the database after a commit
			n++
		}
	}
	return n
}

func TestWaitingTransactionsShareACommit(t *testing.T) {
	t.Parallel()
	cfg := settings(t, database.SQLite)
	db := opened(t, cfg)
	before := commitsOf(t, cfg)
	var txs []func() error
	for i := range 64 {
		txs = append(txs, func() error {
			return db.InTx(t.Context(), func(ctx context.Context) error { return add(ctx, db, fmt.Sprint("lamp ", i)) })
		})
	}
	require.NoError(t, errors.Join(convoy(t, db, txs...)...))
	require.Equal(t, 65, count(t.Context(), t, db))
	require.Less(t, commitsOf(t, cfg)-before, 60)

	require.NoError(t, db.Close(t.Context()))
	require.NoError(t, db.Open(t.Context()))
	require.Equal(t, 65, count(t.Context(), t, db))
}

func TestMembersFailByThemselves(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.SQLite)
	var (
		mu  sync.Mutex
		log []string
	)
	note := func(text string) func() {
		return func() { mu.Lock(); defer mu.Unlock(); log = append(log, text) }
	}
	member := func(i int, end func() error) func() error {
		return func() error {
			call := &app.Call{}
			outer := app.WithCall(t.Context(), call)
			defer func() { require.False(t, call.InTx()) }()
			return db.InTx(outer, func(ctx context.Context) error {
				tx, _ := database.TxFrom(ctx)
				require.True(t, call.InTx())
				require.Nil(t, tx.Attached("key"), "values are the member's own")
				tx.Attach("key", database.Participant{Value: i})
				name := fmt.Sprint("lamp ", i)
				tx.Attach(nil, database.Participant{AfterCommit: note(name)})
				tx.Attach(nil, database.Participant{AfterRollback: note("undone " + name)})
				require.ErrorContains(t, add(outer, db, "x"), "use the context that its function is given")
				if err := add(ctx, db, name); err != nil {
					return err
				}
				if err := db.InTx(ctx, func(ctx context.Context) error { return errors.Join(add(ctx, db, name+" in"), errBoom) }); !errors.Is(err, errBoom) {
					return err
				}
				tx.Attach(nil, database.Participant{BeforeCommit: func(context.Context) error {
					if i%7 == 3 {
						return errBoom
					}
					return nil
				}})
				return end()
			})
		}
	}
	var txs []func() error
	for i := range 50 {
		switch i % 7 {
		case 1:
			txs = append(txs, member(i, func() error { return errBoom }))
		case 2:
			txs = append(txs, func() (err error) {
				defer func() { err = fmt.Errorf("panic: %v", recover()) }()
				return member(i, func() error { panic("boom") })()
			})
		case 4:
			txs = append(txs, func() error {
				var gone sync.WaitGroup
				gone.Go(func() { _ = member(i, func() error { runtime.Goexit(); return nil })() })
				gone.Wait()
				return errBoom
			})
		case 5: // a failed statement that nobody minds
			txs = append(txs, func() error {
				return db.InTx(t.Context(), func(ctx context.Context) error {
					_ = add(ctx, db, "leader")
					return nil
				})
			})
		case 6:
			txs = append(txs, func() error { return add(t.Context(), db, fmt.Sprint("lamp ", i)) })
		default:
			txs = append(txs, member(i, func() error { return nil }))
		}
	}
	errs := convoy(t, db, txs...)
	stored := map[string]bool{}
	for _, name := range names(t.Context(), t, db) {
		stored[name] = true
	}
	delete(stored, "leader")
	for i, err := range errs {
		name := fmt.Sprint("lamp ", i)
		if k := i % 7; k == 0 || k == 6 {
			require.NoError(t, err)
			require.True(t, stored[name], name)
		} else {
			require.Error(t, err)
			require.False(t, stored[name], name)
		}
		switch i % 7 {
		case 0: // it may have been undone with a whole group, and run again
			require.Equal(t, name, last(log, name, "undone "+name))
		case 1, 2, 3, 4:
			require.NotContains(t, log, name)
			require.Contains(t, log, "undone "+name)
		}
	}
}

// last returns the last entry of log that is one of those.
func last(log []string, those ...string) (found string) {
	for _, entry := range log {
		if slices.Contains(those, entry) {
			found = entry
		}
	}
	return found
}

func TestHooksRunInTheOrderOfCommits(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.SQLite)
	var (
		log []string // the hooks of one transaction run before the next one's
		txs []func() error
	)
	for i := range 100 {
		name := fmt.Sprint("lamp ", i)
		txs = append(txs, func() error {
			return db.InTx(t.Context(), func(ctx context.Context) error {
				tx, _ := database.TxFrom(ctx)
				tx.Attach(nil, database.Participant{AfterCommit: func() { log = append(log, name) }})
				return add(ctx, db, name)
			})
		})
	}
	require.NoError(t, errors.Join(convoy(t, db, txs...)...))
	require.Equal(t, append([]string{"leader"}, log...), names(t.Context(), t, db))
}

// The commit is refused because of one member's rows alone.
func TestFailedCommitIsThatOfItsCause(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.SQLite)
	var txs []func() error
	heard := make([][]string, 20) // by each member's participant
	for i := range 20 {
		txs = append(txs, func() error {
			return db.InTx(t.Context(), func(ctx context.Context) error {
				tx, _ := database.TxFrom(ctx)
				tx.Attach(nil, logs(&heard[i], "it"))
				if i%5 == 2 {
					if err := db.Gorm().WithContext(ctx).Exec("PRAGMA defer_foreign_keys = on").Error; err != nil {
						return err
					}
					room := int64(4711)
					return db.Gorm().WithContext(ctx).Create(&Lamp{Name: fmt.Sprint("lamp ", i), Watts: 1, RoomID: &room}).Error
				}
				return add(ctx, db, fmt.Sprint("lamp ", i))
			})
		})
	}
	for i, err := range convoy(t, db, txs...) {
		if i%5 == 2 {
			require.Equal(t, app.Conflict, app.CodeOf(err), "%v", err)
			require.Equal(t, "it undone", heard[i][len(heard[i])-1])
			require.NotContains(t, heard[i], "it committed")
		} else {
			require.NoError(t, err)
			require.Equal(t, "it committed", heard[i][len(heard[i])-1])
		}
	}
	require.Equal(t, 17, count(t.Context(), t, db))
}

// Members whose contexts end, also in the middle of a long write, which makes SQLite roll everything back.
func TestEndedContextLeavesTheOthersIntact(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.SQLite)
	var txs []func() error
	for i := range 30 {
		name := fmt.Sprint("lamp ", i)
		txs = append(txs, func() error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			return db.InTx(ctx, func(ctx context.Context) error {
				if err := add(ctx, db, name); err != nil {
					return err
				}
				switch i % 6 {
				case 2:
					cancel()
				case 4:
					time.AfterFunc(2*time.Millisecond, cancel)
					return db.Gorm().WithContext(ctx).Exec("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000000) " +
						"INSERT INTO rooms SELECT NULL FROM n").Error
				}
				return nil
			})
		})
	}
	errs := convoy(t, db, txs...)
	found := names(t.Context(), t, db)
	for i, err := range errs {
		name := fmt.Sprint("lamp ", i)
		if i%6 == 2 || i%6 == 4 {
			require.ErrorIs(t, err, context.Canceled)
			require.NotContains(t, found, name)
		} else {
			require.NoError(t, err)
			require.Contains(t, found, name)
		}
	}
	require.Len(t, found, 21)
}

// A context of one statement that ends rolls everything back, without anybody's own context having ended.
func TestInterruptedStatementLeavesTheOthersIntact(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.SQLite)
	var txs []func() error
	for i := range 12 {
		txs = append(txs, func() error {
			return db.InTx(t.Context(), func(ctx context.Context) error {
				if i%4 != 2 {
					return add(ctx, db, fmt.Sprint("lamp ", i))
				}
				// Long enough for the statement to have begun: one that never does fails nothing.
				short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
				defer cancel()
				_ = db.Gorm().WithContext(short).Exec("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000000) " +
					"INSERT INTO rooms SELECT NULL FROM n").Error
				return nil
			})
		})
	}
	for i, err := range convoy(t, db, txs...) {
		require.Equal(t, i%4 == 2, err != nil, "%d: %v", i, err)
	}
	require.Equal(t, 10, count(t.Context(), t, db))
}

// A transaction that waits for the one before it to return, and one that does not end.
func TestStuckMemberDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.SQLite)
	first := make(chan struct{})
	var runs atomic.Int64
	errs := convoy(t, db,
		func() error {
			defer close(first)
			return db.InTx(t.Context(), func(ctx context.Context) error { return add(ctx, db, "first") })
		},
		func() error {
			return db.InTx(t.Context(), func(ctx context.Context) error {
				runs.Add(1)
				if err := add(ctx, db, "stuck"); err != nil {
					return err
				}
				<-first // the first one's InTx returns while this one runs
				return nil
			})
		},
		func() error {
			return db.InTx(t.Context(), func(ctx context.Context) error { return add(ctx, db, "third") })
		})
	require.NoError(t, errors.Join(errs...))
	require.LessOrEqual(t, runs.Load(), int64(2))
	require.Equal(t, 4, count(t.Context(), t, db))
}

// The statements of a goroutine that outlives its transaction do not end up in the next one.
func TestStatementAfterItsMember(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.SQLite)
	var (
		leaked sync.WaitGroup
		late   atomic.Int64
		txs    []func() error
	)
	for i := range 30 {
		txs = append(txs, func() error {
			return db.InTx(t.Context(), func(ctx context.Context) error {
				if i%2 == 1 {
					return add(ctx, db, fmt.Sprint("lamp ", i))
				}
				leaked.Go(func() {
					for n := range 50 {
						if add(ctx, db, fmt.Sprint("late ", i, " ", n)) == nil {
							late.Add(1)
						}
					}
				})
				runtime.Gosched()
				return errBoom
			})
		})
	}
	convoy(t, db, txs...)
	leaked.Wait()
	for _, name := range names(t.Context(), t, db) {
		require.NotContains(t, name, "late")
	}
	require.Equal(t, 16, count(t.Context(), t, db))
}

// Many clients, with everything that can happen mixed.
func TestAcknowledgedIsStored(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.SQLite)
	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		acked  []string
		denied []string
	)
	for c := range 16 {
		all.Go(func() {
			for i := range 20 {
				ctx, cancel := context.WithCancel(t.Context())
				name := fmt.Sprint(c, "/", i)
				if (c+i)%5 == 0 {
					time.AfterFunc(time.Duration(c*i)*10*time.Microsecond, cancel)
				}
				var err error
				switch (c * i) % 7 {
				case 3:
					err = add(ctx, db, name)
				case 5:
					err = db.InTx(ctx, func(ctx context.Context) error { return errors.Join(add(ctx, db, name), errBoom) })
				default:
					err = db.InTx(ctx, func(ctx context.Context) error { return add(ctx, db, name) })
				}
				cancel()
				mu.Lock()
				if err == nil {
					acked = append(acked, name)
				} else if (c*i)%7 != 3 { // a statement by itself may be stored although its context has ended
					denied = append(denied, name)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	found := names(t.Context(), t, db)
	require.Subset(t, found, acked)
	for _, name := range denied {
		require.NotContains(t, found, name)
	}
}
