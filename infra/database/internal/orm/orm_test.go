package orm_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"plugboard/app"
	"plugboard/infra/database/internal/orm"
)

var errHandle = errors.New("the handle's own")

// handle is one without a database. It notes what is asked of it.
type handle struct{ asked []string }

func (h *handle) PrepareContext(context.Context, string) (*sql.Stmt, error) { return nil, errHandle }
func (h *handle) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	return nil, errHandle
}
func (h *handle) QueryContext(context.Context, string, ...any) (*sql.Rows, error) {
	return nil, errHandle
}
func (h *handle) QueryRowContext(context.Context, string, ...any) *sql.Row { return nil }
func (h *handle) Translate(error) error                                    { return errHandle }
func (h *handle) SavePoint(_ *gorm.DB, name string) error {
	h.asked = append(h.asked, "set "+name)
	return nil
}

func (h *handle) RollbackTo(_ *gorm.DB, name string) error {
	h.asked = append(h.asked, "back to "+name)
	return nil
}

// eachDatabase runs test with a GORM handle for each database, which only writes statements.
func eachDatabase(t *testing.T, test func(t *testing.T, db *gorm.DB, h *handle, sqlite bool)) {
	t.Helper()
	for name, dialector := range map[string]func(orm.Handle) gorm.Dialector{"sqlite": orm.SQLite, "postgres": orm.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &handle{}
			db, err := gorm.Open(dialector(h), &gorm.Config{DryRun: true, DisableAutomaticPing: true, SkipDefaultTransaction: true, TranslateError: true})
			require.NoError(t, err)
			require.Equal(t, name, db.Name())
			test(t, db, h, name == "sqlite")
		})
	}
}

type lamp struct {
	ID    int64
	Name  string
	Watts int64 `gorm:"default:5"`
}

// A handle's errors and savepoints are its own on both databases.
func TestTheHandleDecides(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db *gorm.DB, h *handle, _ bool) {
		require.NoError(t, db.SavePoint("a").Error)
		require.NoError(t, db.RollbackTo("a").Error)
		require.Equal(t, []string{"set a", "back to a"}, h.asked)
		translator, ok := db.Dialector.(gorm.ErrorTranslator)
		require.True(t, ok)
		require.ErrorIs(t, translator.Translate(errors.New("a driver's")), errHandle)
	})
}

func TestStatementsOfBothDatabases(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db *gorm.DB, _ *handle, sqlite bool) {
		text := func(tx *gorm.DB) string { return tx.Statement.SQL.String() }
		var found []lamp
		for _, c := range []struct {
			tx               *gorm.DB
			sqlite, postgres string
		}{
			{db.Where("name = ?", "x").Find(&found), `SELECT * FROM "lamps" WHERE name = ?`, `SELECT * FROM "lamps" WHERE name = $1`},
			{db.Offset(3).Find(&found), `SELECT * FROM "lamps" LIMIT -1 OFFSET 3`, `SELECT * FROM "lamps" OFFSET $1`},
			{db.Limit(0).Find(&found), `SELECT * FROM "lamps" LIMIT 0`, `SELECT * FROM "lamps" LIMIT $1`},
			{db.Clauses(clause.Locking{Strength: "UPDATE"}).Find(&found), `SELECT * FROM "lamps" `, `SELECT * FROM "lamps" FOR UPDATE`},
			{db.Create(&lamp{Name: "x"}), `INSERT INTO "lamps" ("name","watts") VALUES (?,?) RETURNING "id"`, `INSERT INTO "lamps" ("name","watts") VALUES ($1,$2) RETURNING "id"`},
			{db.Table("a.b").Where(clause.Eq{Column: clause.Column{Name: `we"ird`}, Value: 1}).Find(&[]map[string]any{}), `SELECT * FROM "a"."b" WHERE "we""ird" = ?`, `SELECT * FROM "a"."b" WHERE "we""ird" = $1`},
		} {
			want := c.postgres
			if sqlite {
				want = c.sqlite
			}
			require.Equal(t, want, text(c.tx))
		}
	})
}

// The log shows statements without their values, which may be secret.
func TestLogger(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.DebugLevel)
	l := orm.NewLogger(zap.New(core), time.Second)
	statement := func() (string, int64) { return "SELECT ?", 3 }
	ctx := app.WithCall(t.Context(), &app.Call{Plugin: "lamps.list"})
	l.Trace(ctx, time.Now(), statement, errHandle)
	l.Trace(ctx, time.Now().Add(-time.Minute), statement, nil)
	l.LogMode(0).Warn(ctx, "careful with %s", "this")
	l.Info(ctx, "told")
	l.Error(ctx, "failed")
	entries := logs.TakeAll()
	require.Len(t, entries, 5)
	for i, want := range []string{"debug statement", "warn slow statement", "warn careful with this", "debug told", "error failed"} {
		require.Equal(t, want, entries[i].Level.String()+" "+entries[i].Message)
	}
	fields := entries[1].ContextMap()
	require.Equal(t, "SELECT ?", fields["sql"])
	require.EqualValues(t, 3, fields["rows"])
	require.Equal(t, "lamps.list", fields["for_plugin"])
	query, values := l.ParamsFilter(ctx, "SELECT ?", "secret")
	require.Equal(t, "SELECT ?", query)
	require.Empty(t, values)
}
