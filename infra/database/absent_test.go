package database

import (
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	sqlite3 "modernc.org/sqlite/lib"

	"plugboard/app"
)

// An event handler whose own transaction made the database refuse was run again for ever, since that counted as the
// database's failure. Each code that means 503 is here, with whether the database was absent.
func TestOnlyAnAbsentFullOrStoppedDatabaseIsAbsent(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"08000": true, "08001": true, "08003": true, "08004": true, "08006": true, "08P01": true,
		"57P01": true, "57P02": true, "57P03": true, "57P04": true, "57P05": true,
		"25006": true, "53100": true, "53300": true, "58000": true, "58030": true,
		"25P03": false, "25P04": false, // the transaction did nothing for too long, or took too long
		"40001": false, "40P01": false, "55P03": false, // other transactions
		"53000": false, "53200": false, "53400": false, // memory, temporary files: a statement may need too much
	} {
		err := MapError(&pgconn.PgError{Code: code})
		require.Contains(t, []app.Code{app.Unavailable, app.StorageFull}, app.CodeOf(err), code)
		require.Equal(t, want, Absent(err), code)
	}
	for code, want := range map[int]bool{
		sqlite3.SQLITE_BUSY: true, sqlite3.SQLITE_BUSY_SNAPSHOT: true, sqlite3.SQLITE_PROTOCOL: true, sqlite3.SQLITE_IOERR: true,
		sqlite3.SQLITE_IOERR_WRITE: true, sqlite3.SQLITE_CANTOPEN: true, sqlite3.SQLITE_FULL: true, sqlite3.SQLITE_READONLY_DBMOVED: true,
		sqlite3.SQLITE_LOCKED:    false, // by a statement of the same connection
		sqlite3.SQLITE_NOMEM:     false, // a statement may need too much
		sqlite3.SQLITE_INTERRUPT: false, // its time was over
	} {
		require.Contains(t, []app.Code{app.Unavailable, app.StorageFull}, app.CodeOf(mapSQLite(errTxFailed, code)), code)
		require.Equal(t, want, absentSQLite(code), code)
	}
	require.True(t, Absent(MapError(ErrNotOpen)))
	for _, err := range []error{nil, errTxFailed, MapError(&pgconn.PgError{Code: "57014"}), MapError(&pgconn.PgError{Code: "25P04"}), MapError(&pgconn.PgError{Code: "23505"})} {
		require.False(t, Absent(err), "%v", err)
	}
}
