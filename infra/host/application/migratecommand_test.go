package application_test

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/infra/host/cli"
)

// store has one migration, with the given statement.
func store(up string) fx.Option {
	file := &fstest.MapFile{Data: []byte("-- +goose Up\n" + up + "\n")}
	return fx.Options(infra(), app.Domain("shop",
		app.Migrations(fstest.MapFS{"sqlite/00001_items.sql": file, "postgres/00001_items.sql": file}),
		boots("shop.count_items", func(b *app.Boot) {
			b.GET("/count", app.Handle(func(context.Context, struct{}) (item, error) { return item{}, nil }), app.Tags("Items"))
		}),
	))
}

// An applied migration was edited, and the service started all the same, without the new column. It does not start now,
// migrating or not, until somebody approves the file by name.
func TestAnEditedMigrationStopsTheStart(t *testing.T) {
	t.Parallel()
	environ := inTemp(t)
	before, edited := store("CREATE TABLE items (id INTEGER PRIMARY KEY);"), store("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT);")
	code, _, stderr := run(t, before, environ, "migrate")
	require.Equal(t, cli.ExitClean, code, stderr)

	for _, c := range []struct{ phase, migrate string }{{"run the migrations: check applied migrations", "true"}, {"check the migrations", "false"}} {
		code, _, stderr = run(t, edited, append(environ, "APP_DATABASE_MIGRATE="+c.migrate), "serve")
		require.Equal(t, cli.ExitFailed, code)
		require.Contains(t, stderr, "the application did not start: "+c.phase+": the database was migrated with other files than this version of"+
			" the service has: domain shop: sqlite/00001_items.sql was edited after it was applied on 20")
		require.Contains(t, stderr, "run: migrate --approve shop/00001_items.sql")
	}
	code, stdout, _ := run(t, edited, environ, "migrate", "--status")
	require.Equal(t, cli.ExitClean, code)
	require.Regexp(t, `(?m)^shop +sqlite/00001_items.sql +run \d{4}-\S+ \S+Z, EDITED since$`, stdout)

	code, _, stderr = run(t, edited, environ, "migrate", "--approve", "shop/00002_x.sql", "--by", "jo")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, stderr, "there is nothing to approve about shop/00002_x.sql; edited or gone are shop/00001_items.sql")
	code, stdout, stderr = run(t, edited, environ, "migrate", "--approve", "shop/00001_items.sql", "--by", "jo")
	require.Equal(t, cli.ExitClean, code, stderr)
	require.Regexp(t, `(?m)^shop +sqlite/00001_items.sql +run \d{4}-\S+ \S+Z, approved by jo \d{4}-\S+ \S+Z$`, stdout)
	code, _, stderr = run(t, edited, environ, "migrate")
	require.Equal(t, cli.ExitClean, code, stderr)
}
