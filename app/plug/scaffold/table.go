package scaffold

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// reservedTables are the words that SQLite or Postgres do not take as the name of a table.
var reservedTables = strings.Fields(`
	add all alter analyse analyze and any array as asc asymmetric authorization autoincrement between binary both case cast check collate
	collation column commit concurrently constraint create cross current_catalog current_date current_role current_schema current_time
	current_timestamp current_user default deferrable delete desc distinct do drop else end escape except exists false fetch for foreign
	freeze from full grant group having ilike in index initially inner insert intersect into is isnull join lateral leading left like limit
	localtime localtimestamp natural not nothing notnull null offset on only or order outer overlaps placing primary references returning
	right select session_user set similar some symmetric system_user table tablesample then to trailing transaction true union unique
	update user using values variadic verbose when where window with`)

// longestTable is how much of a name Postgres keeps.
const longestTable = 63

// checkTable says why a new domain cannot have the table that is made with it.
func (t *tree) checkTable(v values) error {
	switch {
	case v.Entity == "" || v.Table == "":
		return fmt.Errorf("the domain %q leaves no name for its table; take a longer one", v.Domain)
	case len(v.Table) > longestTable:
		return fmt.Errorf("the domain's table %s would have a name of more than %d characters; take a shorter one", v.Table, longestTable)
	case slices.Contains(reservedTables, v.Table):
		return fmt.Errorf("the domain's table would be called %s, a word of SQL; take another name, such as product%s", v.Table, v.Domain)
	}
	owner, err := t.owner(v.Table)
	switch {
	case err != nil:
		return err
	case strings.HasPrefix(owner, "domains/"):
		return fmt.Errorf("the domain's table would be called %s, which %s makes already; add the plugin to that domain, or take another name", v.Table, owner)
	case owner != "":
		return fmt.Errorf("the domain's table would be called %s, which %s makes already; take another name", v.Table, owner)
	}
	return nil
}

var createTable = regexp.MustCompile("(?i)\\bCREATE\\s+(?:TEMP\\s+|TEMPORARY\\s+|UNLOGGED\\s+)?TABLE\\s+(?:IF\\s+NOT\\s+EXISTS\\s+)?[\"`]?(?:\\w+\\.)?(\\w+)")

// owner returns the migration that makes the table, in this module or in the host's, or "".
func (t *tree) owner(table string) (string, error) {
	files, err := filepath.Glob(t.path("domains/*/migrations/*/*.sql"))
	if err != nil {
		return "", fmt.Errorf("look for tables: %w", err)
	}
	hosts, err := migrationsBelow(filepath.Join(t.host, "infra"))
	if err != nil {
		return "", fmt.Errorf("look for the host's tables: %w", err)
	}
	for _, file := range append(files, hosts...) {
		text, err := os.ReadFile(file) //nolint:gosec // the module's own, or the host's
		if err != nil {
			return "", fmt.Errorf("look for tables: %w", errors.Unwrap(err))
		}
		for _, m := range createTable.FindAllStringSubmatch(string(text), -1) {
			if strings.EqualFold(m[1], table) {
				return t.named(file), nil
			}
		}
	}
	return "", nil
}

// migrationsBelow returns the migrations in all rooms below a folder.
func migrationsBelow(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(name) == ".sql" && filepath.Base(filepath.Dir(filepath.Dir(name))) == "migrations" {
			files = append(files, name)
		}
		return err
	})
	return files, err
}

// named returns the name of a file from the module's root, or from the host's.
func (t *tree) named(file string) string {
	if rel, err := filepath.Rel(t.dir, file); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	rel, err := filepath.Rel(t.host, file)
	if err != nil {
		return file
	}
	return "the host's " + filepath.ToSlash(rel)
}
