package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// The roles of SQLite connections.
const (
	writing = "writing"
	reading = "reading"
	// migrating is writing without foreign keys, which cannot be turned off within a transaction.
	migrating = "migrating"
)

// openSQLite locks and opens the file, creating it and its folder.
func (db *DB) openSQLite(ctx context.Context) (*connections, error) {
	file, unlock, err := lockFile(db.source.file)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", db.source.file, err)
	}
	conns, err := db.connectSQLite(ctx, file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", db.source.file, explainOpen(err)), unlock())
	}
	conns.close = func(ctx context.Context) error { return closeSQLite(ctx, conns, unlock) }
	return conns, nil
}

func (db *DB) connectSQLite(ctx context.Context, file string) (*connections, error) {
	conns := &connections{
		writer: sql.OpenDB(newSQLiteConnector(file, writing, db.cfg.BusyTimeout)),
		reader: sql.OpenDB(newSQLiteConnector(file, reading, db.cfg.BusyTimeout)),
		slot:   &slot{},
	}
	conns.writer.SetMaxOpenConns(1)
	conns.writer.SetConnMaxLifetime(0)
	conns.reader.SetMaxOpenConns(db.cfg.MaxConns)
	conns.reader.SetMaxIdleConns(db.cfg.MaxConns)
	conns.reader.SetConnMaxIdleTime(connIdleTime)
	for _, pool := range []*sql.DB{conns.writer, conns.reader} { // the writer first: it creates the file
		if _, err := pool.ExecContext(ctx, "SELECT count(*) FROM sqlite_schema"); err != nil {
			return nil, errors.Join(err, conns.reader.Close(), conns.writer.Close())
		}
	}
	return conns, nil
}

// closeSQLite waits for the running transaction, moves the log into the file, and unlocks it.
func closeSQLite(ctx context.Context, conns *connections, unlock func() error) error {
	var errs []error
	if err := conns.turn(ctx); err == nil {
		errs = append(errs, conns.reader.Close())
		if _, err := conns.writer.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			errs = append(errs, fmt.Errorf("checkpoint: %w", err))
		}
	} else {
		errs = append(errs, err, conns.reader.Close())
	}
	return errors.Join(append(errs, conns.writer.Close(), unlock())...)
}

// turn waits for the running transaction, and keeps others from beginning.
func (c *connections) turn(ctx context.Context) error {
	if _, err := c.slot.take(ctx, math.MaxInt64, false); err != nil {
		return fmt.Errorf("close database: a transaction is still open: %w", err)
	}
	return nil
}

// lockFile creates file's folder and takes the lock beside it. It returns the file's real path: a file that is reached
// by two names has one lock.
func lockFile(file string) (path string, unlock func() error, err error) {
	if path, err = realPath(file); err != nil {
		return "", nil, err
	}
	lock := flock.New(path+".lock", flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	taken, err := lock.TryLock()
	if err != nil {
		return "", nil, fmt.Errorf("lock %s.lock: %w", file, bare(err))
	}
	if !taken {
		return "", nil, fmt.Errorf("another process%s has it open; a SQLite file belongs to one process at a time, "+
			"so stop the other one or use Postgres", holder(path+".lock"))
	}
	// For the message above; the lock itself does not depend on it.
	_ = os.WriteFile(path+".lock", []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600)
	return path, lock.Unlock, nil
}

func realPath(file string) (string, error) {
	folder := filepath.Dir(file)
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return "", fmt.Errorf("create folder %s: %w", folder, bare(err))
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return "", errors.New("it is a folder; name a file in it")
	}
	path, err := filepath.EvalSymlinks(file)
	if errors.Is(err, os.ErrNotExist) {
		if folder, err = filepath.EvalSymlinks(folder); err == nil {
			path = filepath.Join(folder, filepath.Base(file))
		}
	}
	if err != nil {
		return "", bare(err)
	}
	return filepath.Abs(path)
}

// bare takes the path off a file error: the messages name the file themselves.
func bare(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err
	}
	return err
}

func holder(lock string) string {
	content, err := os.ReadFile(lock) //nolint:gosec // the lock's path is ours
	if pid := strings.TrimSpace(string(content)); err == nil && pid != "" {
		return " (" + pid + ")"
	}
	return ""
}

// explainOpen puts SQLite's errors at opening in plain words.
func explainOpen(err error) error {
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return err
	}
	switch lite.Code() & 0xff {
	case sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("it is not a SQLite database, or it is damaged: %w", err)
	case sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("it is damaged: %w", err)
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return fmt.Errorf("it cannot be written; check the permissions of the file and its folder: %w", err)
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("another program has locked it: %w", err)
	default:
		return err
	}
}

// fileURI returns the DSN of file with options; the path is escaped, so that no character of it is an option.
func fileURI(file string, options url.Values) string {
	return "file:" + (&url.URL{Path: filepath.ToSlash(file)}).EscapedPath() + "?" + options.Encode()
}
