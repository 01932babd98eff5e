// Package orm fits GORM to the databases of this service.
//
// It has a dialector for each database, made without opening one, whose errors, savepoints and connections are those of a
// [Handle], and a logger that shows no values. All of it is safe for concurrent use.
package orm

import (
	"strconv"
	"strings"

	gormpostgres "gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/callbacks"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/migrator"
	"gorm.io/gorm/schema"
)

// Handle runs GORM's statements, translates their errors, and sets savepoints.
type Handle interface {
	gorm.ConnPool
	gorm.ErrorTranslator
	gorm.SavePointerDialectorInterface
}

// Postgres returns the dialector of a Postgres database.
func Postgres(handle Handle) gorm.Dialector {
	return postgresDialector{handle, below{gormpostgres.Dialector{Config: &gormpostgres.Config{Conn: handle}}}}
}

// postgresDialector is GORM's own dialector with the handle's methods in the place of its own. Go prefers the handle's methods because
// they are embedded one level higher than those of GORM's dialector.
type postgresDialector struct {
	Handle
	below
}

type below struct{ gormpostgres.Dialector }

// SQLite returns the dialector of a SQLite database.
func SQLite(handle Handle) gorm.Dialector { return sqliteDialector{handle} }

// sqliteDialector does what GORM's own dialector for SQLite does, as far as this service needs it. GORM's own cannot be used: it opens the
// database when it is made, to ask for the version, and it links a second SQLite if there is a C compiler.
type sqliteDialector struct{ Handle }

var (
	_ gorm.SavePointerDialectorInterface = sqliteDialector{}
	_ gorm.ErrorTranslator               = sqliteDialector{}
	_ gorm.SavePointerDialectorInterface = postgresDialector{}
	_ gorm.ErrorTranslator               = postgresDialector{}
)

// Name implements gorm.Dialector.
func (sqliteDialector) Name() string { return "sqlite" }

// Initialize implements gorm.Dialector.
func (d sqliteDialector) Initialize(db *gorm.DB) error {
	db.ConnPool = d.Handle
	callbacks.RegisterDefaultCallbacks(db, &callbacks.Config{
		CreateClauses: []string{"INSERT", "VALUES", "ON CONFLICT", "RETURNING"},
		UpdateClauses: []string{"UPDATE", "SET", "FROM", "WHERE", "RETURNING"},
		DeleteClauses: []string{"DELETE", "FROM", "WHERE", "RETURNING"},
		// The id that SQLite reports for several inserted rows is the last one's.
		LastInsertIDReversed: true,
	})
	db.ClauseBuilders["LIMIT"] = buildLimit
	db.ClauseBuilders["FOR"] = buildLocking
	return nil
}

// buildLimit writes LIMIT; on SQLite an OFFSET needs one.
func buildLimit(c clause.Clause, builder clause.Builder) {
	limit, ok := c.Expression.(clause.Limit)
	if !ok {
		c.Build(builder)
		return
	}
	rows := -1
	if limit.Limit != nil && *limit.Limit >= 0 {
		rows = *limit.Limit
	}
	if rows >= 0 || limit.Offset > 0 {
		_, _ = builder.WriteString("LIMIT " + strconv.Itoa(rows))
	}
	if limit.Offset > 0 {
		_, _ = builder.WriteString(" OFFSET " + strconv.Itoa(limit.Offset))
	}
}

// buildLocking leaves out FOR UPDATE: a transaction on SQLite is the only writer anyway.
func buildLocking(c clause.Clause, builder clause.Builder) {
	if _, ok := c.Expression.(clause.Locking); !ok {
		c.Build(builder)
	}
}

// Migrator implements gorm.Dialector. Tables are made by migrations, not by AutoMigrate.
func (d sqliteDialector) Migrator(db *gorm.DB) gorm.Migrator {
	return migrator.Migrator{Config: migrator.Config{DB: db, Dialector: d, CreateIndexAfterCreateTable: true}}
}

// DataTypeOf implements gorm.Dialector.
func (sqliteDialector) DataTypeOf(field *schema.Field) string {
	switch field.DataType {
	case schema.Bool:
		return "numeric"
	case schema.Int, schema.Uint:
		return "integer"
	case schema.Float:
		return "real"
	case schema.String:
		return "text"
	case schema.Time:
		return "datetime"
	case schema.Bytes:
		return "blob"
	default:
		return string(field.DataType)
	}
}

// DefaultValueOf implements gorm.Dialector. NULL makes SQLite choose an id. SQLite has no such value for other columns: the statement with
// DEFAULT fails, as it does with GORM's own dialector, and no column silently loses its default.
func (sqliteDialector) DefaultValueOf(field *schema.Field) clause.Expression {
	if field.AutoIncrement {
		return clause.Expr{SQL: "NULL"}
	}
	return clause.Expr{SQL: "DEFAULT"}
}

// BindVarTo implements gorm.Dialector.
func (sqliteDialector) BindVarTo(writer clause.Writer, _ *gorm.Statement, _ any) {
	_ = writer.WriteByte('?')
}

// QuoteTo implements gorm.Dialector. Names with dots are quoted part by part.
func (sqliteDialector) QuoteTo(writer clause.Writer, name string) {
	for i, part := range strings.Split(name, ".") {
		if i > 0 {
			_ = writer.WriteByte('.')
		}
		part = strings.Trim(part, "`\"")
		_, _ = writer.WriteString(`"` + strings.ReplaceAll(part, `"`, `""`) + `"`)
	}
}

// Explain implements gorm.Dialector. The log shows statements without their values, so it has none to fill in.
func (sqliteDialector) Explain(query string, vars ...any) string {
	return logger.ExplainSQL(query, nil, `'`, vars...)
}
