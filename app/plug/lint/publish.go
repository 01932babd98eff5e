package lint

import (
	"go/ast"
	"go/types"
	"slices"
)

func publishRule() definition {
	return define("publish", "an event is published in the transaction that wrote what it tells of", checkPublish)
}

// flow holds the facts about a package's functions.
type flow struct {
	rule

	decls    map[*types.Func]*ast.FuncDecl
	writers  map[*types.Func]bool // they change rows, or call a function that does
	inTx     map[*types.Func]bool // they only run inside a transaction
	literals map[*ast.FuncLit]bool
	uses     map[*types.Func][]use
}

// use is a place in a function that names another.
type use struct {
	in *types.Func
	at *ast.Ident
}

func checkPublish(r rule) {
	if !r.plugins() {
		return
	}
	f := r.flow()
	f.findWriters()
	for fn, d := range f.decls {
		if !f.inTx[fn] {
			f.checkFunction(d)
		}
	}
}

// flow returns where the package's functions run: in a transaction or not.
func (r rule) flow() *flow {
	f := &flow{rule: r, decls: r.functions(), literals: map[*ast.FuncLit]bool{}}
	f.findUses()
	f.findTransactional()
	return f
}

// findWriters follows the package's calls until nothing changes.
func (f *flow) findWriters() {
	f.writers = map[*types.Func]bool{}
	for changed := true; changed; {
		changed = false
		for fn, d := range f.decls {
			if f.writers[fn] {
				continue
			}
			eachCall(d.Body, func(call *ast.CallExpr) {
				if f.writes(call) || f.writers[f.callee(call)] {
					f.writers[fn], changed = true, true
				}
			})
		}
	}
}

// findTransactional finds the functions that always run in a transaction: those given to app.OnTx or app.InTx, and those
// that are called only from there.
func (f *flow) findTransactional() {
	f.inTx = map[*types.Func]bool{}
	for _, d := range f.decls {
		eachCall(d.Body, func(call *ast.CallExpr) {
			if lit, fn := f.txFunc(call); lit != nil {
				f.literals[lit] = true
			} else if fn != nil {
				f.inTx[fn] = true
			}
			if f.callsApp(call, "OnTx") && len(call.Args) == 1 {
				if lit, fn := f.functionValue(call.Args[0]); lit != nil {
					f.literals[lit] = true
				} else if fn != nil {
					f.inTx[fn] = true
				}
			}
		})
	}
	for changed := true; changed; {
		changed = false
		for fn := range f.decls {
			if !f.inTx[fn] && f.onlyInTx(fn) {
				f.inTx[fn], changed = true, true
			}
		}
	}
}

// onlyInTx reports whether fn is called, and only from within transactions.
func (f *flow) onlyInTx(fn *types.Func) bool {
	for _, u := range f.uses[fn] {
		if !f.inTx[u.in] && f.scope(f.decls[u.in], u.at) == nil {
			return false
		}
	}
	return len(f.uses[fn]) > 0
}

// findUses notes where the package's functions are named.
func (f *flow) findUses() {
	f.uses = map[*types.Func][]use{}
	for caller, d := range f.decls {
		ast.Inspect(d.Body, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			if fn, ok := f.TypesInfo.Uses[id].(*types.Func); ok && f.decls[fn] != nil {
				f.uses[fn] = append(f.uses[fn], use{caller, id})
			}
			return true
		})
	}
}

// scope returns the outermost literal of app.InTx in d that node is in, or nil.
func (f *flow) scope(d *ast.FuncDecl, node ast.Node) (outer *ast.FuncLit) {
	ast.Inspect(d.Body, func(n ast.Node) bool {
		lit, ok := n.(*ast.FuncLit)
		if ok && outer == nil && f.literals[lit] && within(lit, node.Pos()) {
			outer = lit
		}
		return outer == nil
	})
	return outer
}

// checkFunction reports an event that is published in another transaction than the function's writes.
func (f *flow) checkFunction(d *ast.FuncDecl) {
	written := map[*ast.FuncLit]bool{}
	eachCall(d.Body, func(call *ast.CallExpr) {
		if f.writes(call) || f.writers[f.callee(call)] {
			written[f.scope(d, call)] = true
		}
	})
	eachCall(d.Body, func(call *ast.CallExpr) {
		if !f.publishes(call) {
			return
		}
		scope := f.scope(d, call)
		if len(written) > 0 && (scope == nil || !written[scope]) {
			f.report(call.Pos(), "the event is published outside the transaction that wrote, so that after a crash one is there without the other; write and publish inside one app.InTx, both with the context that it gives")
		}
	})
}

func remoteRule() definition {
	return define("remote", "no request and no mail is sent while a transaction holds the database", checkRemote)
}

// checkRemote looks at what runs in app.InTx and in handlers of app.OnTx.
func checkRemote(r rule) {
	if !r.plugins() {
		return
	}
	f := r.flow()
	for fn, d := range f.decls {
		eachCall(d.Body, func(call *ast.CallExpr) {
			if what := f.sends(call); what != "" && (f.inTx[fn] || f.scope(d, call) != nil) {
				f.report(call.Pos(), "%s inside a transaction holds the database until another system answers, and is not undone when the transaction is; call it before or after the transaction, or publish an event in it and call from an app.On subscriber", what)
			}
		})
	}
}

// sends returns the name of the method that call sends a request or a mail with, or "".
func (f *flow) sends(call *ast.CallExpr) string {
	fn := f.callee(call)
	if fn == nil {
		return ""
	}
	name := fn.Name()
	switch receiver(fn) {
	case f.contract + ".Mailer":
		if name == "Send" {
			return "Mailer.Send"
		}
	case "net/http.Client":
		if slices.Contains([]string{"Do", "Get", "Head", "Post", "PostForm"}, name) {
			return "http.Client." + name
		}
	case "net/http.RoundTripper", "net/http.Transport":
		if name == "RoundTrip" {
			return "RoundTrip"
		}
	}
	return ""
}
