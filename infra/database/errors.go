package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/infra/database/internal/contract"
	"plugboard/infra/database/internal/pgx"
	"plugboard/infra/database/internal/sqlite"
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
// errors.Is still finds gorm.ErrDuplicatedKey, gorm.ErrForeignKeyViolated and gorm.ErrCheckConstraintViolated. A statement in a
// transaction that has failed already gets an error without a code that says so. Any other error is returned unchanged: an *app.Error,
// context.Canceled, and gorm.ErrRecordNotFound and sql.ErrNoRows too, because only the plugin knows whose mistake a missing row is.
func MapError(err error) error {
	mapped := mapStatement(err)
	if app.CodeOf(mapped) != app.Internal {
		return mapped
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return timedOut(err)
	case lostConnection(err), errors.Is(err, ErrNotOpen):
		return unavailable(err)
	default:
		return mapped
	}
}

// mapStatement is MapError for errors that surely come from the database; it leaves others alone. The function of a transaction may
// return a lost connection or a deadline of another service.
func mapStatement(err error) error {
	var known *app.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	fault, ok := faultOf(err)
	if !ok {
		return err
	}
	switch fault.Kind {
	case contract.Duplicate:
		return duplicate(err, fault.Columns)
	case contract.Dangling:
		return app.Errorf(app.Conflict, "refers to something that does not exist, or is still referred to").
			Because(violation{gorm.ErrForeignKeyViolated, err})
	case contract.Conflict:
		return app.Errorf(app.Conflict, "conflicts with what is stored").Because(err)
	case contract.Check:
		return invalid(violation{gorm.ErrCheckConstraintViolated, err})
	case contract.Missing:
		return missing(err, fault.Columns)
	case contract.Invalid:
		return invalid(err)
	case contract.Unavailable:
		return unavailable(err)
	case contract.Full:
		return app.Errorf(app.StorageFull, "the storage is full").Because(err)
	case contract.TimedOut:
		return timedOut(err)
	case contract.TxFailed:
		return fmt.Errorf("%w: %w", contract.ErrTxFailed, err)
	default:
		return err
	}
}

// faultOf tells what an error of either database means.
func faultOf(err error) (contract.Fault, bool) {
	if fault, ok := pgx.Fault(err); ok {
		return fault, true
	}
	return sqlite.Fault(err)
}

func duplicate(err error, columns []string) error {
	known := app.Errorf(app.Conflict, "already exists")
	if columns != nil {
		known = app.Errorf(app.Conflict, "there is one with the same %s already", strings.Join(columns, " and "))
	}
	return known.Because(violation{gorm.ErrDuplicatedKey, err})
}

// missing is the error for a column without the value that it must have.
func missing(err error, columns []string) error {
	if columns == nil {
		return invalid(err)
	}
	known := app.Errorf(app.Invalid, "%s is required", columns[0])
	known.Details = []app.Violation{{Field: columns[0], Rule: "required", Message: "is required"}}
	return known.Because(err)
}

func invalid(err error) error {
	return app.Errorf(app.Invalid, "has a value that cannot be stored").Because(err)
}

func timedOut(err error) error {
	return app.Errorf(app.TimedOut, "the database did not answer in time").Because(err)
}

func unavailable(err error) error {
	return retryLater(app.Errorf(app.Unavailable, "the database is not available; try again").Because(err))
}

// retryLater tells the caller when to try again.
func retryLater(err *app.Error) error {
	err.RetryAfter = retryAfter
	return err
}

// violation is an error of the driver that also matches one of GORM's errors.
type violation struct{ gorm, driver error }

func (v violation) Error() string   { return v.driver.Error() }
func (v violation) Unwrap() []error { return []error{v.gorm, v.driver} }

// commitError gives the error of a commit its code; nil stays nil.
func commitError(err error) error {
	switch {
	case errors.Is(err, contract.ErrTxFailed):
		return fmt.Errorf("commit: %w", err)
	case errors.Is(err, contract.ErrCommitUnknown): // without RetryAfter: a second try might store the work twice
		return app.Errorf(app.Unavailable, "the connection to the database was lost; whether this was stored is unknown").Because(err)
	case lostConnection(err), errors.Is(err, contract.ErrNotCommitted), errors.Is(err, context.Canceled):
		return unavailable(err)
	default:
		return MapError(err)
	}
}

// lostConnection is true if err means that a connection broke or could not be made.
func lostConnection(err error) bool {
	return errors.Is(err, sql.ErrConnDone) || pgx.LostConnection(err)
}

// retryable is true if a transaction that failed with err may run again: others were the reason, and it surely was not committed.
func retryable(err error) bool {
	if errors.Is(err, contract.ErrCommitUnknown) || errors.Is(err, errBusy) {
		return false
	}
	if fault, ok := faultOf(err); ok {
		return fault.Retry
	}
	var mapped *app.Error
	return errors.As(err, &mapped) && mapped.Code == app.Unavailable && mapped.Unwrap() != nil && lostConnection(mapped.Unwrap())
}

// Absent reports whether a transaction failed because the database was absent, full, read-only, or stopped from outside, or because it
// could not begin in time: no connection, or not the writer lock of SQLite, became free. It is false for failures that the transaction's
// own statements can cause again and again: a conflict with other transactions, a row or table that others have locked, too much memory,
// or a session that did nothing for too long.
func Absent(err error) bool {
	if code := app.CodeOf(err); code != app.Unavailable && code != app.StorageFull {
		return false
	}
	if fault, ok := faultOf(err); ok {
		return fault.Absent
	}
	return true // the connection was lost, could not be made, or did not become free
}
