package database

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

// newDialector returns the GORM dialector of db, whose statements go through the joining pool.
func newDialector(db *DB) gorm.Dialector {
	if db.Dialect() == Postgres {
		return postgresDialector{gormpostgres.Dialector{Config: &gormpostgres.Config{Conn: db.pool}}}
	}
	return sqliteDialector{pool: db.pool}
}

// postgresDialector is GORM's with this package's error translation.
type postgresDialector struct{ gormpostgres.Dialector }

// Translate implements gorm.ErrorTranslator.
func (postgresDialector) Translate(err error) error { return MapError(err) }

// SavePoint implements gorm.SavePointerDialectorInterface.
func (postgresDialector) SavePoint(tx *gorm.DB, name string) error { return savePoint(tx, name) }

// RollbackTo implements gorm.SavePointerDialectorInterface.
func (postgresDialector) RollbackTo(tx *gorm.DB, name string) error { return rollBackTo(tx, name) }

// sqliteDialector is GORM's SQLite, without what this service has no use for: GORM's own asks the database for its
// version when it is made, which opens it, and links a second SQLite wherever there is a C compiler.
type sqliteDialector struct{ pool *pool }

var (
	_ gorm.Dialector                     = sqliteDialector{}
	_ gorm.SavePointerDialectorInterface = sqliteDialector{}
	_ gorm.ErrorTranslator               = sqliteDialector{}
)

// Name implements gorm.Dialector.
func (sqliteDialector) Name() string { return string(SQLite) }

// Translate implements gorm.ErrorTranslator.
func (sqliteDialector) Translate(err error) error { return MapError(err) }

// Initialize implements gorm.Dialector.
func (d sqliteDialector) Initialize(db *gorm.DB) error {
	db.ConnPool = d.pool
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

// DefaultValueOf implements gorm.Dialector. SQLite knows no DEFAULT among the values; NULL makes an id.
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

// SavePoint implements gorm.SavePointerDialectorInterface.
func (sqliteDialector) SavePoint(tx *gorm.DB, name string) error { return savePoint(tx, name) }

// RollbackTo implements gorm.SavePointerDialectorInterface.
func (sqliteDialector) RollbackTo(tx *gorm.DB, name string) error { return rollBackTo(tx, name) }
