package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"go.uber.org/zap"
)

// MigrationSet is the migrations of one domain.
type MigrationSet struct {
	// Domain names the set, and its history table "<domain>_migrations". It consists of lower case letters, digits
	// and underscores.
	Domain string
	// FS has the folders sqlite and postgres, each with files named "00001_what_it_does.sql" in goose's format.
	FS fs.FS
}

// MigrationState is one migration of one domain, for the migrate command.
type MigrationState struct {
	Domain  string
	Version int64
	// File is the migration's file, "postgres/00001_products.sql"; "" when the database has a migration that this
	// version of the service does not know.
	File    string
	Applied bool
	// AppliedAt is when it was applied, in UTC.
	AppliedAt time.Time
}

// ErrNotMigrated is matched by the error of [DB.CheckMigrated] when migrations are missing.
var ErrNotMigrated = errors.New("the database is not migrated; run the migrate command, or set database.migrate")

// migrationsLock is the key of the advisory lock under which Postgres is migrated, together with the schema's name.
const migrationsLock = "plugboard migrations "

// migrationsPoll is how often a replica asks whether another is done migrating. Waiting within the database would hold
// up statements like CREATE INDEX CONCURRENTLY, which wait for all older ones.
const migrationsPoll = 100 * time.Millisecond

// Migrate applies the migrations that each set has and the database has not, set by set in the given order, each file in
// a transaction of its own unless it says otherwise. Replicas on one Postgres do so one after the other. It stops at the
// first that fails; its error names the domain, the file and the statement, and what was applied before stays. A
// database that has more than the sets is left alone.
func (db *DB) Migrate(ctx context.Context, sets []MigrationSet) error {
	conns, err := db.open()
	if err != nil {
		return err
	}
	if conns.shared {
		return fmt.Errorf("migrate database: %w", errShared)
	}
	pool, unlock, err := db.migrationPool(ctx)
	if err != nil {
		return fmt.Errorf("migrate database: %w", err)
	}
	for _, set := range sets {
		if err = db.migrate(ctx, pool, set); err != nil {
			break
		}
	}
	return errors.Join(err, unlock())
}

// migrationPool returns connections for migrations alone, locked against other replicas.
func (db *DB) migrationPool(ctx context.Context) (pool *sql.DB, unlock func() error, err error) {
	if db.Dialect() == SQLite {
		file, err := realPath(db.source.file)
		if err != nil {
			return nil, nil, err
		}
		pool := sql.OpenDB(newSQLiteConnector(file, writing, db.cfg.BusyTimeout))
		pool.SetMaxOpenConns(1)
		return pool, pool.Close, nil
	}
	pool = db.newPostgresPool(map[string]string{
		"statement_timeout": "0", "lock_timeout": milliseconds(migrationLockTimeout),
	})
	conn, err := lockMigrations(ctx, pool)
	if err != nil {
		return nil, nil, errors.Join(err, pool.Close())
	}
	// The lock is the connection's, and goes when that is ended.
	return pool, func() error { return errors.Join(conn.Close(), pool.Close()) }, nil
}

// lockMigrations takes the lock in a connection of pool.
func lockMigrations(ctx context.Context, pool *sql.DB) (*sql.Conn, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	for {
		var taken bool
		row := conn.QueryRowContext(ctx,
			"SELECT pg_try_advisory_lock(hashtextextended($1 || coalesce(current_schema(), ''), 0))", migrationsLock)
		if err := row.Scan(&taken); err != nil {
			return nil, errors.Join(fmt.Errorf("lock migrations: %w", err), conn.Close())
		}
		if taken {
			return conn, nil
		}
		if !sleep(ctx, migrationsPoll) {
			return nil, errors.Join(fmt.Errorf("wait for another replica's migrations: %w", ctx.Err()), conn.Close())
		}
	}
}

func (db *DB) migrate(ctx context.Context, pool *sql.DB, set MigrationSet) error {
	if err := db.applySet(ctx, pool, set); err != nil {
		return fmt.Errorf("migrate domain %s: %w", set.Domain, err)
	}
	return nil
}

func (db *DB) applySet(ctx context.Context, pool *sql.DB, set MigrationSet) error {
	if _, err := db.migrationFiles(set); err != nil {
		return err
	}
	files, err := fs.Sub(set.FS, string(db.Dialect()))
	if err != nil {
		return err
	}
	dialect := goose.DialectSQLite3
	if db.Dialect() == Postgres {
		dialect = goose.DialectPostgres
	}
	last := &lastStatement{}
	provider, err := goose.NewProvider(dialect, pool, files, goose.WithTableName(set.table()),
		goose.WithDisableGlobalRegistry(true), goose.WithVerbose(true), goose.WithSlog(slog.New(last)))
	if err != nil {
		return err
	}
	results, err := provider.Up(ctx)
	if failed, ok := errors.AsType[*goose.PartialError](err); ok {
		results = failed.Applied
		err = fmt.Errorf("%s/%s: %w\nin the statement: %s",
			db.Dialect(), path.Base(failed.Failed.Source.Path), failed.Err, last.text)
	}
	for _, r := range results {
		db.logger.Info("migration applied", zap.String("domain", set.Domain),
			zap.String("file", path.Base(r.Source.Path)), zap.Duration("took", r.Duration))
	}
	return err
}

// lastStatement is a log handler that remembers the last statement goose was about to run: its errors do not name it.
type lastStatement struct{ text string }

// Enabled implements slog.Handler.
func (l *lastStatement) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (l *lastStatement) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "statement" {
			l.text = strings.TrimSpace(a.Value.String())
		}
		return true
	})
	return nil
}

// WithAttrs implements slog.Handler.
func (l *lastStatement) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l *lastStatement) WithGroup(string) slog.Handler { return l }

func (s MigrationSet) table() string { return s.Domain + "_migrations" }

var domainName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,49}$`)

// migrationFiles returns the set's files for this database, by version.
func (db *DB) migrationFiles(set MigrationSet) (map[int64]string, error) {
	if !domainName.MatchString(set.Domain) {
		return nil, fmt.Errorf("%q is no name for a domain: lower case letters, digits and underscores", set.Domain)
	}
	names, err := fs.Glob(set.FS, string(db.Dialect())+"/*.sql")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no migrations: there is no file %s/*.sql", db.Dialect())
	}
	files := make(map[int64]string, len(names))
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, fmt.Errorf(`%s: name it like "00001_what_it_does.sql"`, name)
		}
		if other, ok := files[version]; ok {
			return nil, fmt.Errorf("%s and %s have the same number", other, name)
		}
		files[version] = name
	}
	return files, nil
}

// CheckMigrated returns nil when the database has all migrations of all sets; it may have more, from a newer version of
// the service. Otherwise its error matches [ErrNotMigrated] and names what is missing. It changes nothing.
func (db *DB) CheckMigrated(ctx context.Context, sets []MigrationSet) error {
	states, err := db.MigrationStatus(ctx, sets)
	if err != nil {
		return err
	}
	var missing []error
	for _, s := range states {
		if !s.Applied {
			missing = append(missing, fmt.Errorf("domain %s: %s is missing", s.Domain, s.File))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: %w", ErrNotMigrated, errors.Join(missing...))
	}
	return nil
}

// MigrationStatus returns the migrations of all sets and those the database has beyond them, by set and version. It
// changes nothing.
func (db *DB) MigrationStatus(ctx context.Context, sets []MigrationSet) ([]MigrationState, error) {
	var states []MigrationState
	for _, set := range sets {
		ofSet, err := db.setStatus(ctx, set)
		if err != nil {
			return nil, fmt.Errorf("read migrations of domain %s: %w", set.Domain, err)
		}
		states = append(states, ofSet...)
	}
	return states, nil
}

func (db *DB) setStatus(ctx context.Context, set MigrationSet) ([]MigrationState, error) {
	files, err := db.migrationFiles(set)
	if err != nil {
		return nil, err
	}
	applied, err := db.appliedMigrations(ctx, set)
	if err != nil {
		return nil, err
	}
	var states []MigrationState
	for version, file := range files {
		at, ok := applied[version]
		states = append(states, MigrationState{set.Domain, version, file, ok, at})
		delete(applied, version)
	}
	for version, at := range applied {
		states = append(states, MigrationState{set.Domain, version, "", true, at})
	}
	slices.SortFunc(states, func(a, b MigrationState) int { return int(a.Version - b.Version) })
	return states, nil
}

// appliedMigrations reads the set's history. A database without one has none applied.
func (db *DB) appliedMigrations(ctx context.Context, set MigrationSet) (map[int64]time.Time, error) {
	exists := "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?"
	if db.Dialect() == Postgres {
		exists = "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass($1)"
	}
	var tables int
	if err := db.queryOne(ctx, &tables, exists, set.table()); err != nil || tables == 0 {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, "SELECT version_id, tstamp FROM "+set.table()+" WHERE is_applied AND version_id > 0")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	applied := make(map[int64]time.Time)
	for rows.Next() {
		var (
			version int64
			at      time.Time
		)
		if err := rows.Scan(&version, &at); err != nil {
			return nil, err
		}
		applied[version] = at.UTC()
	}
	return applied, MapError(rows.Err())
}

// queryOne reads a single value.
func (db *DB) queryOne(ctx context.Context, into any, query string, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	if !rows.Next() {
		return MapError(errors.Join(rows.Err(), sql.ErrNoRows))
	}
	return rows.Scan(into)
}
