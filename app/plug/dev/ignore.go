//go:build unix

package dev

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// tree is the folder of a module, of which it says what can change the binary.
type tree struct{ root string }

// isWatched reports whether a folder of the tree is watched. Hidden folders and node_modules never are, nor are other modules; bin, data
// and vendor are not at the top.
func (t tree) isWatched(folder string) bool {
	for folder != t.root {
		parent, name := filepath.Dir(folder), filepath.Base(folder)
		switch {
		case parent == folder: // it is not in the tree
			return false
		case isHidden(name) || name == "node_modules":
			return false
		case parent == t.root && (name == "bin" || name == "data" || name == "vendor"):
			return false
		}
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return false
		}
		folder = parent
	}
	return true
}

// database matches a SQLite file, and those that SQLite keeps beside it.
var database = regexp.MustCompile(`\.(db|sqlite3?)(-wal|-shm|-journal|\.lock)?$`)

// counts reports whether a change of the file can change the binary. Tests, databases, logs and what editors leave beside a file cannot.
func counts(file string) bool {
	name := filepath.Base(file)
	switch {
	case isHidden(name), strings.HasSuffix(name, "_test.go"), strings.HasSuffix(name, ".log"), database.MatchString(name):
		return false
	case strings.HasSuffix(name, "~"), strings.HasPrefix(name, "#"), strings.HasSuffix(name, ".tmp"), strings.HasSuffix(name, ".swp"),
		strings.HasPrefix(name, "___jb_"):
		return false
	}
	return strings.Trim(name, "0123456789") != "" // vi tries whether it may make files by a number
}

func isHidden(name string) bool { return strings.HasPrefix(name, ".") }
