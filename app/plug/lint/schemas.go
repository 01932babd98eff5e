package lint

import (
	"go/ast"
	"go/types"
	"strings"
)

func schemasRule() definition {
	return define("schemas", "a plugin's requests, responses and events are declared in its own file", checkSchemas)
}

// checkSchemas checks the types that OnBoot registers: those of handlers, subscribers and announced events.
func checkSchemas(r rule) {
	if !r.plugins() {
		return
	}
	for _, f := range r.sources() {
		eachCall(f, func(call *ast.CallExpr) {
			switch {
			case r.callsApp(call, "Handle", "HandleCPU", "Reply") && len(call.Args) == 1:
				sig, ok := r.TypesInfo.TypeOf(call.Args[0]).Underlying().(*types.Signature)
				if ok && sig.Params().Len() == 2 && sig.Results().Len() == 2 {
					r.checkSchema(f, call, sig.Params().At(1).Type())
					r.checkSchema(f, call, sig.Results().At(0).Type())
				}
			case r.callsApp(call, "On", "OnTx") && len(call.Args) == 1:
				if event := r.eventOf(call); event != nil && !r.isOwn(event) {
					r.checkSchema(f, call, event)
				}
			case r.callsApp(call, "Publishes"):
				for _, arg := range call.Args {
					r.checkSchema(f, arg, r.TypesInfo.TypeOf(arg))
				}
			}
		})
	}
}

// isOwn reports whether t is declared in this package: a subscriber may share the event of its own domain.
func (r rule) isOwn(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	return ok && named.Obj().Pkg() == r.Pkg
}

// checkSchema reports a type of this module that is declared in another file, and such parts of it.
func (r rule) checkSchema(f *ast.File, at ast.Node, t types.Type) {
	switch t := types.Unalias(t).(type) {
	case *types.Pointer:
		r.checkSchema(f, at, t.Elem())
	case *types.Slice:
		r.checkSchema(f, at, t.Elem())
	case *types.Array:
		r.checkSchema(f, at, t.Elem())
	case *types.Map:
		r.checkSchema(f, at, t.Elem())
	case *types.Named:
		for arg := range t.TypeArgs().Types() {
			r.checkSchema(f, at, arg)
		}
		pkg := t.Obj().Pkg()
		if pkg == nil || pkg.Path() == r.contract || !strings.HasPrefix(pkg.Path(), r.module+"/") {
			return
		}
		if pkg != r.Pkg || r.fileName(t.Obj().Pos()) != r.fileName(f.Package) {
			r.report(at.Pos(), "%s is declared elsewhere; declare the request, response or event at the top of this file, even if another plugin has one that looks alike",
				types.TypeString(t, types.RelativeTo(r.Pkg)))
		}
	}
}
