package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// State is one migration of one domain, for the migrate command.
type State struct {
	Domain  string
	Version int64
	// File is the migration's file, "postgres/00001_products.sql"; "" if this version of the service does not know the
	// migration.
	File    string
	Applied bool
	// AppliedAt is when it was applied, in UTC.
	AppliedAt time.Time
	// Edited is true if the file has changed since it was applied.
	Edited bool
	// Gone is true if the service has files with higher numbers, but not this one: it was deleted or renumbered.
	Gone bool
	// Recorded is the name of the file when it was applied or approved; "" if that was not recorded.
	Recorded string
	// ApprovedBy and ApprovedAt say who last approved an edited or missing file, and when; both are empty if nobody did.
	ApprovedBy string
	ApprovedAt time.Time
}

// ErrNotMigrated is matched by the error of [Check] if the database has not had all migrations.
var ErrNotMigrated = errors.New("the database is not migrated; run the migrate command, or set database.migrate")

// ErrChanged is matched by the errors of [Migrator.Migrate] and [Check] when an applied migration was
// edited afterwards, or is gone.
var ErrChanged = errors.New("the database was migrated with other files than this version of the service has")

// Check returns nil when the states show that the database has all migrations; it may have more, from a newer version of the
// service. Otherwise the error matches [ErrNotMigrated] and names what is missing, or [ErrChanged], or both.
func Check(states []State) error { return errors.Join(missingError(states), changedError(states)) }

func missingError(states []State) error {
	var missing []error
	for _, s := range states {
		if !s.Applied {
			missing = append(missing, fmt.Errorf("domain %s: %s has not been applied", s.Domain, s.File))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrNotMigrated, errors.Join(missing...))
}

// Querier runs the queries that read the state of migrations.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// States returns the migrations of all sets, and those that the database has beyond the sets, by set and version. It reads through from,
// and changes nothing.
func (m *Migrator) States(ctx context.Context, from Querier, sets []Set) ([]State, error) {
	var states []State
	for _, set := range sets {
		ofSet, err := m.setStates(ctx, from, set)
		if err != nil {
			return nil, fmt.Errorf("read migrations of domain %s: %w", set.Domain, err)
		}
		states = append(states, ofSet...)
	}
	return states, nil
}

func (m *Migrator) setStates(ctx context.Context, from Querier, set Set) ([]State, error) {
	files, err := m.migrationFiles(set)
	if err != nil {
		return nil, err
	}
	applied, err := m.appliedMigrations(ctx, from, set)
	if err != nil {
		return nil, err
	}
	records, err := m.checksums(ctx, from, set.Domain)
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
	states := make([]State, len(versions))
	for i, version := range versions {
		file, known := files[version]
		at, ok := applied[version]
		states[i] = State{Domain: set.Domain, Version: version, File: file.name, Applied: ok, AppliedAt: at}
		if ok {
			states[i].compare(records[version], file, known, version < highest)
		}
	}
	return states, nil
}

// appliedMigrations reads the set's history: when each version was applied. Without a history table, none was.
func (m *Migrator) appliedMigrations(ctx context.Context, from Querier, set Set) (map[int64]time.Time, error) {
	if exists, err := m.tableExists(ctx, from, set.table()); err != nil || !exists {
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
	return applied, rows.Err()
}

func (m *Migrator) tableExists(ctx context.Context, from Querier, table string) (bool, error) {
	query := "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?"
	if m.Dialect == Postgres {
		query = "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass($1)"
	}
	found, err := readAll[int](ctx, from, query, table)
	if err != nil {
		return false, err
	}
	return slices.Contains(found, 1), nil
}
