package app

import (
	"io/fs"

	"go.uber.org/fx"
)

// DomainModule is a domain as an fx.Option, with its description beside the option.
type DomainModule struct {
	fx.Option
	// Name is the domain's name, the same as its folder's.
	Name string
	// Source is where the domain was declared, as "import/path/file.go:line".
	Source string
	// Parts are the options the domain was declared with, in order.
	Parts []fx.Option
}

// Domain declares a domain: its migrations, models and plugins, and any other fx.Option it needs.
// The name is that of the domain's folder.
func Domain(name string, parts ...fx.Option) DomainModule {
	return DomainModule{
		Option: fx.Module(name, parts...),
		Name:   name,
		Source: caller(1),
		Parts:  parts,
	}
}

// MigrationsPart carries a domain's migrations. Make it with [Migrations].
type MigrationsPart struct {
	fx.Option
	FS fs.FS
}

// Migrations gives a domain its migrations: a file system with the folders sqlite and postgres, each
// with plain SQL files named "00001_what_it_does.sql" in goose's format. Every domain keeps a version
// history of its own.
func Migrations(files fs.FS) MigrationsPart {
	return MigrationsPart{Option: fx.Options(), FS: files}
}

// ModelsPart names a domain's entities. Make it with [Models].
type ModelsPart struct {
	fx.Option
	Models []any
}

// Models names the domain's database entities, as zero values: app.Models(models.Product{}). A test holds
// them against the migrated tables of both databases, and the checks use them to know whose table is whose.
func Models(models ...any) ModelsPart {
	return ModelsPart{Option: fx.Options(), Models: models}
}
