package database_test

import (
	"context"
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"plugboard/infra/database"
)

// onSQLite makes a set of files for SQLite, numbered from 1. Each begins with goose's own lines.
func onSQLite(files ...string) database.MigrationSet {
	all := fstest.MapFS{}
	for i, up := range files {
		all[fmt.Sprintf("sqlite/%05d_step.sql", i+1)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + up + "\n")}
	}
	return database.MigrationSet{Domain: "rugs", FS: all}
}

const (
	// rooms and their chairs, which go with their room.
	roomsAndChairs = `CREATE TABLE halls (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE chairs (id INTEGER PRIMARY KEY, hall_id INTEGER NOT NULL REFERENCES halls (id) ON DELETE CASCADE);
INSERT INTO halls VALUES (1, 'blue'), (2, 'red');
INSERT INTO chairs VALUES (1, 1), (2, 1), (3, 2);`
	// rebuilt is SQLite's own way of changing what ALTER TABLE cannot.
	rebuilt = `CREATE TABLE new_halls (id INTEGER PRIMARY KEY, name TEXT NOT NULL CHECK (name <> ''));
INSERT INTO new_halls SELECT id, name FROM halls;
DROP TABLE halls;
ALTER TABLE new_halls RENAME TO halls;`
)

// chairs are the ids of those that are left.
func chairs(t *testing.T, db *database.DB) []int {
	t.Helper()
	var ids []int
	require.NoError(t, db.Gorm().WithContext(t.Context()).Raw("SELECT id FROM chairs ORDER BY id").Scan(&ids).Error)
	return ids
}

// A migration rebuilt a table as SQLite's documentation describes, and the rows that referred to it were deleted, without
// a word: dropping a table deletes its rows, and ON DELETE CASCADE theirs.
func TestARebuiltTableKeepsItsChildren(t *testing.T) {
	t.Parallel()
	for name, rebuild := range map[string]string{
		"plain":          rebuilt,
		"switched off":   "PRAGMA foreign_keys=OFF;\n" + rebuilt + "\nPRAGMA foreign_keys=ON;",
		"no transaction": "-- +goose NO TRANSACTION\nPRAGMA foreign_keys=OFF;\nBEGIN;\n" + rebuilt + "\nCOMMIT;\nPRAGMA foreign_keys=ON;",
		"with a view and a trigger": `CREATE VIEW names AS SELECT name FROM halls;
-- +goose StatementBegin
CREATE TRIGGER on_chair AFTER INSERT ON chairs BEGIN UPDATE halls SET name = name WHERE id = NEW.hall_id; END;
-- +goose StatementEnd
PRAGMA legacy_alter_table=ON;
` + rebuilt,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := fresh(t, database.SQLite)
			set := onSQLite(roomsAndChairs, rebuild, `CREATE TABLE parts (id INTEGER PRIMARY KEY, chair INTEGER REFERENCES chairs (id));
ALTER TABLE chairs RENAME TO seats;
ALTER TABLE seats RENAME TO chairs;`)
			require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{set}))
			require.Equal(t, []int{1, 2, 3}, chairs(t, db))
			h := db.Gorm().WithContext(t.Context())
			require.ErrorContains(t, h.Exec("INSERT INTO chairs VALUES (4, 7)").Error, "refers to something that does not exist")
			require.NoError(t, h.Exec("INSERT INTO chairs VALUES (4, 2)").Error)
			require.NoError(t, h.Exec("INSERT INTO parts VALUES (1, 4)").Error, "what one file has set with PRAGMA is not the next one's")
			require.NoError(t, h.Exec("DELETE FROM parts").Error)
			require.NoError(t, h.Exec("DELETE FROM halls WHERE id = 1").Error)
			require.Equal(t, []int{3, 4}, chairs(t, db), "foreign keys are enforced again")
		})
	}
}

// What leaves rows that refer to nothing fails, and is undone.
func TestAMigrationThatBreaksForeignKeysFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ up, want string }{
		"rows are lost": {
			"DELETE FROM halls WHERE id = 1;",
			"sqlite/00002_step.sql: it breaks foreign keys: rows of table chairs that refer to missing rows of table halls: 2. While",
		},
		"the parent is lost": {"DROP TABLE halls;", "rows of table chairs that refer to missing rows of table halls: 3"},
		"numbers change":     {"UPDATE halls SET id = id + 10;", "rows of table chairs that refer to missing rows of table halls: 3"},
		"a table without rowid": {
			"CREATE TABLE doors (name TEXT PRIMARY KEY, hall_id INTEGER REFERENCES halls (id)) WITHOUT ROWID;\nINSERT INTO doors VALUES ('a', 9), ('b', 1);",
			"rows of table doors that refer to missing rows of table halls: 1",
		},
		"a parent without its index": {
			lines("CREATE TABLE doors (id INTEGER PRIMARY KEY, hall TEXT REFERENCES halls (name));", "INSERT INTO doors VALUES (1, NULL);"),
			`the foreign keys of table doors cannot be checked: SQL logic error: foreign key mismatch - "doors" referencing "halls"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := fresh(t, database.SQLite)
			require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{onSQLite(roomsAndChairs)}))
			set := onSQLite(roomsAndChairs, c.up)
			err := db.Migrate(t.Context(), []database.MigrationSet{set})
			require.ErrorContains(t, err, "migrate domain rugs: ")
			require.ErrorContains(t, err, c.want)
			require.Equal(t, []int{1, 2, 3}, chairs(t, db))
			require.ErrorIs(t, db.CheckMigrated(t.Context(), []database.MigrationSet{set}), database.ErrNotMigrated)
			h := db.Gorm().WithContext(t.Context())
			require.ErrorContains(t, h.Exec("INSERT INTO chairs VALUES (4, 7)").Error, "refers to something that does not exist")
		})
	}
}

func lines(statements ...string) (all string) {
	for _, s := range statements {
		all += s + "\n"
	}
	return all
}

// A file outside a transaction cannot be undone, but it is not called applied either.
func TestABrokenFileOutsideATransactionIsNotApplied(t *testing.T) {
	t.Parallel()
	db := fresh(t, database.SQLite)
	set := onSQLite(roomsAndChairs, "-- +goose NO TRANSACTION\nDELETE FROM halls WHERE id = 1;")
	for range 2 {
		require.ErrorContains(t, db.Migrate(t.Context(), []database.MigrationSet{set}),
			"rows of table chairs that refer to missing rows of table halls: 2")
		require.ErrorContains(t, db.CheckMigrated(t.Context(), []database.MigrationSet{set}), "00002_step.sql has not been applied")
		require.NoError(t, db.Gorm().WithContext(t.Context()).Exec("DELETE FROM chairs; INSERT INTO halls VALUES (1, 'blue'); INSERT INTO chairs VALUES (1, 1), (2, 1)").Error)
	}
}

// A file began a transaction of its own and never committed it: it went with its connection, and was called applied.
func TestAFileThatNeverCommitsIsNotApplied(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, dialect database.Dialect) {
		db := fresh(t, dialect)
		set := numbered("rugs", map[string]string{
			"00001_rugs.sql": "-- +goose NO TRANSACTION\nBEGIN;\nCREATE TABLE rugs (id BIGINT);",
		})
		require.ErrorContains(t, db.Migrate(t.Context(), []database.MigrationSet{set}),
			"/00001_rugs.sql: it began a transaction without committing it")
		require.ErrorIs(t, db.CheckMigrated(t.Context(), []database.MigrationSet{set}), database.ErrNotMigrated)
	})
}

// Rows that referred to nothing before a migration hold it up no more than they did, and are told of.
func TestRowsThatWereBrokenBeforeHoldUpNoMigration(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	db, err := database.New(settings(t, database.SQLite), zap.New(core))
	require.NoError(t, err)
	require.NoError(t, db.Open(t.Context()))
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	first := onSQLite(roomsAndChairs)
	require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{first}))
	h := db.Gorm().WithContext(t.Context())
	for _, statement := range []string{
		"PRAGMA foreign_keys=OFF", "INSERT INTO chairs VALUES (4, 9)",
		"CREATE TABLE doors (id INTEGER PRIMARY KEY, hall TEXT REFERENCES halls (name))", "INSERT INTO doors VALUES (1, 'x')",
		"PRAGMA foreign_keys=ON",
	} {
		require.NoError(t, h.Exec(statement).Error)
	}
	require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{first}), "with nothing to apply")
	require.Zero(t, logs.Len())

	require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{onSQLite(roomsAndChairs, rebuilt)}))
	require.Equal(t, []int{1, 2, 3, 4}, chairs(t, db))
	require.Equal(t, 1, logs.Len())
	require.Equal(t, "rows of table chairs that refer to missing rows of table halls: 1; the foreign keys of table doors cannot be checked: "+
		`SQL logic error: foreign key mismatch - "doors" referencing "halls" (1)`, logs.All()[0].ContextMap()["rows"])

	err = db.Migrate(t.Context(), []database.MigrationSet{onSQLite(roomsAndChairs, rebuilt, "DELETE FROM chairs WHERE id = 4; DELETE FROM halls WHERE id = 2;")})
	require.ErrorContains(t, err, "rows of table chairs that refer to missing rows of table halls: 1. While")
	require.ErrorContains(t, err, "Before it there were already: rows of table chairs that refer to missing rows of table halls: 1;")
	require.Equal(t, []int{1, 2, 3, 4}, chairs(t, db))
	require.NoError(t, db.Migrate(t.Context(), []database.MigrationSet{onSQLite(roomsAndChairs, rebuilt, "DELETE FROM chairs WHERE id = 4;")}))
}
