package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	goosedb "github.com/pressly/goose/v3/database"
)

// reference is a row that refers to a missing one.
type reference struct {
	table, parent string
	// row is the rowid of the referring row; not valid in a table without rowids.
	row sql.NullInt64
	// problem says why the references of the table cannot be checked, such as a parent without a unique index; "" if they can.
	problem string
}

// orphans counts the references to missing rows.
type orphans map[reference]int

// findOrphans looks through all tables of a SQLite database.
func findOrphans(ctx context.Context, db goosedb.DBTxConn) (orphans, error) {
	tables, err := readAll[string](ctx, db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	found := orphans{}
	for _, table := range tables {
		if err := found.addTable(ctx, db, table); err != nil {
			return nil, fmt.Errorf("check the foreign keys of table %s: %w", table, err)
		}
	}
	return found, nil
}

// addTable looks through one table. The check itself may fail, for example if the parent has no unique index. Then the rollback to the
// savepoint keeps the transaction alive.
func (d orphans) addTable(ctx context.Context, db goosedb.DBTxConn, table string) error {
	const name = "plugboard_foreign_keys"
	if _, err := db.ExecContext(ctx, "SAVEPOINT "+name); err != nil {
		return err
	}
	if err := d.addReferences(ctx, db, table); err != nil {
		if ctx.Err() != nil {
			return err
		}
		d[reference{table: table, problem: err.Error()}]++
		if _, err := db.ExecContext(ctx, "ROLLBACK TO "+name); err != nil {
			return err
		}
	}
	_, err := db.ExecContext(ctx, "RELEASE "+name)
	return err
}

func (d orphans) addReferences(ctx context.Context, db goosedb.DBTxConn, table string) error {
	rows, err := db.QueryContext(ctx, `SELECT rowid, coalesce(parent, '') FROM pragma_foreign_key_check(?)`, table)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		found := reference{table: table}
		if err := rows.Scan(&found.row, &found.parent); err != nil {
			return err
		}
		d[found]++
	}
	return errors.Join(rows.Err(), rows.Close())
}

// beyond returns the references that d has more of than before.
func (d orphans) beyond(before orphans) orphans {
	added := orphans{}
	for found, n := range d {
		if more := n - before[found]; more > 0 {
			added[found] = more
		}
	}
	return added
}

// String counts the rows for each table and parent.
func (d orphans) String() string {
	counts := map[reference]int{}
	for found, n := range d {
		found.row = sql.NullInt64{}
		counts[found] += n
	}
	var lines []string
	for found, n := range counts {
		if found.problem != "" {
			lines = append(lines, fmt.Sprintf("the foreign keys of table %s cannot be checked: %s", found.table, found.problem))
			continue
		}
		lines = append(lines, fmt.Sprintf("rows of table %s that refer to missing rows of table %s: %d", found.table, found.parent, n))
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}

// orphansError is the error of a migration that leaves rows which refer to missing rows.
type orphansError struct{ added, before orphans }

// Error implements error.
func (e *orphansError) Error() string {
	text := "it breaks foreign keys: " + e.added.String() + ". While a migration runs, ON DELETE and ON UPDATE do nothing:" +
		" it has to change or delete the referring rows itself"
	if len(e.before) > 0 {
		text += ". Before it there were already: " + e.before.String()
	}
	return text
}

// readAll reads the first column of a query's rows.
func readAll[T any](ctx context.Context, from Querier, query string, args ...any) ([]T, error) {
	rows, err := from.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []T
	for rows.Next() {
		var one T
		if err := rows.Scan(&one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
