package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"plugboard/infra/database/internal/migrate"
	"plugboard/infra/database/internal/pgx"
)

// MigrationSet is the migrations of one domain.
type MigrationSet = migrate.Set

// MigrationState is one migration of one domain, for the migrate command.
type MigrationState = migrate.State

var (
	// ErrNotMigrated is matched by the error of [DB.CheckMigrated] when migrations are missing.
	ErrNotMigrated = migrate.ErrNotMigrated
	// ErrMigrationChanged is matched by the errors of [DB.Migrate] and [DB.CheckMigrated] when an applied migration was
	// edited afterwards, or is gone.
	ErrMigrationChanged = migrate.ErrChanged
)

// Migrate applies the migrations that each set has and the database has not, set by set in the given order, each file in
// a transaction of its own unless it says otherwise. Replicas on one Postgres do so one after the other. It stops at the
// first that fails; its error names the domain, the file and the statement, and what was applied before stays. A
// database that has more than the sets is left alone.
//
// Replicas of the version before may go on working meanwhile. A file that Postgres ends because it and they waited for each
// other is applied again, for half a minute at most.
//
// It remembers the checksum of each applied file. One that was edited since, or that is gone, is an error that matches
// [ErrMigrationChanged]; nothing is applied then. A file that was applied before checksums were kept is taken as it is.
//
// On SQLite, foreign keys are not enforced while a file runs, so that it can rebuild a table as SQLite's documentation
// describes: dropping the old one would delete the rows that refer to it. A file that leaves rows which refer to missing
// ones fails.
func (db *DB) Migrate(ctx context.Context, sets []MigrationSet) error {
	return db.withMigrations(func(m *migrate.Migrator) error { return m.Migrate(ctx, sets) })
}

// ApproveMigrations notes, in the name of by, that applied migrations are right as they are though their files were edited
// or are gone. Each is named as the error of [DB.Migrate] names it: "products/00001_create_products.sql". It is an error,
// and nothing is noted, when one of them is neither edited nor gone.
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

// withMigrations runs fn with connections for migrations alone.
func (db *DB) withMigrations(fn func(m *migrate.Migrator) error) error {
	conns, err := db.open()
	if err != nil {
		return err
	}
	if conns.shared {
		return fmt.Errorf("migrate database: %w", errShared)
	}
	var pool *sql.DB
	if db.Dialect() == SQLite {
		pool = conns.sqlite.Migrations()
	} else {
		pool = pgx.OpenMigrations(pgx.Config{Source: db.source.server, LockTimeout: migrate.LockTimeout, Health: db.health})
	}
	return errors.Join(fn(&migrate.Migrator{Dialect: string(db.Dialect()), Pool: pool, Logger: db.logger}), pool.Close())
}
