// Package migrate applies numbered SQL files to a database.
//
// Each domain has a [Set] of files with a history table of its own; a [Migrator] applies what is missing, remembers the checksum
// of each file, and refuses a database whose applied files were edited. Replicas on one Postgres take turns; on SQLite the caller
// owns the file. It is called at the start and by the migrate command, never by requests.
package migrate

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"time"

	"github.com/pressly/goose/v3"
	"go.uber.org/zap"

	"plugboard/app"
)

// Set is the migrations of one domain.
type Set struct {
	// Domain names the set, and its history table "<domain>_migrations". It consists of lower case letters, digits
	// and underscores.
	Domain string
	// FS has the folders sqlite and postgres, each with files named "00001_what_it_does.sql" in goose's format.
	FS fs.FS
}

// Embedded returns the set of a package that embeds its folder "migrations", which has the folders that [Set.FS] has.
func Embedded(domain string, files embed.FS) Set {
	folder, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // only for a name that is no path
	}
	return Set{Domain: domain, FS: folder}
}

// The databases, by the names of their folders in a [Set].
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Migrator applies migrations to one database.
type Migrator struct {
	// Dialect is [SQLite] or [Postgres].
	Dialect string
	// Pool has connections for migrations alone; on SQLite, one without foreign keys.
	Pool   *sql.DB
	Logger *zap.Logger
}

// LockTimeout is how long a migration waits for a table. While it waits, the table's later users wait behind it.
const LockTimeout = 30 * time.Second

// migrationsLock is, together with the schema's name, the key of the advisory lock that replicas on Postgres take turns by.
const migrationsLock = "plugboard migrations "

// migrationsPoll is how often a replica asks whether another one is done. A replica that waited inside the database would hold up
// statements like CREATE INDEX CONCURRENTLY, which wait for all older statements.
const migrationsPoll = 100 * time.Millisecond

// Migrate does what the method of that name of the package database promises.
func (m *Migrator) Migrate(ctx context.Context, sets []Set) error {
	return m.locked(ctx, func() error {
		states, err := m.adoptChecksums(ctx, sets)
		if err == nil {
			err = changedError(states)
		}
		if err != nil {
			return fmt.Errorf("check applied migrations: %w", err)
		}
		for _, set := range sets {
			if err := m.migrate(ctx, set); err != nil {
				return err
			}
		}
		return nil
	})
}

// locked runs fn while no other replica migrates.
func (m *Migrator) locked(ctx context.Context, fn func() error) error {
	if m.Dialect == SQLite {
		return fn() // the file is this process's alone
	}
	conn, err := lockMigrations(ctx, m.Pool)
	if err != nil {
		return fmt.Errorf("migrate database: %w", err)
	}
	return errors.Join(fn(), conn.Close()) // the lock belongs to the session, and ends when the caller closes the pool
}

// lockMigrations takes the lock on a connection of pool, and returns that connection.
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
		if !app.Sleep(ctx, migrationsPoll) {
			return nil, errors.Join(fmt.Errorf("wait for another replica's migrations: %w", ctx.Err()), conn.Close())
		}
	}
}

func (m *Migrator) migrate(ctx context.Context, set Set) error {
	if err := m.applySet(ctx, set); err != nil {
		return fmt.Errorf("migrate domain %s: %w", set.Domain, err)
	}
	return nil
}

func (m *Migrator) applySet(ctx context.Context, set Set) error {
	run, err := m.newSetRun(set)
	if err != nil {
		return err
	}
	for {
		if err := run.prepare(ctx); err != nil {
			return err
		}
		result, err := run.next(ctx)
		m.renew()
		switch failed, ok := errors.AsType[*goose.PartialError](err); {
		case errors.Is(err, goose.ErrNoNextVersion):
			return nil
		case ok:
			return fmt.Errorf("%s/%s: %w%s", m.Dialect, path.Base(failed.Failed.Source.Path), failed.Err, run.failedStatement(failed.Err))
		case err != nil:
			return err
		}
		file := path.Base(result.Source.Path)
		if err := run.verify(ctx, result.Source.Version); err != nil {
			return fmt.Errorf("%s/%s: %w", m.Dialect, file, err)
		}
		m.Logger.Info("migration applied", zap.String("domain", set.Domain),
			zap.String("file", file), zap.Duration("took", result.Duration))
	}
}

// renew closes the connection to SQLite, so that the next migration gets a new one: the last migration may have set PRAGMAs. Otherwise
// the connection is kept, because each new one reads the whole schema.
func (m *Migrator) renew() {
	if m.Dialect == SQLite {
		m.Pool.SetMaxIdleConns(0) // ends the idle one
		m.Pool.SetMaxIdleConns(1)
	}
}

func (s Set) table() string { return s.Domain + "_migrations" }

var domainName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,49}$`)

// migrationFile is a file of a set.
type migrationFile struct {
	// name is with the folder: "postgres/00001_products.sql".
	name string
	// checksum is what the function of that name returns for the content.
	checksum string
	// inTransaction is true if the statements run in one transaction.
	inTransaction bool
}

// noTransaction matches the line that makes goose run a file outside a transaction.
var noTransaction = regexp.MustCompile(`(?m)^-- *\+goose +NO TRANSACTION`)

// migrationFiles returns the set's files for this database, by version.
func (m *Migrator) migrationFiles(set Set) (map[int64]migrationFile, error) {
	if !domainName.MatchString(set.Domain) {
		return nil, fmt.Errorf("%q is not a valid name for a domain: use lower case letters, digits and underscores", set.Domain)
	}
	names, err := fs.Glob(set.FS, m.Dialect+"/*.sql")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no migrations: there is no file %s/*.sql", m.Dialect)
	}
	files := make(map[int64]migrationFile, len(names))
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, fmt.Errorf(`%s: name it like "00001_what_it_does.sql"`, name)
		}
		if other, ok := files[version]; ok {
			return nil, fmt.Errorf("%s and %s have the same number", other.name, name)
		}
		content, err := fs.ReadFile(set.FS, name)
		if err != nil {
			return nil, err
		}
		files[version] = migrationFile{name: name, checksum: checksum(content), inTransaction: !noTransaction.Match(content)}
	}
	return files, nil
}
