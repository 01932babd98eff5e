package lint

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
)

// chain is a call of a method of *gorm.DB with its receiver: p.db.WithContext(ctx).Create(&x).
type chain struct {
	methods []string
	root    ast.Expr // p.db
}

// chainOf takes apart the receiver of a method call on a *gorm.DB; nil when call is none.
func (r rule) chainOf(call *ast.CallExpr) *chain {
	c := &chain{}
	var e ast.Expr = call
	for {
		call, ok := ast.Unparen(e).(*ast.CallExpr)
		if !ok {
			break
		}
		fn := r.callee(call)
		sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
		if fn == nil || !ok || receiver(fn) != gormDB {
			break
		}
		c.methods = append(c.methods, fn.Name())
		e = sel.X
	}
	if len(c.methods) == 0 {
		return nil
	}
	c.root = ast.Unparen(e)
	return c
}

// writes reports whether call changes rows through a *gorm.DB.
func (r rule) writes(call *ast.CallExpr) bool {
	fn := r.callee(call)
	if fn == nil || receiver(fn) != gormDB {
		return false
	}
	return slices.Contains([]string{
		"Create", "CreateInBatches", "Save", "Update", "Updates", "UpdateColumn", "UpdateColumns", "Delete", "Exec", "FirstOrCreate",
	}, fn.Name())
}

// publishes reports whether call publishes an event.
func (r rule) publishes(call *ast.CallExpr) bool {
	return r.callsApp(call, "Publish") && len(call.Args) >= 2
}

// txFunc returns the function that call, an app.InTx or app.Once, runs: a literal, or a function of this package.
func (r rule) txFunc(call *ast.CallExpr) (*ast.FuncLit, *types.Func) {
	if !r.callsApp(call, "InTx", "Once") || len(call.Args) < 3 {
		return nil, nil
	}
	return r.functionValue(call.Args[2])
}

func (r rule) functionValue(e ast.Expr) (*ast.FuncLit, *types.Func) {
	switch e := ast.Unparen(e).(type) {
	case *ast.FuncLit:
		return e, nil
	case *ast.SelectorExpr:
		fn, _ := r.TypesInfo.Uses[e.Sel].(*types.Func)
		return nil, fn
	case *ast.Ident:
		fn, _ := r.TypesInfo.Uses[e].(*types.Func)
		return nil, fn
	}
	return nil, nil
}

// within reports whether pos lies in node.
func within(node ast.Node, pos token.Pos) bool {
	return node != nil && node.Pos() <= pos && pos < node.End()
}

// functions returns the declarations of functions and methods outside tests.
func (r rule) functions() map[*types.Func]*ast.FuncDecl {
	found := map[*types.Func]*ast.FuncDecl{}
	for _, f := range r.sources() {
		for _, decl := range f.Decls {
			if d, ok := decl.(*ast.FuncDecl); ok && d.Body != nil {
				if fn, ok := r.TypesInfo.Defs[d.Name].(*types.Func); ok {
					found[fn] = d
				}
			}
		}
	}
	return found
}
