// Package lint holds the project's rules as go/analysis passes, one file per rule. Each diagnostic says what to do
// instead. A line is exempted from a rule by a comment on it that gives the rule and a reason:
//
//	time.Sleep(d) //plug:allow blocking the device has no other signal
//
// The rules hold in the host's own module and in every module that requires it. They take the module's path from the
// package they look at, and know the contract that plugins are written against by its import path.
package lint

import (
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// Rules returns the passes, made anew, for plugins that are written against the package contract, which is app of the host.
func Rules(contract string) []*analysis.Analyzer {
	var rules []*analysis.Analyzer
	for _, d := range []definition{
		importsRule(), schemasRule(), modelsRule(), shapeRule(), listedRule(), permissionsRule(), blockingRule(), goroutineRule(), tablesRule(),
		transactionRule(), contextRule(), publishRule(), announcedRule(), eventsRule(), secretsRule(), onBootRule(), onceRule(), remoteRule(),
		settingsRule(), exemptionRule(),
	} {
		rules = append(rules, d.analyzer(contract))
	}
	return rules
}

// allowPrefix begins the comment that exempts its line from a rule.
const allowPrefix = "//plug:allow"

// place is where in the layout a package lies.
type place struct {
	module string // the module's path
	rel    string // the package's path without the module's; "" at the root
	room   string // "main", "app", "app/apptest", "domain", "infra", …
	domain string // the domain's name, in room "domain"
	layer  string // "", "plugins", "models" or "migrations", in room "domain"
}

// placeOf returns the place of the package that pass looks at. An external test belongs where its package does.
func placeOf(pass *analysis.Pass) place {
	full := pass.Pkg.Path()
	if strings.HasSuffix(pass.Pkg.Name(), "_test") {
		full = strings.TrimSuffix(full, "_test")
	}
	module := moduleOf(pass, full)
	return placeIn(module, strings.TrimPrefix(strings.TrimPrefix(full, module), "/"))
}

// moduleOf returns the path of the module. When the pass does not know it, it is the part before the first room.
func moduleOf(pass *analysis.Pass, full string) string {
	if pass.Module != nil && pass.Module.Path != "" {
		return pass.Module.Path
	}
	for _, room := range []string{"domains", "infra", "app", "config", "docs"} {
		if before, _, ok := strings.Cut(full+"/", "/"+room+"/"); ok {
			return before
		}
	}
	return full
}

func placeIn(module, rel string) place {
	parts := strings.Split(rel, "/")
	p := place{module: module, rel: rel, room: parts[0]}
	switch {
	case rel == "":
		p.room = "main"
	case parts[0] == "app" && len(parts) > 1:
		p.room = "app/" + parts[1]
	case parts[0] == "domains":
		p.room = "domain"
		if len(parts) > 1 {
			p.domain = parts[1]
		}
		if len(parts) > 2 {
			p.layer = parts[2]
		}
	}
	return p
}

// plugins reports whether p holds plugin files.
func (p place) plugins() bool { return p.room == "domain" && p.layer == "plugins" }

// rule is a pass at a package, for one rule.
type rule struct {
	*analysis.Pass
	place

	name     string
	contract string // the import path of the package that plugins are written against
}

// definition is a rule before it looks at anything.
type definition struct {
	name, doc string
	check     func(rule)
	facts     []analysis.Fact
}

func define(name, doc string, check func(rule), facts ...analysis.Fact) definition {
	return definition{name, doc, check, facts}
}

// analyzer makes a pass of the rule.
func (d definition) analyzer(contract string) *analysis.Analyzer {
	return &analysis.Analyzer{
		Name: d.name, Doc: d.doc, FactTypes: d.facts,
		Run: func(pass *analysis.Pass) (any, error) {
			if !strings.HasSuffix(pass.Pkg.Path(), ".test") { // the program that go test makes
				d.check(rule{Pass: pass, place: placeOf(pass), name: d.name, contract: contract})
			}
			return nil, nil //nolint:nilnil // the rules have no result but their reports
		},
	}
}

// host is the path of the host's module; it is r.module when the package is the host's own.
func (r rule) host() string { return path.Dir(r.contract) }

// ofHost reports whether a package belongs to the host where that is another module.
func (r rule) ofHost(pkg string) bool {
	return r.host() != r.module && (pkg == r.host() || strings.HasPrefix(pkg, r.host()+"/"))
}

// report reports at pos unless the line is exempted.
func (r rule) report(pos token.Pos, format string, args ...any) {
	if !r.exempted(pos) {
		r.Reportf(pos, format, args...)
	}
}

// exempted reports whether the line of pos has an exemption from the rule, with a reason.
func (r rule) exempted(pos token.Pos) bool { return slices.Contains(r.exemptions(pos), r.name) }

// exemptions returns the rules that the line of pos is exempted from.
func (r rule) exemptions(pos token.Pos) []string {
	line := r.Fset.Position(pos).Line
	var names []string
	for _, group := range r.fileOf(pos).Comments {
		for _, c := range group.List {
			if r.Fset.Position(c.Pos()).Line != line {
				continue
			}
			if name, reason := parseAllow(c.Text); reason != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// parseAllow takes an exemption apart; both are empty when the comment is none.
func parseAllow(comment string) (name, reason string) {
	rest, ok := strings.CutPrefix(comment, allowPrefix)
	if !ok {
		return "", ""
	}
	name, reason, _ = strings.Cut(strings.TrimSpace(rest), " ")
	return name, strings.TrimSpace(reason)
}

func (r rule) fileOf(pos token.Pos) *ast.File {
	for _, f := range r.Files {
		if f.FileStart <= pos && pos <= f.FileEnd {
			return f
		}
	}
	return &ast.File{}
}

// fileName returns the name of the file that pos is in, without its folder.
func (r rule) fileName(pos token.Pos) string { return filepath.Base(r.Fset.Position(pos).Filename) }

// sources are the files of the package that are not tests.
func (r rule) sources() []*ast.File {
	return slices.DeleteFunc(slices.Clone(r.Files), func(f *ast.File) bool {
		return strings.HasSuffix(r.fileName(f.Package), "_test.go") || ast.IsGenerated(f)
	})
}

// inSource returns "domains/d/plugins/file.go:12", the same on every machine.
func (r rule) inSource(pos token.Pos) string {
	p := r.Fset.Position(pos)
	return strings.Join([]string{r.rel, filepath.Base(p.Filename)}, "/") + ":" + itoa(p.Line)
}

// callee returns the function or method that call calls, when it is known.
func (r rule) callee(call *ast.CallExpr) *types.Func {
	fun := ast.Unparen(call.Fun)
	switch f := fun.(type) {
	case *ast.IndexExpr:
		fun = f.X
	case *ast.IndexListExpr:
		fun = f.X
	}
	var id *ast.Ident
	switch f := fun.(type) {
	case *ast.Ident:
		id = f
	case *ast.SelectorExpr:
		id = f.Sel
	default:
		return nil
	}
	fn, _ := r.TypesInfo.Uses[id].(*types.Func)
	return fn
}

// callsApp reports whether call is of the app package's function or method name.
func (r rule) callsApp(call *ast.CallExpr, names ...string) bool {
	fn := r.callee(call)
	return fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == r.contract && slices.Contains(names, fn.Name())
}

// receiver returns the named type a method belongs to, as "path.Name"; "" for a function.
func receiver(fn *types.Func) string {
	sig := fn.Signature()
	if sig.Recv() == nil {
		return ""
	}
	return typeName(sig.Recv().Type())
}

// typeName returns "path.Name" of a named type or a pointer to one, otherwise "".
func typeName(t types.Type) string {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	n, ok := types.Unalias(t).(*types.Named)
	if !ok || n.Obj().Pkg() == nil {
		return ""
	}
	return n.Obj().Pkg().Path() + "." + n.Obj().Name()
}

// eachCall calls visit for every call in node.
func eachCall(node ast.Node, visit func(*ast.CallExpr)) {
	ast.Inspect(node, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			visit(call)
		}
		return true
	})
}
