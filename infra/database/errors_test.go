package database_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/infra/database"
)

// The same mistakes get the same codes on both databases, outside and inside transactions, and no message tells
// tables or Go names.
func TestSameCodesOnBoth(t *testing.T) {
	t.Parallel()
	room := int64(404)
	cases := map[string]struct {
		do   func(db *gorm.DB) error
		code app.Code
		is   error
	}{
		"unique":       {func(db *gorm.DB) error { return db.Create(&Lamp{Name: "one", Watts: 1}).Error }, app.Conflict, gorm.ErrDuplicatedKey},
		"primary key":  {func(db *gorm.DB) error { return db.Create(&Lamp{ID: 1, Name: "x", Watts: 1}).Error }, app.Conflict, gorm.ErrDuplicatedKey},
		"foreign key":  {func(db *gorm.DB) error { return db.Create(&Lamp{Name: "x", Watts: 1, RoomID: &room}).Error }, app.Conflict, gorm.ErrForeignKeyViolated},
		"referred to":  {func(db *gorm.DB) error { return db.Exec("DELETE FROM rooms WHERE id = 7").Error }, app.Conflict, gorm.ErrForeignKeyViolated},
		"check":        {func(db *gorm.DB) error { return db.Create(&Lamp{Name: "x", Watts: -1}).Error }, app.Invalid, gorm.ErrCheckConstraintViolated},
		"not null":     {func(db *gorm.DB) error { return db.Exec("UPDATE lamps SET name = NULL").Error }, app.Invalid, nil},
		"too long":     {func(db *gorm.DB) error { return db.Create(&Lamp{Name: strings.Repeat("x", 21), Watts: 1}).Error }, app.Invalid, nil},
		"update":       {func(db *gorm.DB) error { return db.Model(&Lamp{ID: 2}).Update("name", "one").Error }, app.Conflict, gorm.ErrDuplicatedKey},
		"no row":       {func(db *gorm.DB) error { return db.First(&Lamp{}, 99).Error }, app.Internal, gorm.ErrRecordNotFound},
		"syntax error": {func(db *gorm.DB) error { return db.Exec("SELEKT 1").Error }, app.Internal, nil},
	}
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		ctx := t.Context()
		require.NoError(t, db.Gorm().WithContext(ctx).Exec("INSERT INTO rooms (id) VALUES (7)").Error)
		seven := int64(7)
		require.NoError(t, db.Gorm().WithContext(ctx).Create(&[]Lamp{{Name: "one", Watts: 1, RoomID: &seven}, {Name: "two", Watts: 1}}).Error)
		for name, c := range cases {
			check := func(err error) {
				require.Equal(t, c.code, app.CodeOf(err), "%s: %v", name, err)
				if c.is != nil {
					require.ErrorIs(t, err, c.is, name)
				}
				if e, ok := errors.AsType[*app.Error](err); ok {
					require.NotContains(t, strings.ToLower(e.Message), "lamp", name)
					require.Error(t, errors.Unwrap(e), name)
				}
			}
			check(c.do(db.Gorm().WithContext(ctx)))
			check(db.InTx(ctx, func(ctx context.Context) error {
				return fmt.Errorf("do it: %w", c.do(db.Gorm().WithContext(ctx)))
			}))
			require.NoError(t, db.InTx(ctx, func(ctx context.Context) error {
				check(db.InTx(ctx, func(ctx context.Context) error { return c.do(db.Gorm().WithContext(ctx)) }))
				require.Equal(t, 2, count(ctx, t, db), "the outer transaction is usable")
				return nil
			}))
			check(db.InTx(ctx, func(ctx context.Context) error {
				tx, _ := database.TxFrom(ctx)
				err := c.do(db.Gorm().WithContext(ctx))
				tx.Attach(nil, database.Participant{AfterCommit: func() { t.Error(name + ": committed") }})
				return err
			}))
		}
	})
}

// "already exists" and "has a value that cannot be stored" named no field, though the databases do.
func TestViolatedConstraintsNameTheirFields(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect).Gorm().WithContext(t.Context())
		require.NoError(t, db.Create(&Lamp{Name: "one", Watts: 1}).Error)
		require.NoError(t, db.Exec("CREATE UNIQUE INDEX lamps_watts ON lamps (watts, room_id)").Error)
		told := func(err error) (string, []app.Violation) {
			var known *app.Error
			require.ErrorAs(t, err, &known)
			return known.Message, known.Details
		}
		message, details := told(db.Create(&Lamp{Name: "one", Watts: 2}).Error)
		require.Equal(t, "there is one with the same name already", message)
		require.Empty(t, details)
		require.NoError(t, db.Exec("INSERT INTO rooms (id) VALUES (7)").Error)
		seven := int64(7)
		require.NoError(t, db.Create(&Lamp{Name: "two", Watts: 2, RoomID: &seven}).Error)
		message, _ = told(db.Create(&Lamp{Name: "three", Watts: 2, RoomID: &seven}).Error)
		require.Equal(t, "there is one with the same watts and room_id already", message)
		require.NoError(t, db.Exec("CREATE UNIQUE INDEX lamps_lower ON lamps (lower(name))").Error)
		message, _ = told(db.Create(&Lamp{Name: "ONE", Watts: 3}).Error)
		require.Equal(t, "already exists", message, "an expression is no field")
		message, details = told(db.Exec("UPDATE lamps SET name = NULL").Error)
		require.Equal(t, "name is required", message)
		require.Equal(t, []app.Violation{{Field: "name", Rule: "required", Message: "is required"}}, details)
	})
}

// A caught failure fails its transaction on both databases, so that what works on SQLite works on Postgres.
func TestCaughtFailureFailsTheTransaction(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		require.NoError(t, add(t.Context(), db, "one"))
		require.ErrorContains(t, db.InTx(t.Context(), func(ctx context.Context) error {
			require.Error(t, add(ctx, db, "one"))
			require.ErrorContains(t, add(ctx, db, "two"), "an earlier statement of this transaction failed")
			return nil
		}), "an earlier statement of this transaction failed")
		require.ErrorContains(t, db.InTx(t.Context(), func(ctx context.Context) error {
			require.NoError(t, add(ctx, db, "two"))
			err := db.InTx(ctx, func(ctx context.Context) error {
				_ = add(ctx, db, "one")
				return nil
			})
			require.ErrorContains(t, err, "an earlier statement of this transaction failed")
			return errors.Join(add(ctx, db, "three"), err)
		}), "an earlier statement of this transaction failed")
		require.Equal(t, 1, count(t.Context(), t, db))
	})
}

func TestDeadlineIsTimedOut(t *testing.T) {
	t.Parallel()
	slow := map[database.Dialect]string{
		database.SQLite:   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
		database.Postgres: "SELECT pg_sleep(60)",
	}
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		require.Equal(t, app.TimedOut, app.CodeOf(db.Gorm().WithContext(ctx).Exec(slow[dialect]).Error))
		require.NoError(t, add(t.Context(), db, "one"), "the connection is usable, or replaced")
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		err := db.InTx(ctx, func(ctx context.Context) error {
			if err := add(ctx, db, "two"); err != nil { // on a slow machine it is late already
				return err
			}
			return db.Gorm().WithContext(ctx).Exec(slow[dialect]).Error
		})
		require.Equal(t, app.TimedOut, app.CodeOf(err), "%v", err)
		require.Equal(t, 1, count(t.Context(), t, db))
	})
}
