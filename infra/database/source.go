package database

import (
	"errors"
	"path/filepath"
	"strings"

	"plugboard/infra/database/internal/pgx"
)

// Dialect names the kind of database. Its value is also the name of the folder that holds its migrations.
type Dialect string

// The supported databases.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// source is a parsed database URL.
type source struct {
	dialect Dialect
	file    string     // SQLite: the file's path
	server  pgx.Source // Postgres
}

// parseURL reads a database URL. Its errors never contain the URL, which may hold a password.
func parseURL(raw string) (source, error) {
	switch scheme, rest, _ := strings.Cut(raw, ":"); strings.ToLower(scheme) {
	case "sqlite":
		return parseSQLite(rest)
	case "postgres", "postgresql":
		server, err := pgx.ParseURL(raw)
		return source{dialect: Postgres, server: server}, err
	default:
		return source{}, errors.New(`parse database URL: it must begin with "sqlite:" or "postgres://"`)
	}
}

func parseSQLite(path string) (source, error) {
	if after, ok := strings.CutPrefix(path, "//"); ok {
		if !strings.HasPrefix(after, "/") {
			return source{}, errors.New(`parse database URL: write "sqlite:folder/file.db" or "sqlite:/folder/file.db", without "//"`)
		}
		path = after
	}
	switch {
	case path == "":
		return source{}, errors.New(`parse database URL: "sqlite:" needs a file, as in "sqlite:data/plugboard.db"`)
	case strings.Contains(path, ":memory:"):
		return source{}, errors.New(`parse database URL: SQLite in memory is not supported, since it is lost with its connection; name a file`)
	case strings.ContainsAny(path, "?#\x00"):
		return source{}, errors.New(`parse database URL: a SQLite file takes no options, and its name must not contain "?" or "#"`)
	}
	return source{dialect: SQLite, file: filepath.Clean(path)}, nil
}
