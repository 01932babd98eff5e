package lint

import (
	"go/ast"
	"go/types"
	"strings"
)

func onBootRule() definition {
	return define("onboot", "OnBoot registers the same whatever the environment, and asks nothing", checkOnBoot)
}

// checkOnBoot looks at each plugin's OnBoot, at the functions that it gives the *app.Boot to, and at those that it calls.
func checkOnBoot(r rule) {
	if !r.plugins() {
		return
	}
	b := booting{rule: r, decls: r.functions(), seen: map[*types.Func]bool{}}
	for fn, d := range b.decls {
		if fn.Name() == "OnBoot" && strings.HasSuffix(receiverName(d), "Plugin") {
			b.look(fn)
		}
	}
}

type booting struct {
	rule

	decls map[*types.Func]*ast.FuncDecl
	seen  map[*types.Func]bool
}

// look reports what a function that runs in OnBoot must not do. A literal in it is a handler, which runs later.
func (b *booting) look(fn *types.Func) {
	if b.seen[fn] || b.decls[fn] == nil {
		return
	}
	b.seen[fn] = true
	registers := b.takesBoot(fn)
	ast.Inspect(b.decls[fn].Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CallExpr:
			called := b.callee(n)
			if called != nil && receiver(called) == gormDB && !b.isReceiver(n) {
				b.report(n.Pos(), "OnBoot runs before the database is open, and only registers; read what is needed when a request runs")
			}
			b.look(called)
		case *ast.IfStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt, *ast.ForStmt:
			b.branch(n, registers)
		case *ast.RangeStmt:
			if _, literal := ast.Unparen(n.X).(*ast.CompositeLit); !literal && b.TypesInfo.Types[n.X].Value == nil {
				b.branch(n, registers)
			}
		}
		return true
	})
}

func (b *booting) branch(n ast.Node, registers bool) {
	if registers {
		b.report(n.Pos(), "OnBoot registers the same everywhere, since the documents describe every service alike; read the setting when a request runs, for example in an app.Guard that answers app.NotFound")
	}
}

// takesBoot reports whether fn has a parameter of type *app.Boot.
func (b *booting) takesBoot(fn *types.Func) bool {
	for v := range fn.Signature().Params().Variables() {
		if typeName(v.Type()) == b.contract+".Boot" {
			return true
		}
	}
	return false
}

func onceRule() definition {
	return define("once", "an endpoint with app.Idempotent has a handler that calls app.Once, and no other has", checkOnce)
}

// checkOnce looks at the endpoints that the package registers, and follows their handlers through its functions.
func checkOnce(r rule) {
	if !r.plugins() {
		return
	}
	o := onces{rule: r, decls: r.functions(), served: map[*ast.CallExpr]bool{}}
	for _, d := range o.decls {
		eachCall(d.Body, o.endpoint)
	}
	for _, d := range o.decls {
		eachCall(d.Body, func(call *ast.CallExpr) {
			if o.callsApp(call, "Once") && !o.served[call] {
				o.report(call.Pos(), "app.Once works only in the handler of an endpoint with app.Idempotent(); call it there, and app.InTx elsewhere")
			}
		})
	}
}

// onces are the calls of app.Once. Served are those that a handler reaches.
type onces struct {
	rule

	decls  map[*types.Func]*ast.FuncDecl
	served map[*ast.CallExpr]bool
}

// endpoint checks the endpoint that call registers, if it does: its arguments are a handler made with app.Handle, and options.
func (o onces) endpoint(call *ast.CallExpr) {
	var handler, idempotent *ast.CallExpr
	for _, arg := range call.Args {
		made, ok := ast.Unparen(arg).(*ast.CallExpr)
		switch {
		case !ok:
		case o.callsApp(made, "Handle") && len(made.Args) == 1:
			handler = made
		case o.callsApp(made, "Idempotent"):
			idempotent = made
		}
	}
	if handler == nil {
		return
	}
	var body ast.Node
	if literal, fn := o.functionValue(handler.Args[0]); literal != nil {
		body = literal
	} else if d := o.decls[fn]; d != nil {
		body = d.Body
	} else {
		return // it is made elsewhere
	}
	switch found := o.find(body, map[*types.Func]bool{}); {
	case idempotent != nil && !found:
		o.report(idempotent.Pos(), "the handler of this endpoint does not call app.Once, so a repeated request is answered 500; do its work in one: return app.Once(ctx, p.db, …)")
	case idempotent == nil && found:
		o.report(handler.Pos(), "the handler calls app.Once, which fails since the endpoint does not take repeated requests; add app.Idempotent()")
	}
}

// find reports whether node, or a function of the package that it calls, calls app.Once.
func (o onces) find(node ast.Node, seen map[*types.Func]bool) (found bool) {
	eachCall(node, func(call *ast.CallExpr) {
		if o.callsApp(call, "Once") {
			o.served[call], found = true, true
			return
		}
		if fn := o.callee(call); o.decls[fn] != nil && !seen[fn] {
			seen[fn] = true
			found = o.find(o.decls[fn].Body, seen) || found
		}
	})
	return found
}
