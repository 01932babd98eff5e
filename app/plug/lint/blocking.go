package lint

import (
	"go/ast"
	"go/types"
	"strings"

	"plugboard/app/plug/lint/internal/outside"
)

func blockingRule() definition {
	calls := outside.Calls()
	return define("blocking", "handlers neither sleep nor do I/O that cannot be cancelled, and pass on their context", func(r rule) { checkBlocking(r, calls) })
}

// checkBlocking looks at all code of a domain, and of what domains share, since all of it runs in handlers. Tests are exempt.
func checkBlocking(r rule, calls map[string][]outside.Call) {
	if r.room != "domain" && !r.shared(r.place) {
		return
	}
	var loops *loops
	for _, f := range r.sources() {
		for id, obj := range r.usedIn(f) {
			call, ok := blockedBy(obj, calls)
			if !ok {
				continue
			}
			if call.Waits {
				if loops == nil {
					loops = r.findLoops()
				}
				if loops.has(id) {
					continue
				}
			}
			r.report(id.Pos(), "%s.%s in a handler: %s", obj.Pkg().Name(), obj.Name(), call.Instead)
		}
		r.checkSleep(f, &loops)
	}
}

// usedIn returns what the file's names stand for in other packages. Of a type, only the places where a value is made count.
func (r rule) usedIn(f *ast.File) map[*ast.Ident]types.Object {
	found, named := map[*ast.Ident]types.Object{}, map[*ast.Ident]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			named[nameOf(n.Type)] = true
		case *ast.ValueSpec:
			named[nameOf(n.Type)] = true
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "new" && len(n.Args) == 1 {
				named[nameOf(n.Args[0])] = true
			}
			named[nameOf(n.Fun)] = true // a conversion
		case *ast.Ident:
			obj := r.TypesInfo.Uses[n]
			if obj == nil || obj.Pkg() == nil || obj.Pkg() == r.Pkg {
				return true
			}
			if v, ok := obj.(*types.Var); ok && v.IsField() {
				return true
			}
			if _, ok := obj.(*types.TypeName); !ok || named[n] {
				found[n] = obj
			}
		}
		return true
	})
	return found
}

// nameOf returns the last identifier of a name such as http.Client, or nil.
func nameOf(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		return e.Sel
	case *ast.Ident:
		return e
	}
	return nil
}

// blockedBy returns the family of calls that obj belongs to.
func blockedBy(obj types.Object, calls map[string][]outside.Call) (outside.Call, bool) {
	receives := ""
	if fn, ok := obj.(*types.Func); ok {
		receives = strings.TrimPrefix(receiver(fn), obj.Pkg().Path()+".")
	}
	for _, call := range calls[obj.Pkg().Path()] {
		if call.Receiver == receives && call.Names.MatchString(obj.Name()) {
			return call, true
		}
	}
	return outside.Call{}, false
}

// checkSleep reports app.Sleep outside of loops.
func (r rule) checkSleep(f *ast.File, found **loops) {
	eachCall(f, func(call *ast.CallExpr) {
		if !r.callsApp(call, "Sleep") {
			return
		}
		if *found == nil {
			*found = r.findLoops()
		}
		if !(*found).has(call) {
			r.report(call.Pos(), "app.Sleep in a handler holds the request; publish the event with app.Delay, run work at its times with b.Schedule, or wait with app.Sleep(ctx, d) in a loop that b.Loop keeps running")
		}
	})
}
