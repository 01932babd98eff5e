package database_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/infra/database"
)

// logs returns a participant that writes its calls into log.
func logs(log *[]string, name string) database.Participant {
	return database.Participant{
		Value:         name,
		BeforeCommit:  func(context.Context) error { *log = append(*log, name+" before"); return nil },
		AfterCommit:   func() { *log = append(*log, name+" committed") },
		AfterRollback: func() { *log = append(*log, name+" undone") },
	}
}

func TestAParticipantWithAKeyIsReplaced(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		var log []string
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			tx, _ := database.TxFrom(ctx)
			require.Nil(t, tx.Attached("key"))
			require.Nil(t, tx.Attached(nil))
			tx.Attach("key", logs(&log, "first"))
			tx.Attach(nil, logs(&log, "other"))
			tx.Attach(nil, logs(&log, "other"))
			require.Equal(t, "first", tx.Attached("key"))
			tx.Attach("key", logs(&log, "second"))
			require.Equal(t, "second", tx.Attached("key"))
			return add(ctx, db, "a")
		}))
		require.Equal(t, []string{"other before", "other before", "second before", "other committed", "other committed", "second committed"}, log)
	})
}

// A participant that is attached again right before the commit runs again, after all others. It hears of the outcome once.
func TestAParticipantMayAttachItselfAgain(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		var log []string
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			tx, _ := database.TxFrom(ctx)
			p := logs(&log, "key")
			tx.Attach("key", p)
			tx.Attach(nil, database.Participant{BeforeCommit: func(ctx context.Context) error {
				log = append(log, "again")
				tx.Attach("key", p)
				return db.InTx(ctx, func(ctx context.Context) error {
					inner, _ := database.TxFrom(ctx)
					require.Equal(t, "key", inner.Attached("key"))
					inner.Attach(nil, logs(&log, "inner"))
					return nil
				})
			}})
			return add(ctx, db, "a")
		}))
		require.Equal(t, []string{"key before", "again", "key before", "inner before", "key committed", "inner committed"}, log)
	})
}

// A participant of a savepoint ends with the savepoint, and its key is free again.
func TestParticipantsEndWithTheirSavepoint(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		var log []string
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			tx, _ := database.TxFrom(ctx)
			tx.Attach("outer", logs(&log, "outer"))
			failed := db.InTx(ctx, func(ctx context.Context) error {
				inner, _ := database.TxFrom(ctx)
				inner.Attach("inner", logs(&log, "inner"))
				inner.Attach("outer", logs(&log, "shadow"))
				require.Equal(t, "shadow", inner.Attached("outer"))
				return errBoom
			})
			require.ErrorIs(t, failed, errBoom)
			require.Nil(t, tx.Attached("inner"))
			require.Equal(t, "outer", tx.Attached("outer"))
			tx.Attach(nil, database.Participant{BeforeCommit: func(context.Context) error { return errBoom }})
			return nil
		})
		require.ErrorIs(t, err, errBoom)
		require.Equal(t, []string{"inner undone", "shadow undone", "outer before", "outer undone"}, log)
	})
}

// The release of a savepoint loses no participant: the comment of Attach said that the later one with a key replaces the earlier one.
// It does so within one transaction or savepoint only.
func TestAReleaseKeepsParticipantsOfTheSameKey(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		var log []string
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			tx, _ := database.TxFrom(ctx)
			tx.Attach("key", logs(&log, "outer"))
			err := db.InTx(ctx, func(ctx context.Context) error {
				inner, _ := database.TxFrom(ctx)
				inner.Attach("key", logs(&log, "inner"))
				return nil
			})
			require.Equal(t, "inner", tx.Attached("key"))
			return err
		}))
		require.Equal(t, []string{"outer before", "inner before", "outer committed", "inner committed"}, log)
	})
}

// A panic in one participant changes neither the outcome nor the calls of the others.
func TestAPanicAfterTheCommitReachesNobody(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		for _, end := range []error{nil, errBoom} {
			var log []string
			err := db.InTx(t.Context(), func(ctx context.Context) error {
				tx, _ := database.TxFrom(ctx)
				panics := func() { log = append(log, "panics"); panic("boom") }
				tx.Attach(nil, database.Participant{AfterCommit: panics, AfterRollback: panics})
				tx.Attach(nil, logs(&log, "next"))
				return errors.Join(add(ctx, db, "a"), end)
			})
			if end == nil {
				require.NoError(t, err)
				require.Equal(t, []string{"next before", "panics", "next committed"}, log)
				_, err = db.ExecContext(t.Context(), "DELETE FROM lamps")
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, errBoom)
				require.Equal(t, []string{"panics", "next undone"}, log)
			}
		}
	})
}
