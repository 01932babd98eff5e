package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"plugboard/app"
)

// MapError turns an error of either database's driver into an *app.Error with a code, a message fit for the caller, and
// the driver's error as its cause:
//
//   - unique, foreign key and exclusion constraints: app.Conflict
//   - check and not-null constraints, values too long, out of range or malformed: app.Invalid
//   - busy, deadlock, serialization, too many connections, connection lost, shutdown, I/O error: app.Unavailable
//   - disk full: app.StorageFull
//   - deadline passed: app.TimedOut
//
// errors.Is still finds gorm.ErrDuplicatedKey, gorm.ErrForeignKeyViolated and gorm.ErrCheckConstraintViolated. Any other
// error is returned unchanged: an *app.Error, context.Canceled, and gorm.ErrRecordNotFound and sql.ErrNoRows too, since
// whether a missing row is the caller's mistake is the plugin's to say.
func MapError(err error) error {
	mapped := mapStatement(err)
	if app.CodeOf(mapped) != app.Internal {
		return mapped
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return app.Errorf(app.TimedOut, "the database did not answer in time").Because(err)
	case lostConnection(err), errors.Is(err, ErrNotOpen):
		return unavailable(err)
	default:
		return mapped
	}
}

// mapStatement is MapError for errors that only a database can have made. The error of a transaction's function may
// come from elsewhere: a lost connection, or a deadline, may be another service's.
func mapStatement(err error) error {
	var known *app.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return mapPostgres(err, pg.Code)
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return mapSQLite(err, lite.Code())
	}
	if _, ok := errors.AsType[*lossError](err); ok {
		return unavailable(err)
	}
	return err
}

func mapPostgres(err error, code string) error {
	switch code {
	case "23505":
		return duplicate(err)
	case "23503":
		return dangling(err)
	case "23P01":
		return app.Errorf(app.Conflict, "conflicts with what is stored").Because(err)
	case "23514":
		return invalid(violation{gorm.ErrCheckConstraintViolated, err})
	case "23502":
		return missing(err)
	case "22001", "22003", "22007", "22008", "22021", "22P02", "22P05":
		return invalid(err)
	case "40001", "40P01", "55P03", "25006", "25P03", "25P04", "53000", "53200", "53300", "53400", "58000", "58030":
		return unavailable(err)
	case "53100":
		return full(err)
	case "57014":
		return app.Errorf(app.TimedOut, "the database did not answer in time").Because(err)
	case "25P02":
		return fmt.Errorf("%w: %w", errTxFailed, err)
	}
	if strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P") {
		return unavailable(err)
	}
	return err
}

func mapSQLite(err error, code int) error {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return duplicate(err)
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return dangling(err)
	case sqlite3.SQLITE_CONSTRAINT_CHECK:
		return invalid(violation{gorm.ErrCheckConstraintViolated, err})
	case sqlite3.SQLITE_CONSTRAINT_NOTNULL:
		return missing(err)
	case sqlite3.SQLITE_CONSTRAINT_DATATYPE:
		return invalid(err)
	case sqlite3.SQLITE_READONLY_DBMOVED:
		return unavailable(err)
	}
	switch code & 0xff {
	case sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH:
		return invalid(err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_INTERRUPT:
		return unavailable(err)
	case sqlite3.SQLITE_FULL:
		return full(err)
	default:
		return err
	}
}

func duplicate(err error) error {
	known := app.Errorf(app.Conflict, "already exists")
	if columns := columnsOf(err); columns != nil {
		known = app.Errorf(app.Conflict, "there is one with the same %s already", strings.Join(columns, " and "))
	}
	return known.Because(violation{gorm.ErrDuplicatedKey, err})
}

// missing is for a column that must have a value and was given none.
func missing(err error) error {
	columns := columnsOf(err)
	if columns == nil {
		return invalid(err)
	}
	known := app.Errorf(app.Invalid, "%s is required", columns[0])
	known.Details = []app.Violation{{Field: columns[0], Rule: "required", Message: "is required"}}
	return known.Because(err)
}

// The columns in the drivers' errors: "UNIQUE constraint failed: products.name, products.size" on SQLite, and in the detail of
// a unique violation "Key (name, size)=(…) already exists." on Postgres, in the server's language. Expressions are none.
var (
	sqliteViolated   = regexp.MustCompile(`constraint failed: (\w+\.\w+(?:, \w+\.\w+)*)`)
	postgresViolated = regexp.MustCompile(`\((\w+(?:, \w+)*)\)=\(`)
)

// columnsOf names the columns that a violated constraint is about, where the driver knows them. The name of the table is
// nobody's business.
func columnsOf(err error) (columns []string) {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		if pg.ColumnName != "" {
			return []string{pg.ColumnName}
		}
		if found := postgresViolated.FindStringSubmatch(pg.Detail); found != nil {
			return strings.Split(found[1], ", ")
		}
		return nil
	}
	found := sqliteViolated.FindStringSubmatch(err.Error())
	if found == nil {
		return nil
	}
	for name := range strings.SplitSeq(found[1], ", ") {
		columns = append(columns, name[strings.IndexByte(name, '.')+1:])
	}
	return columns
}

func dangling(err error) error {
	return app.Errorf(app.Conflict, "refers to something that does not exist, or is still referred to").
		Because(violation{gorm.ErrForeignKeyViolated, err})
}

func invalid(err error) error {
	return app.Errorf(app.Invalid, "has a value that cannot be stored").Because(err)
}

func full(err error) error {
	return app.Errorf(app.StorageFull, "the storage is full").Because(err)
}

func unavailable(err error) error {
	mapped := app.Errorf(app.Unavailable, "the database is not available; try again").Because(err)
	mapped.RetryAfter = retryAfter
	return mapped
}

// violation is a driver's error that is also one of GORM's.
type violation struct{ gorm, driver error }

func (v violation) Error() string   { return v.driver.Error() }
func (v violation) Unwrap() []error { return []error{v.gorm, v.driver} }

// errTxFailed is the error of statements in a transaction in which one has failed.
var errTxFailed = errors.New("an earlier statement of this transaction failed: return its error, or run what may fail" +
	" in a nested app.InTx")

var (
	// errCommitUnknown marks a commit whose answer was lost: the transaction may or may not have been committed.
	errCommitUnknown = errors.New("the connection was lost while committing; whether the transaction was committed is unknown")
	// errAnswerLost is the error of a statement that was sent and whose answer never came.
	errAnswerLost = fmt.Errorf("the connection was lost while a statement ran; whether it took effect is unknown: %w", io.ErrUnexpectedEOF)
	// errNotCommitted marks a commit that was never sent, since the connection was lost before.
	errNotCommitted = errors.New("the connection was lost before COMMIT was sent; nothing was committed")
)

// commitError explains the error of a commit.
func commitError(err error) error {
	switch {
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return fmt.Errorf("commit: %w", errTxFailed)
	case errors.Is(err, errCommitUnknown): // without advice to try again: it may be stored
		return app.Errorf(app.Unavailable, "the connection to the database was lost; whether this was stored is unknown").Because(err)
	case lostConnection(err), errors.Is(err, errNotCommitted), errors.Is(err, context.Canceled):
		return unavailable(err)
	default:
		return MapError(err)
	}
}

// lostConnection tells whether err is that of a connection that broke, or could not be made.
func lostConnection(err error) bool {
	var (
		netErr  net.Error
		connect *pgconn.ConnectError
	)
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &connect) || errors.As(err, &netErr) || errors.Is(err, pgconn.ErrConnClosed)
}

// retryable tells whether a transaction that failed with err is worth another try: it failed because of others, and
// has certainly not been committed.
func retryable(err error) bool {
	if errors.Is(err, errCommitUnknown) || errors.Is(err, errBusy) {
		return false
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "40001" || pg.Code == "40P01" || strings.HasPrefix(pg.Code, "57P0") || stalePlan(pg)
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		code := lite.Code() & 0xff
		return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
	}
	var mapped *app.Error
	return errors.As(err, &mapped) && mapped.Code == app.Unavailable && mapped.Unwrap() != nil && lostConnection(mapped.Unwrap())
}
