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
		r.checkRaw(f)
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

// ginContext is what a raw handler gets.
const ginContext = "github.com/gin-gonic/gin.Context"

// checkRaw reports entities that raw handlers send, as the start does of typed answers.
func (r rule) checkRaw(f *ast.File) {
	eachCall(f, func(call *ast.CallExpr) {
		fn := r.callee(call)
		if fn == nil || fn.Pkg() == nil || !r.renders(f, call, fn) {
			return
		}
		for _, arg := range call.Args {
			if entity := r.entityIn(arg); entity != "" {
				r.report(arg.Pos(), "%s is a database entity, which sends every column it has and will have; declare a struct with the fields that are answered", entity)
			}
		}
	})
}

// renders reports whether call writes a value as the answer of a raw handler.
func (r rule) renders(f *ast.File, call *ast.CallExpr, fn *types.Func) bool {
	name := fn.Name()
	switch {
	case receiver(fn) == ginContext:
		for _, form := range []string{"JSON", "JSONP", "XML", "YAML", "TOML", "ProtoBuf", "HTML", "Negotiate", "SSEvent"} {
			if strings.HasSuffix(name, form) && !strings.Contains(name, "Bind") {
				return true
			}
		}
		return false
	case fn.Pkg().Path() == "encoding/json", fn.Pkg().Path() == "encoding/xml", strings.HasPrefix(fn.Pkg().Path(), "github.com/go-json-experiment/json"):
		return (strings.HasPrefix(name, "Marshal") || strings.HasPrefix(name, "Encode")) && r.inRaw(f, call)
	}
	return false
}

// inRaw reports whether node is in a function that takes a *gin.Context.
func (r rule) inRaw(f *ast.File, node ast.Node) bool {
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		var sig *ast.FuncType
		switch n := n.(type) {
		case *ast.FuncDecl:
			sig = n.Type
		case *ast.FuncLit:
			sig = n.Type
		}
		if sig != nil && within(n, node.Pos()) {
			for _, param := range sig.Params.List {
				found = found || typeName(r.TypesInfo.TypeOf(param.Type)) == ginContext
			}
		}
		return true
	})
	return found
}

// entityIn returns the name of an entity that the value of e is or has, or "". Of gin.H and other literals it looks at the values.
func (r rule) entityIn(e ast.Expr) string {
	if lit, ok := ast.Unparen(e).(*ast.CompositeLit); ok {
		for _, element := range lit.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				element = pair.Value
			}
			if entity := r.entityIn(element); entity != "" {
				return entity
			}
		}
	}
	return r.entityOf(r.TypesInfo.TypeOf(e), map[types.Type]bool{})
}

// entityOf returns the name of an entity that t is or is made of, or "".
func (r rule) entityOf(t types.Type, seen map[types.Type]bool) string {
	if t == nil || seen[t] {
		return ""
	}
	seen[t] = true
	switch u := types.Unalias(t).(type) {
	case *types.Pointer:
		return r.entityOf(u.Elem(), seen)
	case *types.Slice:
		return r.entityOf(u.Elem(), seen)
	case *types.Array:
		return r.entityOf(u.Elem(), seen)
	case *types.Map:
		return r.entityOf(u.Elem(), seen)
	case *types.Struct:
		for field := range u.Fields() {
			if entity := r.entityOf(field.Type(), seen); entity != "" && field.Exported() {
				return entity
			}
		}
	case *types.Named:
		return r.entityOfNamed(u, seen)
	}
	return ""
}

func (r rule) entityOfNamed(t *types.Named, seen map[types.Type]bool) string {
	pkg := t.Obj().Pkg()
	if pkg == nil || !strings.HasPrefix(pkg.Path(), r.module+"/") {
		return ""
	}
	if _, isStruct := t.Underlying().(*types.Struct); isStruct && placeIn(r.module, strings.TrimPrefix(pkg.Path(), r.module+"/")).layer == "models" {
		return types.TypeString(t, types.RelativeTo(r.Pkg))
	}
	for arg := range t.TypeArgs().Types() {
		if entity := r.entityOf(arg, seen); entity != "" {
			return entity
		}
	}
	return r.entityOf(t.Underlying(), seen)
}
