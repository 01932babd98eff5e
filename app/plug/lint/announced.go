package lint

import (
	"go/ast"
	"go/types"
	"strings"
)

func announcedRule() definition {
	return define("announced", "a plugin announces in OnBoot what it publishes", checkAnnounced)
}

// checkAnnounced follows each plugin's methods through the package's functions, and reports published events that the
// plugin's OnBoot does not announce.
func checkAnnounced(r rule) {
	if !r.plugins() {
		return
	}
	decls := r.functions()
	for fn, d := range decls {
		if d.Name.Name != "OnBoot" || !strings.HasSuffix(receiverName(d), "Plugin") {
			continue
		}
		announced := map[string]bool{}
		eachCall(d.Body, func(call *ast.CallExpr) {
			if r.callsApp(call, "Publishes") {
				for _, arg := range call.Args {
					announced[typeName(r.TypesInfo.TypeOf(arg))] = true
				}
			}
		})
		seen := map[*types.Func]bool{}
		plugin := receiver(fn)
		for method := range decls {
			if receiver(method) == plugin {
				r.checkPublished(decls, method, seen, announced, receiverName(d))
			}
		}
	}
}

func (r rule) checkPublished(decls map[*types.Func]*ast.FuncDecl, fn *types.Func, seen map[*types.Func]bool, announced map[string]bool, plugin string) {
	if seen[fn] || decls[fn] == nil {
		return
	}
	seen[fn] = true
	eachCall(decls[fn].Body, func(call *ast.CallExpr) {
		if next := r.callee(call); next != nil && next.Pkg() == r.Pkg {
			r.checkPublished(decls, next, seen, announced, plugin)
		}
		if !r.publishes(call) {
			return
		}
		t := r.TypesInfo.TypeOf(call.Args[1])
		if _, open := t.Underlying().(*types.Interface); open {
			return
		}
		if name := typeName(t); !announced[name] {
			short := types.TypeString(t, types.RelativeTo(r.Pkg))
			r.report(call.Args[1].Pos(), "%s is published and not announced, which fails when it happens; add b.Publishes(%s{}) to OnBoot of %s", short, short, plugin)
		}
	})
}
