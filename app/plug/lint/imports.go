package lint

import (
	"go/ast"
	"go/parser"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"plugboard/app/plug/site"
)

// libraries returns the libraries that a domain may import: plugins are made of them, or they do no I/O of their own.
// Add one that keeps to that when a plugin needs it.
func libraries() []string {
	return []string{
		"go.uber.org/fx", "go.uber.org/zap", "gorm.io/gorm", "github.com/gin-gonic/gin",
		"github.com/google/uuid", "golang.org/x/image", "golang.org/x/text", "golang.org/x/crypto",
	}
}

// behindTheHost returns packages of the standard library that get at files, processes, the network or a database
// past the host.
func behindTheHost() []string {
	return []string{"database/sql", "net", "os", "os/exec", "plugin", "syscall", "unsafe", "log", "log/slog"}
}

func importsRule() definition {
	return define("imports", "imports point one way: main to domains, infra and config, those to app; domains are strangers", checkImports)
}

// checkImports looks at every file of the package, also at tests and at files for other systems.
func checkImports(r rule) {
	files := slices.Clone(r.Files)
	for _, name := range r.IgnoredFiles {
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		text, err := r.ReadFile(name)
		if err != nil {
			continue
		}
		if f, err := parser.ParseFile(r.Fset, name, text, parser.ImportsOnly|parser.ParseComments); err == nil {
			files = append(files, f)
		}
	}
	for _, f := range files {
		for _, spec := range f.Imports {
			r.checkImport(f, spec)
		}
		for _, group := range f.Comments {
			for _, c := range group.List {
				if r.room == "domain" && strings.HasPrefix(c.Text, "//go:linkname ") {
					r.report(c.Pos(), "go:linkname reaches into another package behind its back; use what the package exports")
				}
			}
		}
	}
}

func (r rule) checkImport(f *ast.File, spec *ast.ImportSpec) {
	imported, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return
	}
	name := filepath.Base(r.Fset.Position(f.Package).Filename)
	rel, ours := strings.CutPrefix(imported, r.module+"/")
	var why string
	if r.ofHost(imported) {
		why = r.forbiddenOfHost(name, strings.TrimPrefix(imported, r.host()+"/"))
	} else {
		why = r.forbidden(name, rel, ours)
	}
	if why != "" && !slices.Contains(exemptionsIn(r, f, spec), r.name) {
		r.Reportf(spec.Pos(), "%s", why)
	}
}

// exemptionsIn is [rule.exemptions] for a file that need not be one of the pass's.
func exemptionsIn(r rule, f *ast.File, at ast.Node) []string {
	s := r
	pass := *r.Pass
	pass.Files = []*ast.File{f}
	s.Pass = &pass
	return s.exemptions(at.Pos())
}

const strangers = "a domain never imports another; declare an event struct of your own with its topic and the fields you read, and subscribe to it"

// forbiddenOfHost says why a file of a service must not import a package of the host, which is another module, or "". The
// package is given without the module's path.
func (r rule) forbiddenOfHost(file, imported string) string {
	target := placeIn(r.host(), imported)
	test := strings.HasSuffix(file, "_test.go")
	switch {
	case target.room == "app/apptest" && !test:
		return "the test kit is for files *_test.go"
	case r.room == "domain" && target.room == "domain":
		return strangers
	case target.room == "domain" && r.room == "main" && target.layer == "" && (file == "main.go" || test):
		return ""
	case target.room == "domain" && target.layer == "":
		return "main.go is the only file that names domains; add the domain's module to its list"
	case r.room == "domain" && target.room != "app" && target.room != "app/apptest":
		return "a domain knows app and itself; ask the constructor for what you need, Fx resolves it by type"
	case !slices.Contains(site.Public(), imported):
		return r.host() + "/" + imported + " may change in any release of the host, which keeps only " + strings.Join(site.Public(), ", ")
	}
	return ""
}

// forbidden says why the file must not import the package, or "". A package of ours is given without the module's
// path.
func (r rule) forbidden(file, imported string, ours bool) string {
	test, target := strings.HasSuffix(file, "_test.go"), place{}
	if ours {
		target = placeIn(r.module, imported)
	}
	switch {
	case ours && test && target.room == "app/apptest":
		return ""
	case r.room == "main" && ours && target.room == "domain" && file != "main.go" && !test:
		return "main.go is the only file that names domains; add the domain's module to its list"
	case r.room == "main" && ours && target.room == "app/plug" && !test:
		return "the developer's command is never linked into the service"
	case r.room == "main":
		return ""
	case r.room == "domain":
		return r.forbiddenInDomain(imported, target, ours, test)
	case !ours:
		return ""
	}
	return r.forbiddenInRoom(target, test)
}

func (r rule) forbiddenInRoom(target place, test bool) string {
	switch {
	case r.shared(r.place) && !r.shared(target) && !test:
		return "what several domains share knows nothing else of the service; give it the value that it needs"
	case r.room == "app" && target.room != "app" && !test:
		return "app imports nothing else of ours; put what it needs behind an interface of app"
	case r.room == "config" && target.room != "config":
		return "config is a leaf; give the value to whoever needs it in main.go"
	case r.room == "infra" && (target.room == "domain" || strings.HasPrefix(target.room, "app/") || target.room == "docs"):
		return "infra knows app, config and infra; take what you need from the registrations"
	case r.room == "app/apptest" && target.room == "domain" && !test:
		return "the test kit knows no domain; take the domain's module as a parameter"
	case r.room == "app/plug" && target.room == "domain":
		return "the developer's command knows no domain; it asks the service"
	case r.room == "docs" && target.room != "docs":
		return "docs imports nothing of ours"
	}
	return ""
}

// shared reports whether a place is of a service's folder app, which has types that several domains name, such as money.
func (r rule) shared(p place) bool {
	return r.host() != r.module && (p.room == "app" || strings.HasPrefix(p.room, "app/"))
}

func (r rule) forbiddenInDomain(imported string, target place, ours, test bool) string {
	switch {
	case ours && target.room == "domain" && target.domain != r.domain:
		return strangers
	case ours && r.shared(target):
		return ""
	case ours && target.room != "app" && target.room != "domain":
		return "a domain knows app and itself; ask the constructor for what you need, Fx resolves it by type"
	case ours || test:
		return ""
	case slices.Contains(behindTheHost(), imported):
		return "a plugin asks its constructor for what gets at the outside; " + imported + " goes past the host"
	case strings.Contains(strings.Split(imported, "/")[0], "."):
		for _, library := range libraries() {
			if imported == library || strings.HasPrefix(imported, library+"/") {
				return ""
			}
		}
		if r.host() != r.module {
			return imported + " is not among the libraries a domain may use; if it does no I/O of its own, say so behind the import: //plug:allow imports <reason>"
		}
		return imported + " is not among the libraries a domain may use; if it does no I/O of its own, add it to the list in app/plug/lint/imports.go"
	}
	return ""
}
