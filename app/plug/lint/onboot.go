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
