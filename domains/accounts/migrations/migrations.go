// Package migrations holds the SQL that makes the tables of the accounts domain.
package migrations

import "embed"

// Files has one folder of migrations per database: sqlite and postgres.
//
//go:embed sqlite/*.sql postgres/*.sql
var Files embed.FS
