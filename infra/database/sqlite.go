package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"path/filepath"
	"syscall"

	"go.uber.org/zap"
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
	file, err := takeFile(db.source.file, db.logger)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", db.source.file, err)
	}
	file.vitals = &db.vitals
	conns, err := db.connectSQLite(ctx, file)
	if err == nil {
		if err = db.recogniseSQLite(ctx, conns); err != nil {
			err = errors.Join(err, conns.reader.Close(), conns.writer.Close())
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", db.source.file, explainOpen(err)), file.release())
	}
	if file.made != "" {
		db.logger.Info("a new, empty database was made", zap.String("file", file.path), zap.String("since", file.made))
	}
	conns.close = func(ctx context.Context) error { return closeSQLite(ctx, conns) }
	file.setOnLoss(func(ctx context.Context) { db.save(ctx, conns) })
	return conns, nil
}

func (db *DB) connectSQLite(ctx context.Context, file *sqliteFile) (*connections, error) {
	conns := &connections{
		writer: sql.OpenDB(newSQLiteConnector(file, writing, db.cfg.BusyTimeout)),
		reader: sql.OpenDB(newSQLiteConnector(file, reading, db.cfg.BusyTimeout)),
		slot:   &slot{},
		file:   file,
	}
	conns.writer.SetMaxOpenConns(1)
	conns.writer.SetConnMaxLifetime(0)
	conns.reader.SetMaxOpenConns(db.cfg.MaxConns)
	conns.reader.SetMaxIdleConns(db.cfg.MaxConns)
	conns.reader.SetConnMaxIdleTime(connIdleTime)
	for _, pool := range []*sql.DB{conns.writer, conns.reader} { // the writer first: it makes the write-ahead log
		if _, err := pool.ExecContext(ctx, "SELECT count(*) FROM sqlite_schema"); err != nil {
			return nil, errors.Join(err, conns.reader.Close(), conns.writer.Close())
		}
	}
	return conns, nil
}

// recogniseSQLite begins to watch the files, and looks whether each table and index begins with a page of SQLite's: one
// that does not would be noticed by the first request for it. A check of the whole file would read all of it.
func (db *DB) recogniseSQLite(ctx context.Context, conns *connections) error {
	if err := conns.file.watchFiles(); err != nil {
		return err
	}
	return checkRoots(ctx, conns.reader)
}

// checkRoots looks at the first page of each table and index.
func checkRoots(ctx context.Context, reader *sql.DB) error {
	var kind, name string
	err := reader.QueryRowContext(ctx, `SELECT s.type, s.name FROM sqlite_schema s LEFT JOIN sqlite_dbpage p ON p.pgno = s.rootpage
		WHERE s.rootpage > 0 AND (p.data IS NULL OR hex(substr(p.data, 1, 1)) NOT IN ('02', '05', '0A', '0D'))`).Scan(&kind, &name)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err == nil:
		return fmt.Errorf("it is damaged (the %s %s does not begin with a page of SQLite's); restore it from a backup", kind, name)
	default:
		return err
	}
}

// save moves what was acknowledged into the file, wherever that is now, so that the file is whole by itself.
func (db *DB) save(ctx context.Context, conns *connections) {
	_, err := conns.slot.take(ctx, math.MaxInt64, false)
	all := false
	if err == nil {
		all, err = checkpoint(ctx, conns.writer)
		conns.slot.release()
	}
	switch {
	case all:
		db.logger.Info("all that was acknowledged is in the database's file, wherever that is now")
	case errors.Is(ctx.Err(), context.Canceled): // the database is being closed, which does the same
	default:
		db.logger.Error("what was acknowledged is not all in the database's file yet; its -wal file belongs to it", zap.Error(err))
	}
}

// checkpoint moves the write-ahead log into the file, also when the files are not in their place any more. Another
// process that reads may keep it from moving all.
func checkpoint(ctx context.Context, writer *sql.DB) (all bool, err error) {
	err = onSQLite(ctx, writer, func(conn *sqliteConn) error {
		busy, err := conn.pragma(ctx, "wal_checkpoint(TRUNCATE)")
		all = busy == "0"
		return err
	})
	if err != nil {
		return false, fmt.Errorf("checkpoint: %w", err)
	}
	return all, nil
}

// onSQLite runs fn with a connection of pool.
func onSQLite(ctx context.Context, pool *sql.DB, fn func(*sqliteConn) error) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	return errors.Join(conn.Raw(func(raw any) error { return fn(raw.(*sqliteConn)) }), conn.Close()) //nolint:forcetypeassert // of our connector
}

// closeSQLite waits for the running transaction, moves the log into the file, and unlocks it.
func closeSQLite(ctx context.Context, conns *connections) error {
	conns.file.endSaving()
	var errs []error
	if err := conns.turn(ctx); err == nil {
		errs = append(errs, conns.reader.Close())
		_, err := checkpoint(ctx, conns.writer)
		errs = append(errs, err, leaveWAL(ctx, conns))
	} else {
		errs = append(errs, err, conns.reader.Close())
	}
	return errors.Join(append(errs, conns.writer.Close(), conns.file.release())...)
}

// leaveWAL has SQLite remove its log when it closes, unless the file that has the log's name now is not its own.
func leaveWAL(ctx context.Context, conns *connections) error {
	if conns.file.check() == nil {
		return onSQLite(ctx, conns.writer, func(conn *sqliteConn) error { return conn.keepWAL(false) })
	}
	return nil
}

// turn waits for the running transaction, and keeps others from beginning.
func (c *connections) turn(ctx context.Context) error {
	if _, err := c.slot.take(ctx, math.MaxInt64, false); err != nil {
		return fmt.Errorf("close database: a transaction is still open: %w", err)
	}
	return nil
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

// explainFile does the same for the system's errors.
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

// fileURI returns the DSN of file with options; the path is escaped, so that no character of it is an option.
func fileURI(file string, options url.Values) string {
	return "file:" + (&url.URL{Path: filepath.ToSlash(file)}).EscapedPath() + "?" + options.Encode()
}
