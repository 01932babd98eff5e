package migrate

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	_ "modernc.org/sqlite" // the plain driver: migrations need no connector
)

// TestMain finds goroutines that outlive what started them.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onFile returns a migrator of a new SQLite file.
func onFile(t *testing.T) *Migrator {
	t.Helper()
	pool, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "x.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	pool.SetMaxOpenConns(1)
	return &Migrator{Dialect: SQLite, Pool: pool, Logger: zap.NewNop()}
}

// files makes a set of files with the given texts, numbered from 1.
func files(texts ...string) []Set {
	folder := fstest.MapFS{}
	for i, text := range texts {
		name := "sqlite/0000" + string(rune('1'+i)) + "_step.sql"
		folder[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + text)}
	}
	return []Set{{Domain: "things", FS: folder}}
}

func (m *Migrator) states(t *testing.T, sets []Set) []State {
	t.Helper()
	states, err := m.States(t.Context(), m.Pool, sets)
	require.NoError(t, err)
	return states
}

func TestMigrateAppliesWhatIsMissing(t *testing.T) {
	t.Parallel()
	m := onFile(t)
	one, two := files("CREATE TABLE a (id INTEGER);"), files("CREATE TABLE a (id INTEGER);", "CREATE TABLE b (id INTEGER);")
	require.ErrorIs(t, Check(m.states(t, one)), ErrNotMigrated)
	require.NoError(t, m.Migrate(t.Context(), one))
	require.NoError(t, Check(m.states(t, one)))
	require.EqualError(t, Check(m.states(t, two)), ErrNotMigrated.Error()+": domain things: sqlite/00002_step.sql has not been applied")
	require.NoError(t, m.Migrate(t.Context(), two))
	require.NoError(t, m.Migrate(t.Context(), two), "there is nothing to do")
	require.NoError(t, Check(m.states(t, one)), "a newer version has migrated further")
	tables, err := readAll[string](t.Context(), m.Pool, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('a', 'b')")
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"a", "b"}, tables)
}

// A file is one transaction: what it did before its mistake is undone, and the error names file and statement.
func TestAFailedFileLeavesNothing(t *testing.T) {
	t.Parallel()
	m := onFile(t)
	sets := files("CREATE TABLE a (id INTEGER);", "CREATE TABLE b (id INTEGER);\nINSERT INTO missing VALUES (1);")
	err := m.Migrate(t.Context(), sets)
	require.ErrorContains(t, err, "migrate domain things: sqlite/00002_step.sql: ")
	require.ErrorContains(t, err, "in the statement: INSERT INTO missing")
	states := m.states(t, sets)
	require.True(t, states[0].Applied)
	require.False(t, states[1].Applied)
	exists, err := m.tableExists(t.Context(), m.Pool, "b")
	require.NoError(t, err)
	require.False(t, exists)
}

func TestAnEditedFileIsRefusedAndApproved(t *testing.T) {
	t.Parallel()
	m := onFile(t)
	require.NoError(t, m.Migrate(t.Context(), files("CREATE TABLE a (id INTEGER);", "SELECT 1;")))
	edited := files("CREATE TABLE a (id BIGINT);", "SELECT 1;")
	err := m.Migrate(t.Context(), edited)
	require.ErrorIs(t, err, ErrChanged)
	require.ErrorContains(t, err, "run: migrate --approve things/00001_step.sql")
	require.ErrorContains(t, m.Approve(t.Context(), edited, []string{"things/00002_step.sql"}, "ann"),
		"there is nothing to approve about things/00002_step.sql; edited or gone are things/00001_step.sql")
	require.NoError(t, m.Approve(t.Context(), edited, []string{"things/00001_step.sql"}, "ann"))
	require.NoError(t, m.Migrate(t.Context(), edited))
	state := m.states(t, edited)[0]
	require.Equal(t, "ann", state.ApprovedBy)
	require.WithinDuration(t, time.Now(), state.ApprovedAt, time.Hour)
	require.False(t, state.Edited)
}

func TestAFileThatIsGone(t *testing.T) {
	t.Parallel()
	m := onFile(t)
	all := files("SELECT 1;", "SELECT 2;")
	require.NoError(t, m.Migrate(t.Context(), all))
	gone := []Set{{Domain: "things", FS: fstest.MapFS{"sqlite/00002_step.sql": all[0].FS.(fstest.MapFS)["sqlite/00002_step.sql"]}}}
	err := Check(m.states(t, gone))
	require.ErrorIs(t, err, ErrChanged)
	require.ErrorContains(t, err, "is gone, though there are later ones. Restore it as 00001_step.sql")
	require.NoError(t, m.Approve(t.Context(), gone, []string{"things/00001_step.sql"}, "ann"))
	require.NoError(t, Check(m.states(t, gone)))
}

func TestSetsThatAreNone(t *testing.T) {
	t.Parallel()
	m := onFile(t)
	for want, set := range map[string]Set{
		"is not a valid name for a domain":                    {Domain: "Things!", FS: fstest.MapFS{}},
		"no migrations: there is no file sqlite/*.sql":        {Domain: "things", FS: fstest.MapFS{"postgres/00001_x.sql": {}}},
		`sqlite/x.sql: name it like "00001_what_it_does.sql"`: {Domain: "things", FS: fstest.MapFS{"sqlite/x.sql": {}}},
		"have the same number":                                {Domain: "things", FS: fstest.MapFS{"sqlite/00001_x.sql": {}, "sqlite/1_y.sql": {}}},
	} {
		require.ErrorContains(t, m.Migrate(t.Context(), []Set{set}), want)
	}
}

func TestChecksumsKnowNoLineEnds(t *testing.T) {
	t.Parallel()
	require.Equal(t, checksum([]byte("a\nb\n")), checksum([]byte("a\r\nb\r\n")))
	require.NotEqual(t, checksum([]byte("a\nb")), checksum([]byte("a\nb -- c")))
}

func TestNumbered(t *testing.T) {
	t.Parallel()
	const query = "INSERT INTO x VALUES (?, ?)"
	require.Equal(t, query, (&Migrator{Dialect: SQLite}).numbered(query))
	require.Equal(t, "INSERT INTO x VALUES ($1, $2)", (&Migrator{Dialect: Postgres}).numbered(query))
}

// What referred to missing rows before a file is not the file's doing.
func TestOrphansBeyond(t *testing.T) {
	t.Parallel()
	row := func(id int64) reference {
		return reference{table: "lamps", parent: "rooms", row: sql.NullInt64{Int64: id, Valid: true}}
	}
	before, after := orphans{row(1): 1}, orphans{row(1): 1, row(2): 1, row(3): 1, {table: "odd", problem: "no index"}: 1}
	added := after.beyond(before)
	require.Equal(t, "rows of table lamps that refer to missing rows of table rooms: 2; the foreign keys of table odd cannot be checked: no index",
		added.String())
	require.Empty(t, before.beyond(after))
	require.EqualError(t, &orphansError{added: before.beyond(orphans{}), before: orphans{row(9): 1}},
		"it breaks foreign keys: rows of table lamps that refer to missing rows of table rooms: 1. While a migration runs, ON DELETE and"+
			" ON UPDATE do nothing: it has to change or delete the referring rows itself. Before it there were already:"+
			" rows of table lamps that refer to missing rows of table rooms: 1")
}

// A migration does not go on once its context has ended.
func TestMigrateEndsWithItsContext(t *testing.T) {
	t.Parallel()
	m := onFile(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := m.Migrate(ctx, files("CREATE TABLE a (id INTEGER);"))
	require.ErrorIs(t, err, context.Canceled)
}
