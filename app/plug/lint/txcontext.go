package lint

import (
	"go/ast"
	"go/types"
	"slices"
)

func contextRule() definition {
	return define("txcontext", "inside app.InTx the context is the one it hands over, and every handle has it", checkTxContext)
}

func checkTxContext(r rule) {
	if r.room != "domain" {
		return
	}
	for _, f := range r.sources() {
		eachCall(f, func(call *ast.CallExpr) {
			if lit, _ := r.txFunc(call); lit != nil {
				r.checkTxBody(lit)
			}
		})
		r.checkHandles(f)
	}
}

// checkTxBody reports contexts and handles that come from outside the function that app.InTx runs.
func (r rule) checkTxBody(lit *ast.FuncLit) {
	parts := r.conditions(lit)
	ast.Inspect(lit.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			v, ok := r.TypesInfo.Uses[n].(*types.Var)
			if ok && !within(lit, v.Pos()) && isContext(v.Type()) {
				r.report(n.Pos(), "%s is the context from outside app.InTx, with which this is not in the transaction; use the context that the function gets", n.Name)
			}
		case *ast.CallExpr:
			if !parts[n] {
				r.checkOuterHandle(lit, n)
			}
		}
		return true
	})
}

// checkOuterHandle reports a statement that begins with a variable which took its context outside.
func (r rule) checkOuterHandle(lit *ast.FuncLit, call *ast.CallExpr) {
	c := r.chainOf(call)
	if c == nil || !outermost(c, call, r) || slices.Contains(c.methods, "WithContext") {
		return
	}
	id, ok := c.root.(*ast.Ident)
	if !ok {
		return
	}
	if v, ok := r.TypesInfo.Uses[id].(*types.Var); ok && !within(lit, v.Pos()) {
		r.report(call.Pos(), "%s comes from outside app.InTx and is not in the transaction; begin with p.db.WithContext(ctx) and the context that the function gets", id.Name)
	}
}

// checkHandles reports statements on a plugin's own handle without a context.
func (r rule) checkHandles(f *ast.File) {
	seen, parts := map[ast.Expr]bool{}, r.conditions(f)
	eachCall(f, func(call *ast.CallExpr) {
		c := r.chainOf(call)
		if c == nil || seen[c.root] || parts[call] {
			return
		}
		seen[c.root] = true // the outermost call of a chain comes first
		sel, field := c.root.(*ast.SelectorExpr)
		if !field || slices.Contains(c.methods, "WithContext") {
			return
		}
		if v, ok := r.TypesInfo.Uses[sel.Sel].(*types.Var); ok && v.IsField() {
			r.report(call.Pos(), "%s without a context is outside every transaction and cannot be cancelled; write %s.WithContext(ctx)", printed(c.root), printed(c.root))
		}
	})
}

// conditions returns the calls that only make a condition of another statement: those in query.Where(p.db.Where(a).Or(b)). Such
// a chain runs nothing, so it needs no context.
func (r rule) conditions(node ast.Node) map[*ast.CallExpr]bool {
	found := map[*ast.CallExpr]bool{}
	eachCall(node, func(call *ast.CallExpr) {
		if fn := r.callee(call); fn == nil || receiver(fn) != gormDB {
			return
		}
		for _, arg := range call.Args {
			if c := r.chainOfExpr(arg); c != nil && !slices.ContainsFunc(c.methods, func(name string) bool { return !builds(name) }) {
				eachCall(arg, func(part *ast.CallExpr) { found[part] = true })
			}
		}
	})
	return found
}

// builds reports whether a method of *gorm.DB adds to a statement without running it.
func builds(method string) bool {
	return slices.Contains([]string{
		"Where", "Or", "Not", "Model", "Table", "Select", "Joins", "InnerJoins", "Group", "Having", "Order", "Limit", "Offset", "Distinct", "Unscoped",
		"Clauses", "Scopes", "Omit", "Session",
	}, method)
}

// chainOfExpr is [rule.chainOf] for an expression that may be no call.
func (r rule) chainOfExpr(e ast.Expr) *chain {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return nil
	}
	return r.chainOf(call)
}

// outermost reports whether call is the last call of its chain: the others are parts of it.
func outermost(c *chain, call *ast.CallExpr, r rule) bool {
	fn := r.callee(call)
	return fn != nil && len(c.methods) > 0 && c.methods[0] == fn.Name() && c.root != nil && !r.isReceiver(call)
}

// isReceiver reports whether another call is made on the result of call.
func (r rule) isReceiver(call *ast.CallExpr) bool {
	found := false
	eachCall(r.fileOf(call.Pos()), func(other *ast.CallExpr) {
		sel, ok := other.Fun.(*ast.SelectorExpr)
		if ok && ast.Unparen(sel.X) == ast.Expr(call) && r.callee(other) != nil && receiver(r.callee(other)) == gormDB {
			found = true
		}
	})
	return found
}

func isContext(t types.Type) bool { return typeName(t) == "context.Context" }

// gormDB is the type of the handle that plugins get.
const gormDB = "gorm.io/gorm.DB"

func transactionRule() definition {
	return define("transaction", "transactions are made with app.InTx", checkTransactions)
}

func checkTransactions(r rule) {
	if r.room != "domain" {
		return
	}
	names := []string{"Transaction", "Begin", "Commit", "Rollback", "SavePoint", "RollbackTo", "Connection"}
	for _, f := range r.sources() {
		eachCall(f, func(call *ast.CallExpr) {
			fn := r.callee(call)
			if fn != nil && receiver(fn) == gormDB && slices.Contains(names, fn.Name()) {
				r.report(call.Pos(), "(*gorm.DB).%s makes a transaction that events, savepoints and other handles know nothing of; use app.InTx(ctx, p.db, func(ctx context.Context) error { … })", fn.Name())
			}
		})
	}
}
