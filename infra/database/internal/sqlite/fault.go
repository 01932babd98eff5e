package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"plugboard/infra/database/internal/contract"
)

// Fault tells what an error of SQLite or of its files means. It reports false for any other error.
func Fault(err error) (fault contract.Fault, ok bool) {
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		fault := faultOf(lite.Code())
		if fault.Kind == contract.Duplicate || fault.Kind == contract.Missing {
			fault.Columns = columnsOf(lite.Error())
		}
		return fault, true
	}
	_, lost := errors.AsType[*LossError](err)
	return contract.Fault{Kind: contract.Unavailable, Absent: true}, lost
}

func faultOf(code int) contract.Fault {
	f := contract.Fault{Kind: violationOf(code), Number: "SQLite " + strconv.Itoa(code)}
	if code == sqlite3.SQLITE_READONLY_DBMOVED {
		f.Kind, f.Absent = contract.Unavailable, true
	}
	switch code & 0xff {
	case sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH:
		f.Kind = contract.Invalid
	case sqlite3.SQLITE_LOCKED: // by a statement of the same connection
		f.Kind, f.Retry = contract.Unavailable, true
	case sqlite3.SQLITE_BUSY: // by another process
		f.Kind, f.Retry, f.Absent = contract.Unavailable, true, true
	case sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_CANTOPEN:
		f.Kind, f.Absent = contract.Unavailable, true
	case sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT: // a statement may need too much, or too long
		f.Kind = contract.Unavailable
	case sqlite3.SQLITE_IOERR:
		f.Kind, f.Absent, f.Storage = contract.Unavailable, true, true
	case sqlite3.SQLITE_FULL:
		f.Kind, f.Absent, f.Storage = contract.Full, true, true
	case sqlite3.SQLITE_READONLY:
		f.Storage = true
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		f.Damage = true
	}
	return f
}

func violationOf(code int) contract.Kind {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return contract.Duplicate
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return contract.Dangling
	case sqlite3.SQLITE_CONSTRAINT_CHECK:
		return contract.Check
	case sqlite3.SQLITE_CONSTRAINT_NOTNULL:
		return contract.Missing
	case sqlite3.SQLITE_CONSTRAINT_DATATYPE:
		return contract.Invalid
	default:
		return contract.Other
	}
}

// violated finds the columns in an error: "UNIQUE constraint failed: products.name, products.size". It finds nothing if the index is on an
// expression.
var violated = regexp.MustCompile(`constraint failed: (\w+\.\w+(?:, \w+\.\w+)*)`)

// columnsOf returns the columns that an error names, without the name of their table, which callers need not know.
func columnsOf(message string) (columns []string) {
	found := violated.FindStringSubmatch(message)
	if found == nil {
		return nil
	}
	for name := range strings.SplitSeq(found[1], ", ") {
		columns = append(columns, name[strings.IndexByte(name, '.')+1:])
	}
	return columns
}

// explainOpen puts SQLite's errors when a file is opened in plain words.
func explainOpen(err error) error {
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return err
	}
	switch lite.Code() & 0xff {
	case sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("it is not a SQLite database, or it is damaged: %w", err)
	case sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("it is damaged; restore it from a backup: %w", err)
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return fmt.Errorf("it cannot be written; check the permissions of the file and its folder: %w", err)
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("another program has locked it: %w", err)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("the disk is full: %w", err)
	case sqlite3.SQLITE_IOERR:
		return fmt.Errorf("the disk is full, or fails: %w", err)
	default:
		return err
	}
}

// explainFile does the same for errors of the system.
func explainFile(err error) error {
	switch err = bare(err); {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("it cannot be written; check the permissions of the file and its folder: %w", err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("the disk is full: %w", err)
	default:
		return err
	}
}

// bare removes the path from an error of a file, because the messages here name the file.
func bare(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err
	}
	return err
}
