package pgx

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Writable returns nil if transactions may write, and an error that says why not. It only asks: even a write that is rolled back would
// leave a dead row.
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

// Tables remembers the tables that this user could read and change at some time: those of this service. To change means any of INSERT,
// UPDATE and DELETE, as the service may lack some of these rights on a table. It is for one caller at a time.
type Tables struct{ ours map[string]bool }

// Check asks whether the tables it remembers can still be read and changed. If forDamage, it also reads the first page of each.
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
	queries := make([]string, len(open)) // each reads the page with the first rows
	for i, name := range open {
		queries[i] = "SELECT 1 FROM " + pgx.Identifier{name}.Sanitize() + " WHERE ctid = '(0,1)'"
	}
	_, err = pool.ExecContext(ctx, strings.Join(queries, " UNION ALL "))
	return err
}

// scan returns the tables that can be read and changed, and remembers them. It fails if a table that it remembers no longer can.
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
