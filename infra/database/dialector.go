package database

import (
	gormpostgres "gorm.io/driver/postgres"
	gormsqlite "gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/callbacks"
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

// sqliteDialector is GORM's with this package's error translation, and an Initialize that runs no query.
type sqliteDialector struct {
	gormsqlite.Dialector
	pool *pool
}

// Translate implements gorm.ErrorTranslator.
func (sqliteDialector) Translate(err error) error { return MapError(err) }

// Initialize implements gorm.Dialector. It is GORM's own for SQLite 3.35 and later; that one asks the database
// for its version, which would open it.
func (d sqliteDialector) Initialize(db *gorm.DB) error {
	db.ConnPool = d.pool
	callbacks.RegisterDefaultCallbacks(db, &callbacks.Config{
		CreateClauses:        []string{"INSERT", "VALUES", "ON CONFLICT", "RETURNING"},
		UpdateClauses:        []string{"UPDATE", "SET", "FROM", "WHERE", "RETURNING"},
		DeleteClauses:        []string{"DELETE", "FROM", "WHERE", "RETURNING"},
		LastInsertIDReversed: true,
	})
	for name, build := range d.ClauseBuilders() {
		db.ClauseBuilders[name] = build
	}
	return nil
}
