package apptest

import (
	"context"
	"testing"

	"go.uber.org/fx"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/app/apptest/emptydb"
	"plugboard/config"
	"plugboard/infra/database"
)

// Database is an empty database of a test's own. It is a part for [New]; booting twice on the same one is a
// restart. Make it with [SQLite], [Postgres] or [EachDatabase]; it is gone when the test ends.
type Database struct {
	fx.Option
	// URL is the value of the setting database.url.
	URL string
	// Dialect names the kind of database.
	Dialect database.Dialect
}

// EachDatabase runs fn as one parallel subtest per kind of database, each with an empty one. The Postgres
// half is skipped when TEST_DATABASE_URL is not set; "go tool plug test" starts a server and sets it.
func EachDatabase(t *testing.T, fn func(t *testing.T, db Database)) {
	t.Helper()
	for name, empty := range map[string]func(testing.TB) Database{"sqlite": SQLite, "postgres": Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn(t, empty(t))
		})
	}
}

// SQLite returns an empty SQLite database in a temporary folder.
func SQLite(t testing.TB) Database {
	t.Helper()
	return Database{Option: fx.Options(), URL: emptydb.SQLite(t), Dialect: database.SQLite}
}

// Postgres returns an empty schema of the Postgres that TEST_DATABASE_URL names, and skips the test when
// that is not set.
func Postgres(t testing.TB) Database {
	t.Helper()
	url := emptydb.Postgres(t) + "&synchronous_commit=off" // no test of the kit pulls the plug
	return Database{Option: fx.Options(), URL: url, Dialect: database.Postgres}
}

// Open returns the handle that plugins get, on this database with the domains' migrations run, for plugins
// made by hand. It is closed when the test ends. SQLite serves one at a time: not while an [App] of the
// same database runs.
func (d Database) Open(t testing.TB, domains ...app.DomainModule) *gorm.DB {
	t.Helper()
	cfg := config.Default().Database
	cfg.URL = d.URL
	db, err := database.New(cfg, Logger(t))
	if err != nil {
		t.Fatalf("open database: %v", err)
	}
	ctx := context.WithoutCancel(t.Context())
	if err := db.Open(ctx); err != nil {
		t.Fatalf("open database: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(ctx); err != nil {
			t.Errorf("close database: %v", err)
		}
	})
	if err := db.Migrate(ctx, migrationSets(domains)); err != nil {
		t.Fatalf("migrate database: %v", err)
	}
	return db.Gorm()
}

func migrationSets(domains []app.DomainModule) []database.MigrationSet {
	var sets []database.MigrationSet
	for _, d := range domains {
		for _, part := range d.Parts {
			if m, ok := part.(app.MigrationsPart); ok {
				sets = append(sets, database.MigrationSet{Domain: d.Name, FS: m.FS})
			}
		}
	}
	return sets
}
