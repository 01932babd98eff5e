package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// Adopt renames the module of dir: in go.mod files, imports, documents and the linters' settings. It returns the changed
// files, sorted. The binary and the deployed parts keep their names.
func Adopt(dir, to string) ([]string, error) {
	if err := module.CheckImportPath(to); err != nil {
		return nil, fmt.Errorf("rename module: %w; give a path such as example.org/team/shop", err)
	}
	t := tree{dir: dir, made: map[string]string{}, changed: map[string]string{}, verbatim: true}
	mod, err := t.read("go.mod")
	if err != nil {
		return nil, err
	}
	m := modulePath.FindStringSubmatch(mod)
	switch {
	case m == nil:
		return nil, errors.New("rename module: go.mod names no module")
	case m[1] == to:
		return nil, fmt.Errorf("rename module: it is called %s already", to)
	}
	folders, err := t.folders()
	if err != nil {
		return nil, err
	}
	r := newRenaming(m[1], to, folders)
	err = filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, name)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(untouched, entry.Name()):
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(name) //nolint:gosec // the module's own
		if err != nil {
			return err
		}
		if changed := r.rename(filepath.ToSlash(rel), text); !bytes.Equal(changed, text) {
			t.changed[filepath.ToSlash(rel)] = string(changed)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("rename module: %w", err)
	}
	return t.write()
}

// untouched are folders that hold no sources of the module.
var untouched = []string{".git", ".cache", "bin", "data", "node_modules"}

// folders returns the rooms of a host's module, of which documents tell, and the folders at the module's root.
func (t *tree) folders() ([]string, error) {
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		return nil, fmt.Errorf("read folder: %w", errors.Unwrap(err))
	}
	folders := []string{"app", "config", "docs", "domains", "infra"}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(untouched, e.Name()) {
			folders = append(folders, regexp.QuoteMeta(e.Name()))
		}
	}
	return folders, nil
}

// renaming replaces a module's path where it stands for the module.
type renaming struct {
	packages *regexp.Regexp // "old/app" and the like
	modFile  *regexp.Regexp // in go.mod: module old, replace old =>, tool old/app/plug
	settings *regexp.Regexp // local-prefixes: [old], pkg: old
	to       string
}

func newRenaming(from, to string, folders []string) renaming {
	old := regexp.QuoteMeta(from)
	return renaming{
		packages: regexp.MustCompile("(^|[\\s\"'`(=\\[])" + old + `/(` + strings.Join(folders, "|") + `)\b`),
		modFile:  regexp.MustCompile(`(?m)^(module |replace |require |tool |\t)` + old + `([\s/]|$)`),
		settings: regexp.MustCompile(`(?m)^(\s*local-prefixes: \[|\s*- pkg: )` + old + `(\]|/?\$?)$`),
		to:       strings.ReplaceAll(to, "$", "$$"),
	}
}

func (r renaming) rename(name string, text []byte) []byte {
	base := path.Base(name)
	switch {
	case base == "go.mod":
		return sorted(r.modFile.ReplaceAll(text, []byte("${1}"+r.to+"${2}")))
	case base == ".golangci.yml":
		text = r.settings.ReplaceAll(text, []byte("${1}"+r.to+"${2}"))
	case !slices.Contains([]string{".go", ".txt", ".md", ".tmpl", ".yml", ".yaml", ".json", ""}, path.Ext(base)) && base != "Makefile":
		return text
	}
	changed := r.packages.ReplaceAll(text, []byte("${1}"+r.to+"/${2}"))
	if path.Ext(base) != ".go" || bytes.Equal(changed, text) {
		return changed
	}
	if formatted, err := format.Source(text); err != nil || !bytes.Equal(formatted, text) {
		return changed // it was not formatted before
	}
	if formatted, err := format.Source(changed); err == nil {
		return formatted // imports are sorted anew
	}
	return changed
}

// sorted returns a go.mod file as "go mod tidy" leaves it: its blocks are sorted.
func sorted(text []byte) []byte {
	file, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		return text
	}
	file.SortBlocks()
	return modfile.Format(file.Syntax)
}
