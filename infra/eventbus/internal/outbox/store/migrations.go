package store

import (
	"embed"

	"plugboard/infra/database"
)

//go:embed migrations
var migrations embed.FS

// Migrations returns the tables of the event bus.
func Migrations() database.MigrationSet {
	return database.EmbeddedMigrations("eventbus", migrations)
}
