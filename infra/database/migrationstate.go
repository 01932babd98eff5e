package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

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
	// Edited tells that the file is not what it was when it was applied.
	Edited bool
	// Gone tells that the service has no such file, though it has files with higher numbers: it was deleted, or got
	// another number.
	Gone bool
	// Recorded is the name of the file when it was applied, or approved; "" if that was not kept.
	Recorded string
	// ApprovedBy and ApprovedAt tell who last approved that the file is edited or gone, and when; "" if nobody did.
	ApprovedBy string
	ApprovedAt time.Time
}

// ErrNotMigrated is matched by the error of [DB.CheckMigrated] when migrations are missing.
var ErrNotMigrated = errors.New("the database is not migrated; run the migrate command, or set database.migrate")

// ErrMigrationChanged is matched by the errors of [DB.Migrate] and [DB.CheckMigrated] when an applied migration was
// edited afterwards, or is gone.
var ErrMigrationChanged = errors.New("the database was migrated with other files than this version of the service has")

// CheckMigrated returns nil when the database has all migrations of all sets; it may have more, from a newer version of
// the service. Otherwise its error matches [ErrNotMigrated] and names what is missing, or [ErrMigrationChanged], or both.
// It changes nothing.
func (db *DB) CheckMigrated(ctx context.Context, sets []MigrationSet) error {
	states, err := db.MigrationStatus(ctx, sets)
	if err != nil {
		return err
	}
	return errors.Join(missingError(states), changedError(states))
}

func missingError(states []MigrationState) error {
	var missing []error
	for _, s := range states {
		if !s.Applied {
			missing = append(missing, fmt.Errorf("domain %s: %s is missing", s.Domain, s.File))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrNotMigrated, errors.Join(missing...))
}

// MigrationStatus returns the migrations of all sets and those the database has beyond them, by set and version. It
// changes nothing.
func (db *DB) MigrationStatus(ctx context.Context, sets []MigrationSet) ([]MigrationState, error) {
	return db.migrationStates(ctx, db, sets)
}

// querier is what migrations are read with.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func (db *DB) migrationStates(ctx context.Context, from querier, sets []MigrationSet) ([]MigrationState, error) {
	var states []MigrationState
	for _, set := range sets {
		ofSet, err := db.setStates(ctx, from, set)
		if err != nil {
			return nil, fmt.Errorf("read migrations of domain %s: %w", set.Domain, err)
		}
		states = append(states, ofSet...)
	}
	return states, nil
}

func (db *DB) setStates(ctx context.Context, from querier, set MigrationSet) ([]MigrationState, error) {
	files, err := db.migrationFiles(set)
	if err != nil {
		return nil, err
	}
	applied, err := db.appliedMigrations(ctx, from, set)
	if err != nil {
		return nil, err
	}
	records, err := db.checksums(ctx, from, set.Domain)
	if err != nil {
		return nil, err
	}
	versions := slices.Collect(maps.Keys(files))
	highest := slices.Max(versions)
	for version := range applied {
		if _, ok := files[version]; !ok {
			versions = append(versions, version)
		}
	}
	slices.Sort(versions)
	states := make([]MigrationState, len(versions))
	for i, version := range versions {
		file, known := files[version]
		at, ok := applied[version]
		states[i] = MigrationState{Domain: set.Domain, Version: version, File: file.name, Applied: ok, AppliedAt: at}
		if ok {
			states[i].compare(records[version], file, known, version < highest)
		}
	}
	return states, nil
}

// appliedMigrations reads the set's history. A database without one has none applied.
func (db *DB) appliedMigrations(ctx context.Context, from querier, set MigrationSet) (map[int64]time.Time, error) {
	if exists, err := db.tableExists(ctx, from, set.table()); err != nil || !exists {
		return nil, err
	}
	rows, err := from.QueryContext(ctx, "SELECT version_id, tstamp FROM "+set.table()+" WHERE is_applied AND version_id > 0")
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

func (db *DB) tableExists(ctx context.Context, from querier, table string) (bool, error) {
	query := "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?"
	if db.Dialect() == Postgres {
		query = "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass($1)"
	}
	found, err := readAll[int](ctx, from, query, table)
	if err != nil {
		return false, err
	}
	return slices.Contains(found, 1), nil
}
