package store

import (
	"embed"
	"io/fs"

	"plugboard/infra/database"
)

//go:embed migrations
var migrations embed.FS

// Migrations returns the tables of the event bus.
func Migrations() database.MigrationSet {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return database.MigrationSet{Domain: "eventbus", FS: files}
}
