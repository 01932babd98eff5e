package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// store looks into the service's database past the service.
type store struct {
	*sql.DB
	postgres bool
}

// openStore opens the database of a service's URL for reading.
func openStore(databaseURL string) (*store, error) {
	if file, ok := strings.CutPrefix(databaseURL, "sqlite:"); ok {
		db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?mode=ro&_pragma=busy_timeout(10000)")
		return &store{DB: db}, err
	}
	db, err := sql.Open("pgx", databaseURL)
	return &store{DB: db, postgres: true}, err
}

// rows runs query and calls scan for each row.
func (s *store) rows(ctx context.Context, query string, scan func(*sql.Rows) error) error {
	found, err := s.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	defer func() { _ = found.Close() }()
	for found.Next() {
		if err := scan(found); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
	}
	return found.Err()
}

// count returns the number that query selects.
func (s *store) count(ctx context.Context, query string, args ...any) (n int, err error) {
	if err := s.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("%s: %w", query, err)
	}
	return n, nil
}

// unfinished counts the deliveries that are neither done nor dead.
func (s *store) unfinished(ctx context.Context) (int, error) {
	return s.count(ctx, `SELECT COUNT(*) FROM bus_deliveries WHERE state <> 'dead'`)
}

// drained waits until no delivery is unfinished.
func (s *store) drained(ctx context.Context) error {
	left := 0
	err := poll(ctx, "drain the events", func() (bool, error) {
		n, err := s.unfinished(ctx)
		if err != nil {
			return false, nil //nolint:nilerr // the database may be restarting; the deadline ends the wait
		}
		left = n
		return n == 0, nil
	})
	if err != nil {
		return fmt.Errorf("%w: %d deliveries are unfinished", err, left)
	}
	return nil
}

// has reports whether the database has the table.
func (s *store) has(ctx context.Context, table string) bool {
	_, err := s.count(ctx, `SELECT COUNT(*) FROM (SELECT 1 FROM `+table+` LIMIT 1) t`)
	return err == nil
}

// integrity returns what the database says is broken in it. Postgres has checksums, which fail a read.
func (s *store) integrity(ctx context.Context) (problems []string, err error) {
	if s.postgres {
		return nil, nil
	}
	err = s.rows(ctx, `PRAGMA integrity_check`, func(r *sql.Rows) error {
		var line string
		err := r.Scan(&line)
		if line != "ok" {
			problems = append(problems, line)
		}
		return err
	})
	return problems, err
}
