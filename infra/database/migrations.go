package database

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"

	"plugboard/config"
	"plugboard/infra/database/internal/migrate"
	"plugboard/infra/database/internal/once"
	"plugboard/infra/database/internal/pgx"
)

// MigrationSet is the migrations of one domain.
type MigrationSet = migrate.Set

// EmbeddedMigrations returns the migrations of a package of the host that embeds its folder "migrations".
func EmbeddedMigrations(domain string, files embed.FS) MigrationSet {
	return migrate.Embedded(domain, files)
}

// MigrationState is one migration of one domain, for the migrate command.
type MigrationState = migrate.State

var (
	// ErrNotMigrated is matched by the error of [DB.CheckMigrated] when migrations are missing.
	ErrNotMigrated = migrate.ErrNotMigrated
	// ErrMigrationChanged is matched by the errors of [DB.Migrate] and [DB.CheckMigrated] when an applied migration was
	// edited afterwards, or is gone.
	ErrMigrationChanged = migrate.ErrChanged
)

// Migrations returns the tables of the database's own: the answers of [app.Once].
func (*DB) Migrations() MigrationSet { return once.Migrations() }

// Migrate applies the migrations that each set has and the database has not. It goes set by set, in the given order, and runs each file
// in a transaction of its own unless the file says otherwise. Replicas on one Postgres take turns. It stops at the first file that
// fails; its error names the domain, the file and the statement, and the files before stay applied. Migrations that the database has
// beyond the sets stay, too.
//
// Replicas with the version before may go on working meanwhile. If such a replica and a file wait for each other, Postgres ends the file,
// and Migrate applies it again, for half a minute at most.
//
// Migrate records the checksum of each file. If an applied file was edited or is gone, it applies nothing, and its error matches
// [ErrMigrationChanged]. If a file was applied before checksums were recorded, Migrate records the one that the file has now.
//
// On SQLite, foreign keys are not enforced while a file runs. So a file can rebuild a table as SQLite's documentation describes; with
// foreign keys, dropping the old table would delete the rows that refer to it. A file fails if it leaves rows that refer to missing rows.
func (db *DB) Migrate(ctx context.Context, sets []MigrationSet) error {
	return db.withMigrations(func(m *migrate.Migrator) error { return m.Migrate(ctx, sets) })
}

// ApproveMigrations records, in the name of by, that applied migrations are right as they are although their files were edited or are
// gone. names has them as the error of [DB.Migrate] does: "products/00001_create_products.sql". If one of them is neither edited nor
// gone, it fails and records nothing.
func (db *DB) ApproveMigrations(ctx context.Context, sets []MigrationSet, names []string, by string) error {
	return db.withMigrations(func(m *migrate.Migrator) error { return m.Approve(ctx, sets, names, by) })
}

// CheckMigrated returns nil when the database has all migrations of all sets; it may have more, from a newer version of
// the service. Otherwise its error matches [ErrNotMigrated] and names what is missing, or [ErrMigrationChanged], or both.
// It changes nothing.
func (db *DB) CheckMigrated(ctx context.Context, sets []MigrationSet) error {
	states, err := db.MigrationStatus(ctx, sets)
	if err != nil {
		return err
	}
	return migrate.Check(states)
}

// MigrationStatus returns the migrations of all sets and those the database has beyond them, by set and version. It
// changes nothing.
func (db *DB) MigrationStatus(ctx context.Context, sets []MigrationSet) ([]MigrationState, error) {
	m := migrate.Migrator{Dialect: string(db.Dialect()), Logger: db.logger}
	states, err := m.States(ctx, db, sets)
	return states, MapError(err)
}

// withMigrations runs fn with a pool of connections that only migrations use, and closes the pool afterwards.
func (db *DB) withMigrations(fn func(m *migrate.Migrator) error) error {
	conns, err := db.connections()
	if err != nil {
		return err
	}
	if conns.foreign {
		return fmt.Errorf("migrate database: %w", errForeign)
	}
	var pool *sql.DB
	if db.Dialect() == SQLite {
		pool = conns.sqlite.Migrations()
	} else {
		pool = pgx.OpenMigrations(pgx.Config{Source: db.source.server, Service: config.ServiceName(), LockTimeout: migrate.LockTimeout, Health: db.health})
	}
	return errors.Join(fn(&migrate.Migrator{Dialect: string(db.Dialect()), Pool: pool, Logger: db.logger}), pool.Close())
}
