// Package sqlite opens a database that is a SQLite file.
//
// The file belongs to one process at a time: [Open] locks it, and a commit is only acknowledged while the file is in its place.
// Each connection ends a statement when its context ends, keeps its prepared statements, and fails a transaction as a whole once
// a statement in it has failed, as Postgres does. LOWER changes all letters of Unicode; times are in UTC. The package knows nothing of
// how transactions are nested, shared or run again: its caller decides who uses [Database.Writer] next. [Database] is safe for
// concurrent use.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"plugboard/infra/database/internal/contract"
)

// Config says what to open, and for whom.
type Config struct {
	// File is the path of the database's file.
	File string
	// MaxConns is how many connections read at the same time.
	MaxConns int
	// BusyTimeout is how long a statement waits for another process's lock.
	BusyTimeout time.Duration
	Logger      *zap.Logger
	// Health is told of commits and failures of the file's owner.
	Health contract.Health
	// Turn waits until nobody uses the writer, and keeps others from using it until release is called.
	Turn func(ctx context.Context) (release func(), err error)
}

// Database is an open SQLite database.
type Database struct {
	// Writer has the one connection that writes; its users must take turns. Reader has the connections that read.
	Writer, Reader *sql.DB

	cfg  Config
	file *dbFile
}

// The roles of SQLite connections.
const (
	writing = "writing"
	reading = "reading"
	// migrating is writing without foreign keys. SQLite cannot turn them off within a transaction.
	migrating = "migrating"
)

// idleTime is how long a connection that reads is kept without use.
const idleTime = 5 * time.Minute

// Open locks and opens the file for this process, creating it and its folder.
func Open(ctx context.Context, cfg Config) (*Database, error) {
	file, err := takeFile(cfg.File, cfg.Logger)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", cfg.File, err)
	}
	file.health = cfg.Health
	d, err := connect(ctx, cfg, file)
	if err == nil {
		if err = file.expectFiles(); err == nil {
			err = d.CheckRoots(ctx) // a damaged table is found now and not by the first request for it
		}
		if err != nil {
			err = errors.Join(err, d.Reader.Close(), d.Writer.Close())
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", cfg.File, explainOpen(err)), file.release())
	}
	if file.newBecause != "" {
		cfg.Logger.Info("a new, empty database was made", zap.String("file", file.path), zap.String("reason", file.newBecause))
	}
	file.setOnLoss(d.save)
	return d, nil
}

// OpenBeside opens a file that another process owns. It takes no lock and creates nothing. SQLite's own locks let the transactions of the
// two processes take turns.
func OpenBeside(ctx context.Context, cfg Config) (*Database, error) {
	path, err := filepath.EvalSymlinks(cfg.File)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open database %s: there is no such file; the service makes it when it first starts", cfg.File)
	}
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", cfg.File, bare(err))
	}
	if info, err := os.Stat(path); err == nil && info.Size() == 0 {
		return nil, fmt.Errorf("open database %s: the file is empty; the service fills it when it first starts", cfg.File)
	}
	d, err := connect(ctx, cfg, &dbFile{configured: cfg.File, path: path})
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", cfg.File, explainOpen(err))
	}
	return d, nil
}

func connect(ctx context.Context, cfg Config, file *dbFile) (*Database, error) {
	d := &Database{
		Writer: sql.OpenDB(newOpener(file, writing, cfg.BusyTimeout)),
		Reader: sql.OpenDB(newOpener(file, reading, cfg.BusyTimeout)),
		cfg:    cfg,
		file:   file,
	}
	d.Writer.SetMaxOpenConns(1)
	d.Writer.SetConnMaxLifetime(0)
	d.Reader.SetMaxOpenConns(cfg.MaxConns)
	d.Reader.SetMaxIdleConns(cfg.MaxConns)
	d.Reader.SetConnMaxIdleTime(idleTime)
	for _, pool := range []*sql.DB{d.Writer, d.Reader} { // the writer first: it makes the write-ahead log
		if _, err := pool.ExecContext(ctx, "SELECT count(*) FROM sqlite_schema"); err != nil {
			return nil, errors.Join(err, d.Reader.Close(), d.Writer.Close())
		}
	}
	return d, nil
}

// Migrations returns a pool of one connection for migrations, which the caller closes.
func (d *Database) Migrations() *sql.DB {
	pool := sql.OpenDB(newOpener(d.file, migrating, d.cfg.BusyTimeout))
	pool.SetMaxOpenConns(1) // SQLite has one writer
	return pool
}

// Changes returns how often the database may have changed since it was opened. What was read after one call of Changes is what would be read now,
// as long as a later call returns the same number. It reports false if another process owns the file, since that changes it too.
func (d *Database) Changes() (n uint64, ok bool) {
	return d.file.changes.Load(), d.file.health != nil
}

// Check reports whether the files of the database are in their place.
func (d *Database) Check() error { return d.file.check() }

// CheckRoots looks at the first page of each table and index. A check of the whole file would read all of it.
func (d *Database) CheckRoots(ctx context.Context) error {
	var kind, name string
	err := d.Reader.QueryRowContext(ctx, `SELECT s.type, s.name FROM sqlite_schema s LEFT JOIN sqlite_dbpage p ON p.pgno = s.rootpage
		WHERE s.rootpage > 0 AND (p.data IS NULL OR hex(substr(p.data, 1, 1)) NOT IN ('02', '05', '0A', '0D'))`).Scan(&kind, &name)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err == nil:
		return fmt.Errorf("it is damaged (the first page of the %s %s is not one of SQLite's); restore it from a backup", kind, name)
	default:
		return err
	}
}

// ProbeWrite tries a write: it sets user_version, a number that SQLite keeps for the application, to the value that it has already. It
// rolls back, unless commit is true.
func (d *Database) ProbeWrite(ctx context.Context, commit bool) error {
	tx, err := d.Writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	var number int64
	err = tx.QueryRowContext(ctx, "SELECT user_version FROM pragma_user_version").Scan(&number)
	if err == nil {
		_, err = tx.ExecContext(ctx, fmt.Sprint("PRAGMA user_version = ", number))
	}
	if err == nil && commit {
		return tx.Commit()
	}
	return errors.Join(err, tx.Rollback())
}

// save moves all acknowledged writes from the write-ahead log into the file, also if the file was moved. Then the file is complete by
// itself.
func (d *Database) save(ctx context.Context) {
	all := false
	release, err := d.cfg.Turn(ctx)
	if err == nil {
		all, err = checkpoint(ctx, d.Writer)
		release()
	}
	switch {
	case all:
		d.cfg.Logger.Info("all acknowledged writes are saved in the database's file, wherever the file is now")
	case errors.Is(ctx.Err(), context.Canceled): // Close does the same
	default:
		d.cfg.Logger.Error("saving acknowledged writes in the database's file failed; keep its -wal file with it", zap.Error(err))
	}
}

// checkpoint moves the write-ahead log into the file, also if the files are not in their place any more. It reports false if another
// process that reads has prevented it from moving all.
func checkpoint(ctx context.Context, writer *sql.DB) (all bool, err error) {
	err = onConnection(ctx, writer, func(conn *connection) error {
		busy, err := conn.pragma(ctx, "wal_checkpoint(TRUNCATE)")
		all = busy == "0"
		return err
	})
	if err != nil {
		return false, fmt.Errorf("checkpoint: %w", err)
	}
	return all, nil
}

// onConnection runs fn with a connection of pool.
func onConnection(ctx context.Context, pool *sql.DB, fn func(*connection) error) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	return errors.Join(conn.Raw(func(raw any) error { return fn(raw.(*connection)) }), conn.Close()) //nolint:forcetypeassert // of our connector
}

// Close waits for the running transaction, until ctx is done, and closes all connections. The file's owner moves the
// write-ahead log into the file and unlocks it. Another process leaves the log to the owner; when there is none, SQLite moves
// it with the last connection.
func (d *Database) Close(ctx context.Context) error {
	owner := d.file.lockFile != nil
	d.file.endSaving()
	_, err := d.cfg.Turn(ctx) // is not released: nobody writes any more
	if err != nil {
		err = fmt.Errorf("close database: a transaction is still open: %w", err)
	}
	errs := []error{err, d.Reader.Close()}
	if owner && err == nil {
		_, err := checkpoint(ctx, d.Writer)
		errs = append(errs, err, d.removeWALOnClose(ctx))
	}
	return errors.Join(append(errs, d.Writer.Close(), d.file.release())...)
}

// removeWALOnClose makes SQLite remove the write-ahead log with the last connection, unless another file has the log's name now.
func (d *Database) removeWALOnClose(ctx context.Context) error {
	if d.file.check() == nil {
		return onConnection(ctx, d.Writer, func(conn *connection) error { return conn.keepWAL(false) })
	}
	return nil
}

// fileURI returns the DSN of file with options. It escapes the path, so that SQLite takes no part of the path for an option.
func fileURI(file string, options url.Values) string {
	return "file:" + (&url.URL{Path: filepath.ToSlash(file)}).EscapedPath() + "?" + options.Encode()
}
