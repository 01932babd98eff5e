package database

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"plugboard/app"
)

// Absent reports whether a transaction failed because the database was absent, full, read-only, or stopped from outside. It
// is false for what statements of the transaction itself can bring about, again and again: a conflict with other
// transactions, a lock that was not to be had, memory used up, or the end of a session that did nothing for too long.
func Absent(err error) bool {
	if code := app.CodeOf(err); code != app.Unavailable && code != app.StorageFull {
		return false
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return absentPostgres(pg.Code)
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return absentSQLite(lite.Code())
	}
	return true // the connection was lost, or could not be made
}

func absentPostgres(code string) bool {
	switch code {
	case "25006", // read-only: a standby, or a primary that an operator has made so
		"53100",          // disk full
		"53300",          // too many connections
		"58000", "58030": // the system under it, its disk
		return true
	}
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P") // connection lost; stopped by an operator, or starting
}

func absentSQLite(code int) bool {
	if code == sqlite3.SQLITE_READONLY_DBMOVED {
		return true
	}
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL, // another process holds the file
		sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL:
		return true
	}
	return false
}
