package apptest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"gorm.io/gorm/schema"

	"plugboard/infra/database"
)

// CompareModels compares GORM models, given as pointers to structs, with the tables that the migrations made, and
// returns every difference: a missing or unmapped column, another kind of type, a too narrow integer, NULL allowed on
// one side only, another primary key, a unique index on one side only. It is for a test that runs on both databases.
// Unique indexes over expressions are not compared.
func CompareModels(ctx context.Context, db *database.DB, models []any) []error {
	var diffs []error
	for _, model := range models {
		found, err := compareModel(ctx, db, model)
		if err != nil {
			found = []string{err.Error()}
		}
		for _, text := range found {
			diffs = append(diffs, fmt.Errorf("model %T: %s", model, text))
		}
	}
	return diffs
}

func compareModel(ctx context.Context, db *database.DB, model any) ([]string, error) {
	described, err := db.TableOf(model)
	if err != nil {
		return nil, err
	}
	parsed, err := schema.Parse(model, &sync.Map{}, db.Gorm().NamingStrategy)
	if err != nil {
		return nil, err
	}
	t, err := readTable(ctx, db, parsed.Table)
	if err != nil {
		return nil, fmt.Errorf("read table %s: %w", parsed.Table, err)
	}
	return compareTable(parsed, described.Uniques, t), nil
}

// table is a table as the database's catalog describes it.
type table struct {
	columns []column
	uniques []string // the columns of each unique index, joined by commas
}

type column struct {
	name    string
	typ     string // as the catalog names it
	notNull bool
	key     bool
}

func compareTable(model *schema.Schema, uniques []string, t table) []string {
	if len(t.columns) == 0 {
		return []string{fmt.Sprintf("there is no table %s", model.Table)}
	}
	var diffs []string
	mapped := make(map[string]bool)
	for _, field := range model.Fields {
		if field.DBName == "" {
			continue
		}
		mapped[field.DBName] = true
		i := slices.IndexFunc(t.columns, func(c column) bool { return c.name == field.DBName })
		if i < 0 {
			diffs = append(diffs, fmt.Sprintf("field %s has no column %s", field.Name, field.DBName))
			continue
		}
		diffs = append(diffs, compareColumn(field, t.columns[i])...)
	}
	for _, c := range t.columns {
		if !mapped[c.name] {
			diffs = append(diffs, fmt.Sprintf("column %s has no field", c.name))
		}
	}
	return append(diffs, compareUniques(uniques, t.uniques)...)
}

func compareColumn(field *schema.Field, c column) []string {
	var diffs []string
	want, got := fieldKind(field), columnKind(c.typ)
	if want.name != got.name {
		diffs = append(diffs, fmt.Sprintf("field %s is %s, column %s is %s (%s)", field.Name, want.name, c.name, got.name, c.typ))
	} else if want.bits > got.bits {
		diffs = append(diffs, fmt.Sprintf("field %s has %d bits, column %s is %s", field.Name, want.bits, c.name, c.typ))
	}
	if field.PrimaryKey != c.key {
		diffs = append(diffs, fmt.Sprintf("field %s in the primary key: %t, column %s: %t", field.Name, field.PrimaryKey, c.name, c.key))
	}
	if notNull := field.NotNull || field.PrimaryKey; notNull != (c.notNull || c.key) {
		diffs = append(diffs, fmt.Sprintf("field %s not null: %t, column %s: %t", field.Name, notNull, c.name, c.notNull))
	}
	return diffs
}

// kind is what a type of Go and its types in both databases have in common; bits is the width of an integer.
type kind struct {
	name string
	bits int
}

func fieldKind(field *schema.Field) kind {
	switch field.GORMDataType {
	case schema.Int:
		return kind{"an integer", field.Size}
	case schema.Uint: // a column has a sign
		return kind{"an integer", min(field.Size+1, 64)}
	case schema.Bool, schema.Float, schema.String, schema.Time, schema.Bytes:
		return columnKind(string(field.GORMDataType))
	default:
		return columnKind(string(field.DataType))
	}
}

// columnKind reads a type's name in either database, or GORM's.
func columnKind(typ string) kind {
	typ = strings.ToLower(typ)
	typ, _, _ = strings.Cut(typ, "(")
	switch typ = strings.TrimSpace(typ); typ {
	case "integer", "int": // on SQLite these have 64 bits; readTable says bigint there
		return kind{"an integer", 32}
	case "bigint", "int8":
		return kind{"an integer", 64}
	case "smallint", "int2":
		return kind{"an integer", 16}
	case "bool", "boolean":
		return kind{name: "a boolean"}
	case "float", "real", "double precision", "double":
		return kind{name: "a floating point number"}
	case "string", "text", "varchar", "character varying", "character", "char", "uuid", "json", "jsonb":
		return kind{name: "text"}
	case "time", "datetime", "timestamp", "timestamp with time zone", "timestamp without time zone", "timestamptz", "date":
		return kind{name: "a time"}
	case "bytes", "blob", "bytea":
		return kind{name: "bytes"}
	default:
		return kind{name: typ}
	}
}

func compareUniques(model, table []string) []string {
	var diffs []string
	for _, u := range model {
		if !slices.Contains(table, u) {
			diffs = append(diffs, fmt.Sprintf("the model's unique index on (%s) is missing in the table", u))
		}
	}
	for _, u := range table {
		if !slices.Contains(model, u) {
			diffs = append(diffs, fmt.Sprintf("the table's unique index on (%s) is missing in the model", u))
		}
	}
	return diffs
}

// The catalogs. An index's columns come in its order; NULL stands for an expression.
const (
	sqliteColumns = `SELECT name, CASE upper(type) WHEN 'INTEGER' THEN 'bigint' WHEN 'INT' THEN 'bigint' ELSE type END,
		"notnull", pk > 0 FROM pragma_table_info(?) ORDER BY cid`
	sqliteUniques = `SELECT l.name, i.name FROM pragma_index_list(?) l, pragma_index_info(l.name) i
		WHERE l."unique" AND l.origin <> 'pk' ORDER BY l.name, i.seqno`
	postgresColumns = `SELECT a.attname, format_type(a.atttypid, NULL), a.attnotnull,
			EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey))
		FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`
	postgresUniques = `SELECT i.indexrelid::regclass::text, a.attname
		FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (attnum, position)
		LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.attnum > 0
		WHERE i.indrelid = to_regclass($1) AND i.indisunique AND NOT i.indisprimary
			AND k.position <= i.indnkeyatts ORDER BY 1, k.position`
)

// readTable reads the catalog; a table that does not exist has no columns.
func readTable(ctx context.Context, db *database.DB, name string) (table, error) {
	columns, uniques := sqliteColumns, sqliteUniques
	if db.Dialect() == database.Postgres {
		columns, uniques = postgresColumns, postgresUniques
	}
	var (
		t   table
		err error
	)
	if t.columns, err = readColumns(ctx, db, columns, name); err != nil {
		return t, err
	}
	t.uniques, err = readUniques(ctx, db, uniques, name)
	return t, err
}

func readColumns(ctx context.Context, db *database.DB, query, name string) ([]column, error) {
	rows, err := db.QueryContext(ctx, query, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var columns []column
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.name, &c.typ, &c.notNull, &c.key); err != nil {
			return nil, err
		}
		columns = append(columns, c)
	}
	return columns, rows.Err()
}

func readUniques(ctx context.Context, db *database.DB, query, name string) ([]string, error) {
	rows, err := db.QueryContext(ctx, query, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var (
		order     []string
		columns   = make(map[string][]string)
		expressed = make(map[string]bool)
	)
	for rows.Next() {
		var (
			index  string
			column *string
		)
		if err := rows.Scan(&index, &column); err != nil {
			return nil, err
		}
		if !slices.Contains(order, index) {
			order = append(order, index)
		}
		if column == nil {
			expressed[index] = true
			continue
		}
		columns[index] = append(columns[index], *column)
	}
	var uniques []string
	for _, index := range order {
		if !expressed[index] {
			uniques = append(uniques, strings.Join(columns[index], ","))
		}
	}
	return uniques, rows.Err()
}
