package lint

import (
	"go/ast"
	"go/parser"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"plugboard/app/plug/lint/internal/allowed"
	"plugboard/app/plug/lint/internal/outside"
	"plugboard/app/plug/site"
)

func importsRule() definition {
	known := outside.NewKnown()
	return define("imports", "imports point one way: main to domains, infra and config, those to app; domains are strangers, and import nothing that works behind the host's back",
		func(r rule) { importing{rule: r, known: known, allowed: r.allowed()}.check() })
}

// importing is the rule at a package, with what is known and said of libraries.
type importing struct {
	rule

	known   *outside.Known
	allowed allowed.Libraries
}

// allowed returns the libraries that the service's plug.yaml allows, and reports what is wrong with the file.
func (r rule) allowed() allowed.Libraries {
	if len(r.Files) == 0 || r.room != "domain" && !r.shared(r.place) {
		return nil
	}
	dir := filepath.Dir(r.Fset.Position(r.Files[0].FileStart).Filename)
	root := strings.TrimSuffix(dir, filepath.FromSlash(r.rel))
	name := filepath.Join(root, allowed.File)
	libraries, problems, err := allowed.Read(name)
	if err != nil {
		problems = append(problems, allowed.Problem{Line: 1, Text: err.Error()})
	}
	if len(problems) > 0 {
		last := slices.MaxFunc(problems, func(a, b allowed.Problem) int { return a.Line - b.Line }).Line
		file := r.Fset.AddFile(name, -1, last)
		for line := 1; line < last; line++ {
			file.AddLine(line)
		}
		for _, p := range problems {
			r.Reportf(file.LineStart(p.Line), "%s: %s", allowed.File, p.Text)
		}
	}
	return libraries
}

// check looks at every file of the package, also at tests and at files for other systems.
func (r importing) check() {
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

func (r importing) checkImport(f *ast.File, spec *ast.ImportSpec) {
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
	if why != "" && !slices.Contains(exemptionsIn(r.rule, f, spec), r.name) {
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

const (
	strangers = "a domain never imports another; declare an event struct of your own with its topic and the fields you read, and subscribe to it"
	sharing   = strangers + "; a type that several domains name, such as money, is declared in app/<name> of the service"
)

// strangers says what to do instead of importing another domain. In the host's own module, app is the contract.
func (r importing) strangers() string {
	if r.host() == r.module {
		return strangers
	}
	return sharing
}

// forbiddenOfHost says why a file of a service must not import a package of the host, which is another module, or "". The
// package is given without the module's path.
func (r importing) forbiddenOfHost(file, imported string) string {
	target := placeIn(r.host(), imported)
	test := strings.HasSuffix(file, "_test.go")
	switch {
	case target.room == "app/apptest" && !test:
		return "the test kit is for files *_test.go"
	case r.room == "domain" && target.room == "domain":
		return r.strangers()
	case r.shared(r.place) && target.room != "app" && !test:
		return sharedAlone
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
func (r importing) forbidden(file, imported string, ours bool) string {
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
	case !ours && r.shared(r.place) && !test:
		return r.forbiddenInShared(imported)
	case !ours:
		return ""
	}
	return r.forbiddenInRoom(target, test)
}

func (r importing) forbiddenInRoom(target place, test bool) string {
	switch {
	case r.shared(r.place) && !r.shared(target) && !test:
		return sharedAlone
	case r.room == "app" && target.room != "app" && !test:
		return "app imports nothing else of ours; put what it needs behind an interface of app"
	case r.room == "config" && target.room != "config":
		return "config is a leaf; give the value to whoever needs it in main.go"
	case r.room == "infra" && r.shared(target):
		return ""
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

const sharedAlone = "what several domains share knows nothing else of the service; give it the value that it needs"

// forbiddenInShared says why a package of a service's folder app must not import a package of another module, or "".
func (r importing) forbiddenInShared(imported string) string {
	if imported == gormPackage {
		return "what several domains share asks no database; a type of a column implements driver.Valuer and sql.Scanner, and queries stay in the domain whose tables they name"
	}
	return r.forbiddenLibrary(imported)
}

func (r importing) forbiddenInDomain(imported string, target place, ours, test bool) string {
	switch {
	case ours && target.room == "domain" && target.domain != r.domain:
		return r.strangers()
	case ours && r.shared(target):
		return ""
	case ours && target.room != "app" && target.room != "domain":
		return "a domain knows app and itself; ask the constructor for an interface of what you need, declared here or in app/<name>, " +
			"and have main.go provide it: fx.Provide(fx.Annotate(New, fx.As(new(Interface))))"
	case ours || test:
		return ""
	}
	return r.forbiddenLibrary(imported)
}

// forbiddenLibrary says why neither a domain nor what domains share may import a package that is not ours, or "".
func (r importing) forbiddenLibrary(imported string) string {
	if instead := outside.Standard(imported); instead != "" {
		return imported + " goes past the host; " + instead
	}
	if !strings.Contains(strings.Split(imported, "/")[0], ".") || r.allowed.Has(imported) {
		return ""
	}
	return r.known.Refusal(imported, r.sourceOf(imported))
}

// sourceOf returns a source file of an imported package, "" when it is not known.
func (r rule) sourceOf(imported string) string {
	for _, pkg := range r.Pkg.Imports() {
		if pkg.Path() != imported {
			continue
		}
		for _, name := range pkg.Scope().Names() {
			if pos := pkg.Scope().Lookup(name).Pos(); pos.IsValid() {
				return r.Fset.Position(pos).Filename
			}
		}
	}
	return ""
}
