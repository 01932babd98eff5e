package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	sqlite3 "modernc.org/sqlite/lib"

	"plugboard/infra/database/internal/contract"
)

// An event handler whose own transaction made the database refuse was run again for ever, since that counted as the
// database's failure. Each code that means 503 is here, with whether the database was absent.
func TestOnlyAnAbsentOrFullFileIsAbsent(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]bool{
		sqlite3.SQLITE_BUSY: true, sqlite3.SQLITE_BUSY_SNAPSHOT: true, sqlite3.SQLITE_PROTOCOL: true, sqlite3.SQLITE_IOERR: true,
		sqlite3.SQLITE_IOERR_WRITE: true, sqlite3.SQLITE_CANTOPEN: true, sqlite3.SQLITE_FULL: true, sqlite3.SQLITE_READONLY_DBMOVED: true,
		sqlite3.SQLITE_LOCKED:    false, // by a statement of the same connection
		sqlite3.SQLITE_NOMEM:     false, // a statement may need too much
		sqlite3.SQLITE_INTERRUPT: false, // its time was over
	} {
		fault := faultOf(code)
		require.Contains(t, []contract.Kind{contract.Unavailable, contract.Full}, fault.Kind, code)
		require.Equal(t, want, fault.Absent, code)
		require.Equal(t, fmt.Sprint("SQLite ", code), fault.Number)
	}
}

func TestFaultsOfTheFile(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]contract.Fault{
		sqlite3.SQLITE_CONSTRAINT_UNIQUE:     {Kind: contract.Duplicate},
		sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: {Kind: contract.Duplicate},
		sqlite3.SQLITE_CONSTRAINT_ROWID:      {Kind: contract.Duplicate},
		sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: {Kind: contract.Dangling},
		sqlite3.SQLITE_CONSTRAINT_CHECK:      {Kind: contract.Check},
		sqlite3.SQLITE_CONSTRAINT_NOTNULL:    {Kind: contract.Missing},
		sqlite3.SQLITE_CONSTRAINT_DATATYPE:   {Kind: contract.Invalid},
		sqlite3.SQLITE_TOOBIG:                {Kind: contract.Invalid},
		sqlite3.SQLITE_MISMATCH:              {Kind: contract.Invalid},
		sqlite3.SQLITE_BUSY:                  {Kind: contract.Unavailable, Retry: true, Absent: true},
		sqlite3.SQLITE_LOCKED:                {Kind: contract.Unavailable, Retry: true},
		sqlite3.SQLITE_IOERR_FSYNC:           {Kind: contract.Unavailable, Absent: true, Storage: true},
		sqlite3.SQLITE_FULL:                  {Kind: contract.Full, Absent: true, Storage: true},
		sqlite3.SQLITE_READONLY:              {Storage: true},
		sqlite3.SQLITE_READONLY_DBMOVED:      {Kind: contract.Unavailable, Absent: true, Storage: true},
		sqlite3.SQLITE_CORRUPT:               {Damage: true},
		sqlite3.SQLITE_NOTADB:                {Damage: true},
		sqlite3.SQLITE_ERROR:                 {},
	} {
		want.Number = fmt.Sprint("SQLite ", code)
		require.Equal(t, want, faultOf(code), code)
	}
	fault, ok := Fault(fmt.Errorf("commit: %w", &LossError{path: "x.db", problem: "gone"}))
	require.True(t, ok)
	require.Equal(t, contract.Fault{Kind: contract.Unavailable, Absent: true}, fault)
	_, ok = Fault(errors.New("something else"))
	require.False(t, ok)
}

func TestColumnsOfAViolation(t *testing.T) {
	t.Parallel()
	for message, want := range map[string][]string{
		"constraint failed: UNIQUE constraint failed: products.name (2067)":                {"name"},
		"constraint failed: UNIQUE constraint failed: products.name, products.size (2067)": {"name", "size"},
		"constraint failed: NOT NULL constraint failed: lamps.watts (1299)":                {"watts"},
		"constraint failed: UNIQUE constraint failed: index 'lower_name' (2067)":           nil,
	} {
		require.Equal(t, want, columnsOf(message), message)
	}
}

// Messages name the file themselves, and say what an operator can do.
func TestFileErrorsInPlainWords(t *testing.T) {
	t.Parallel()
	denied := &os.PathError{Op: "open", Path: "/x", Err: fs.ErrPermission}
	require.EqualError(t, explainFile(denied), "it cannot be written; check the permissions of the file and its folder: permission denied")
	require.ErrorIs(t, explainFile(denied), fs.ErrPermission)
	require.EqualError(t, explainFile(&os.PathError{Err: syscall.ENOSPC}), "the disk is full: no space left on device")
	other := errors.New("other")
	require.Same(t, other, explainFile(other))
	require.Same(t, other, explainOpen(other))
}
