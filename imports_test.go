package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// libraries are those that a domain may import: they do no I/O of their own, or are what plugins are made
// of. Add to the list what a plugin needs and what keeps to that.
var libraries = []string{
	"go.uber.org/fx", "go.uber.org/zap", "gorm.io/gorm", "github.com/gin-gonic/gin",
	"github.com/google/uuid", "golang.org/x/image", "golang.org/x/text", "golang.org/x/crypto",
}

// behindTheHost are packages of the standard library that get at files, processes, the network or a database
// past the host.
var behindTheHost = []string{"database/sql", "net", "os", "os/exec", "plugin", "syscall", "unsafe", "log", "log/slog"}

// modulePath is read from go.mod: the rules hold for a team that has renamed the module.
func modulePath(t *testing.T, tree fs.FS) string {
	t.Helper()
	match := regexp.MustCompile(`(?m)^module (\S+)$`).FindStringSubmatch(read(t, tree, "go.mod"))
	require.NotNil(t, match, "go.mod names no module")
	return match[1]
}

// checkImports holds every import against the layout: main → {domains, infra, config} → app, and
// infra → config; domains are strangers to each other.
func checkImports(t *testing.T, tree fs.FS) []string {
	var problems []string
	module := modulePath(t, tree)
	for _, name := range files(t, tree, ".go") {
		file, err := parser.ParseFile(token.NewFileSet(), name, read(t, tree, name), parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			if why := forbidden(name, strings.TrimPrefix(imported, module+"/"), imported != strings.TrimPrefix(imported, module+"/")); why != "" {
				problems = append(problems, fmt.Sprintf("%s imports %s: %s", name, imported, why))
			}
		}
	}
	return problems
}

// forbidden says why the file must not import the package, or "". A package of ours is given without the
// module's path.
func forbidden(file, imported string, ours bool) string {
	room, test := roomOf(file), strings.HasSuffix(file, "_test.go")
	target := roomOf(imported + "/x.go")
	switch {
	case ours && test && target == "app/apptest":
		return ""
	case room == "main":
		if ours && target == "domain" && file != "main.go" && !test {
			return "main.go is the only file that names domains"
		}
		return ""
	case room == "domain":
		return forbiddenInDomain(file, imported, ours, test)
	case !ours:
		return ""
	case room == "app" && target != "app":
		return "app imports nothing else of ours"
	case room == "config" && target != "config":
		return "config is a leaf"
	case room == "infra" && (target == "domain" || target == "main" || strings.HasPrefix(target, "app/") || target == "docs"):
		return "infra knows app, config and infra"
	case room == "app/apptest" && target == "domain" && !test:
		return "the test kit knows no domain"
	case room == "docs":
		return "docs imports nothing of ours"
	}
	return ""
}

func forbiddenInDomain(file, imported string, ours, test bool) string {
	domain := strings.Join(strings.Split(file, "/")[:2], "/")
	switch {
	case ours && imported != "app" && imported != domain && !strings.HasPrefix(imported, domain+"/"):
		return "a domain knows app and itself; other domains are heard of through events, everything else comes through the constructor"
	case ours || test:
		return ""
	case slices.Contains(behindTheHost, imported):
		return "a plugin asks its constructor for what gets at the outside"
	case strings.Contains(strings.Split(imported, "/")[0], "."):
		for _, library := range libraries {
			if imported == library || strings.HasPrefix(imported, library+"/") {
				return ""
			}
		}
		return "not among the libraries a domain may use (imports_test.go)"
	}
	return ""
}

// roomOf returns the room of the layout that a file belongs to.
func roomOf(file string) string {
	dir := path.Dir(file)
	first, rest, _ := strings.Cut(dir, "/")
	switch {
	case dir == ".":
		return "main"
	case first == "app" && rest != "":
		return "app/" + strings.Split(rest, "/")[0]
	case first == "domains":
		return "domain"
	default:
		return first
	}
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	require.Empty(t, checkImports(t, repository()))
}

func TestImportsThatPointTheWrongWay(t *testing.T) {
	t.Parallel()
	for file, imported := range map[string]string{
		"domains/a/plugins/x.go":      "example.org/m/domains/b/models",
		"domains/a/plugins/x_test.go": "example.org/m/domains/b",
		"domains/a/plugins/y.go":      "example.org/m/infra/database",
		"domains/a/models/z.go":       "example.org/m/config",
		"domains/a/plugins/v.go":      "example.org/m/domains/ab",
		"domains/a/plugins/q.go":      "database/sql",
		"domains/a/plugins/w.go":      "github.com/jackc/pgx/v5",
		"domains/a/plugins/k.go":      "example.org/m/app/apptest",
		"app/b.go":                    "example.org/m/config",
		"app/c.go":                    "example.org/m/app/apptest",
		"app/apptest/d.go":            "example.org/m/domains/a",
		"infra/host/e.go":             "example.org/m/domains/a",
		"infra/host/i.go":             "example.org/m/app/apptest",
		"infra/httpserver/f.go":       "example.org/m/docs",
		"config/g.go":                 "example.org/m/app",
		"docs/h.go":                   "example.org/m/app",
		"modules.go":                  "example.org/m/domains/a",
	} {
		tree := fstest.MapFS{
			"go.mod": {Data: []byte("module example.org/m\n")},
			file:     {Data: []byte("package x\n\nimport _ \"" + imported + "\"\n")},
		}
		require.Len(t, checkImports(t, tree), 1, "%s imports %s", file, imported)
	}
}
