package pgx

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Writable asks whether transactions may write. A write would leave a dead row behind even when it is rolled back.
func Writable(ctx context.Context, pool *sql.DB) error {
	var readOnly bool
	row := pool.QueryRowContext(ctx, "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean")
	if err := row.Scan(&readOnly); err != nil {
		return err
	}
	if readOnly {
		return errors.New("the server takes no writes: it is a standby, or default_transaction_read_only is on")
	}
	return nil
}

// Tables knows the tables that could be read and written when they were first seen: the ones of this service. It is for one
// caller at a time.
type Tables struct{ ours map[string]bool }

// Check asks whether the known tables can still be read and written. To look for damage, it reads the first page of each.
func (t *Tables) Check(ctx context.Context, pool *sql.DB, forDamage bool) error {
	rows, err := pool.QueryContext(ctx, `SELECT relname, has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE')
		FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' ORDER BY relname`)
	if err != nil {
		return err
	}
	open, err := t.scan(rows)
	if err != nil || !forDamage || len(open) == 0 {
		return err
	}
	queries := make([]string, len(open)) // each for the page with the first rows
	for i, name := range open {
		queries[i] = "SELECT 1 FROM " + pgx.Identifier{name}.Sanitize() + " WHERE ctid = '(0,1)'"
	}
	_, err = pool.ExecContext(ctx, strings.Join(queries, " UNION ALL "))
	return err
}

// scan returns the tables that can be read and written. One that could be, and cannot any more, is an error.
func (t *Tables) scan(rows *sql.Rows) (open []string, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	if t.ours == nil {
		t.ours = map[string]bool{}
	}
	for rows.Next() {
		var (
			name   string
			usable bool
		)
		if err := rows.Scan(&name, &usable); err != nil {
			return nil, err
		}
		switch {
		case usable:
			t.ours[name] = true
			open = append(open, name)
		case t.ours[name]:
			return nil, fmt.Errorf("the right to read or to write the table %s was taken from this user", name)
		}
	}
	return open, rows.Err()
}
