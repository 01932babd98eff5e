package lint

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
)

// Declared is the package fact of a plugins package: the plugins it declares.
type Declared struct {
	// Names are the plugins' variables, sorted.
	Names []string
}

// AFact implements analysis.Fact.
func (*Declared) AFact() {}

func listedRule() definition {
	return define("listed", "every plugin stands in its domain's list", checkListed, new(Declared))
}

func checkListed(r rule) {
	switch {
	case r.plugins() && r.Pkg.Name() == "plugins":
		r.ExportPackageFact(&Declared{Names: r.declaredPlugins()})
	case r.room == "domain" && r.layer == "":
		r.checkList()
	}
}

// declaredPlugins returns the package's variables of type app.PluginModule, or of another module of the contract such as that of a command.
func (r rule) declaredPlugins() []string {
	var names []string
	for _, name := range r.Pkg.Scope().Names() {
		v, ok := r.Pkg.Scope().Lookup(name).(*types.Var)
		if ok && v.Exported() && slices.Contains([]string{r.contract + ".PluginModule", r.contract + ".CommandModule"}, typeName(v.Type())) {
			names = append(names, name)
		}
	}
	return names
}

// checkList compares the domain's list with the plugins that its package declares. A domain without plugins has no list.
func (r rule) checkList() {
	list, listed := r.domainList()
	if list == token.NoPos {
		return
	}
	for _, pkg := range r.Pkg.Imports() {
		var declared Declared
		if pkg.Path() != r.module+"/domains/"+r.domain+"/plugins" || !r.ImportPackageFact(pkg, &declared) {
			continue
		}
		for _, name := range declared.Names {
			if !slices.Contains(listed, name) {
				r.report(list, "plugins.%s is not in the list, so the service does not have it; add plugins.%s to %s.Module", name, name, r.domain)
			}
		}
	}
}

// domainList returns where app.Domain is called and the plugins it is given.
func (r rule) domainList() (at token.Pos, listed []string) {
	for _, f := range r.sources() {
		eachCall(f, func(call *ast.CallExpr) {
			if !r.callsApp(call, "Domain") {
				return
			}
			at = call.Pos()
			if len(call.Args) > 0 && r.constant(call.Args[0]) != r.domain {
				r.report(call.Args[0].Pos(), "the domain is named %s; give it the name of its folder, %q", printed(call.Args[0]), r.domain)
			}
			for _, arg := range call.Args {
				if sel, ok := arg.(*ast.SelectorExpr); ok {
					listed = append(listed, sel.Sel.Name)
				}
			}
		})
	}
	return at, listed
}
