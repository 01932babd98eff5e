package database

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"

	"plugboard/config"
	"plugboard/infra/database/internal/pgx"
	"plugboard/infra/database/internal/sqlite"
)

// Dialect names the kind of database. Its value is also the name of the folder that holds its migrations.
type Dialect string

// The supported databases.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// source is a parsed database URL.
type source struct {
	dialect Dialect
	file    string     // SQLite: the file's path
	server  pgx.Source // Postgres
}

// parseURL reads a database URL. Its errors never contain the URL, which may hold a password.
func parseURL(raw string) (source, error) {
	switch scheme, rest, _ := strings.Cut(raw, ":"); strings.ToLower(scheme) {
	case "sqlite":
		return parseSQLite(rest)
	case "postgres", "postgresql":
		server, err := pgx.ParseURL(raw)
		return source{dialect: Postgres, server: server}, err
	default:
		return source{}, errors.New(`parse database URL: it must begin with "sqlite:" or "postgres://"`)
	}
}

func parseSQLite(path string) (source, error) {
	if after, ok := strings.CutPrefix(path, "//"); ok {
		if !strings.HasPrefix(after, "/") {
			return source{}, errors.New(`parse database URL: write "sqlite:folder/file.db" or "sqlite:/folder/file.db", without "//"`)
		}
		path = after
	}
	switch {
	case path == "":
		return source{}, errors.New(`parse database URL: "sqlite:" needs a file, as in "sqlite:data/plugboard.db"`)
	case strings.Contains(path, ":memory:"):
		return source{}, errors.New(`parse database URL: SQLite in memory is not supported, since it is lost with its connection; name a file`)
	case strings.ContainsAny(path, "?#\x00"):
		return source{}, errors.New(`parse database URL: a SQLite file takes no options, and its name must not contain "?" or "#"`)
	}
	return source{dialect: SQLite, file: filepath.Clean(path)}, nil
}

// errForeign is the error for a command that only the process which owns the SQLite file may run.
var errForeign = errors.New("another process owns this SQLite file; stop it first")

// Open connects to the database. On SQLite it creates the folder and the file, and locks the file against
// other processes; on Postgres it tries until the OpenTimeout setting has passed. Opening an open database
// does nothing.
func (db *DB) Open(ctx context.Context) error { return db.openWith(ctx, false) }

// OpenBeside opens the database for an operator's command while the service runs. On Postgres it does what [DB.Open] does. On SQLite it
// neither locks nor creates the file. SQLite's own locks let the transactions of the two processes take turns; each waits no longer than
// the BusyTimeout setting. [DB.Migrate] fails then. The service does not notice what a command writes, and may keep older data in memory:
// a command may only write to tables that the service reads anew each time.
func (db *DB) OpenBeside(ctx context.Context) error { return db.openWith(ctx, true) }

func (db *DB) openWith(ctx context.Context, foreign bool) error {
	db.opening.Lock()
	defer db.opening.Unlock()
	if db.conns.Load() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, db.cfg.OpenTimeout)
	defer cancel()
	open := db.openPostgres
	if db.Dialect() == SQLite {
		open = func(ctx context.Context) (*connections, error) { return db.openSQLite(ctx, foreign) }
	}
	conns, err := open(ctx)
	if err != nil {
		return err
	}
	db.conns.Store(conns)
	return nil
}

func (db *DB) openPostgres(ctx context.Context) (*connections, error) {
	pool, err := pgx.Open(ctx, pgx.Config{Source: db.source.server, Service: config.ServiceName(), MaxConns: db.cfg.MaxConns, LockTimeout: db.cfg.BusyTimeout, Health: db.health})
	if err != nil {
		return nil, err
	}
	return &connections{writer: pool, reader: pool, close: func(context.Context) error { return pool.Close() }}, nil
}

func (db *DB) openSQLite(ctx context.Context, foreign bool) (*connections, error) {
	open, lock := sqlite.Open, &writerLock{}
	if foreign {
		open = sqlite.OpenBeside
	}
	turn := func(ctx context.Context) (func(), error) {
		_, err := lock.take(ctx, math.MaxInt64, false)
		return lock.release, err
	}
	lite, err := open(ctx, sqlite.Config{
		File: db.source.file, MaxConns: db.cfg.MaxConns, BusyTimeout: db.cfg.BusyTimeout,
		Logger: db.logger, Health: db.health, Turn: turn,
	})
	if err != nil {
		return nil, err
	}
	return &connections{writer: lite.Writer, reader: lite.Reader, lock: lock, sqlite: lite, foreign: foreign, close: lite.Close}, nil
}

// ErrNoBackup is the error of [DB.Backup] on Postgres, which has a program for it.
var ErrNoBackup = errors.New("back up database: this command copies SQLite databases only; for Postgres use its own program, which also works " +
	`while the service runs: pg_dump --format=custom --file=FILE "$APP_DATABASE_URL"`)

// Backup copies a SQLite database, opened with [DB.OpenBeside], into a new file beside the running service. The copy shows one moment,
// whatever is written meanwhile, and nobody waits for it. Until it is done the write-ahead log may grow, because it must keep what
// the copy still reads. The copy is checked and on the disk before it gets its name. No file of that name may exist. progress is
// called after each step, in bytes. When ctx ends, or on any error, nothing is left behind.
func (db *DB) Backup(ctx context.Context, to string, progress func(done, total int64)) (size int64, err error) {
	if db.Dialect() != SQLite {
		return 0, ErrNoBackup
	}
	conns, err := db.connections()
	if err != nil {
		return 0, err
	}
	return conns.sqlite.Backup(ctx, to, progress)
}
