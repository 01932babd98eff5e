package lint

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
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

// Permits is the package fact of a plugins package: the permissions that it asks for.
type Permits struct {
	Uses []PermissionUse
}

// AFact implements analysis.Fact.
func (*Permits) AFact() {}

// String names the permissions, for messages.
func (p *Permits) String() string {
	names := make([]string, len(p.Uses))
	for i, use := range p.Uses {
		names[i] = use.Name
	}
	return strings.Join(names, " ")
}

// PermissionUse is a place that asks for a permission.
type PermissionUse struct {
	Name string
	// Source is where, as "domains/d/plugins/file.go:12".
	Source string
	// Exempt is true when the line is exempted.
	Exempt bool
}

func permissionsRule() definition {
	return define("permissions", "permissions are constants that their domain declares, and no plugin knows anybody by an ID", checkPermissions, new(Permits))
}

func checkPermissions(r rule) {
	switch {
	case r.plugins():
		r.ExportPackageFact(&Permits{Uses: r.askedPermissions()})
		r.checkIDs()
	case r.room == "domain" && r.layer == "":
		r.checkDeclaredPermissions()
	}
}

// askedPermissions returns the permissions that the package asks for, with app.Can or a principal's Can, and reports those that it makes up.
func (r rule) askedPermissions() (uses []PermissionUse) {
	for _, f := range r.sources() {
		eachCall(f, func(call *ast.CallExpr) {
			if !r.callsApp(call, "Can") || len(call.Args) != 1 {
				return
			}
			switch name := r.constant(call.Args[0]); {
			case name != "":
				uses = append(uses, PermissionUse{name, r.inSource(call.Pos()), r.exempted(call.Pos())})
			case receiver(r.callee(call)) == "":
				r.report(call.Args[0].Pos(), "the permission %s is no constant, so nobody sees in the sources who may call; write it here", printed(call.Args[0]))
			}
		})
	}
	return uses
}

// checkDeclaredPermissions compares the permissions of the domain that its packages ask for with those that its list declares. Whether another
// domain declares one shows at the start.
func (r rule) checkDeclaredPermissions() {
	list, declared := token.NoPos, map[string]bool{}
	for _, f := range r.sources() {
		eachCall(f, func(call *ast.CallExpr) {
			switch {
			case r.callsApp(call, "Domain"):
				list = call.Pos()
			case r.callsApp(call, "Permission") && len(call.Args) > 0:
				name := r.constant(call.Args[0])
				if declared[name] = true; name == "" {
					r.report(call.Args[0].Pos(), "the permission %s is no constant, so nobody finds where it is asked for; write it here", printed(call.Args[0]))
				}
			}
		})
	}
	uses := r.askedPermissions()
	for _, pkg := range r.Pkg.Imports() {
		var theirs Permits
		if pkg.Path() == r.module+"/domains/"+r.domain+"/plugins" && r.ImportPackageFact(pkg, &theirs) {
			uses = append(uses, theirs.Uses...)
		}
	}
	for _, use := range uses {
		if list != token.NoPos && strings.HasPrefix(use.Name, r.domain+".") && !declared[use.Name] && !use.Exempt {
			r.report(list, "%s asks for the permission %s, which is not in the list; add app.Permission(%q, \"what it lets somebody do\")", use.Source, use.Name, use.Name)
		}
	}
}

// checkIDs reports where the ID of a principal is compared with a text of the sources.
func (r rule) checkIDs() {
	for _, f := range r.sources() {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if n.Op == token.EQL || n.Op == token.NEQ {
					r.checkID(n.X, n.Y)
					r.checkID(n.Y, n.X)
				}
			case *ast.SwitchStmt:
				for _, clause := range n.Body.List {
					r.checkID(n.Tag, clause.(*ast.CaseClause).List...) //nolint:forcetypeassert // a switch has nothing else
				}
			}
			return true
		})
	}
}

// checkID reports those of the values that are texts of the sources, when it is the ID of a principal that is compared with them.
func (r rule) checkID(compared ast.Expr, values ...ast.Expr) {
	sel, ok := compared.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "ID" || typeName(r.TypesInfo.TypeOf(sel.X)) != r.contract+".Principal" {
		return
	}
	for _, value := range values {
		if r.constant(value) != "" {
			r.report(value.Pos(), "the plugin knows somebody by the ID %s, whom another database does not have; ask for a permission with app.Can", printed(value))
		}
	}
}
