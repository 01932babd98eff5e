package lint

import (
	"go/ast"
	"go/types"

	"plugboard/app/plug/lint/internal/outside"
)

func goroutineRule() definition {
	return define("goroutine", "a domain starts no goroutines that nobody stops and waits for", checkGoroutines)
}

const laterWork = "register a loop with b.Loop, use app.Compute for computing, publish an event for later work"

func checkGoroutines(r rule) {
	if r.room != "domain" && !r.shared(r.place) {
		return
	}
	var found *loops
	awaited := func(n ast.Node) bool {
		if found == nil {
			found = r.findLoops()
		}
		return found.starts[n]
	}
	for _, f := range r.sources() {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				if !awaited(n) {
					r.report(n.Pos(), "nobody stops this goroutine or waits for it, and its panic ends the service; %s", laterWork)
				}
			case *ast.CallExpr:
				if r.startsGoroutine(n) && !awaited(n) {
					r.report(n.Pos(), "a panic in this goroutine ends the service; %s", laterWork)
				}
			}
			return true
		})
	}
}

// startsGoroutine reports whether call starts a goroutine, as (*sync.WaitGroup).Go does.
func (r rule) startsGoroutine(call *ast.CallExpr) bool {
	fn := r.callee(call)
	if fn == nil || fn.Pkg() == nil {
		return false
	}
	owner := fn.Pkg().Path()
	if of := receiver(fn); of != "" {
		owner = of
	}
	return outside.Goroutines()[owner+"."+fn.Name()]
}

// loops are the functions of a package that run until they are told to stop: those registered with b.Loop, those that run in
// goroutines which Shutdown awaits, and those that are called only from such.
type loops struct {
	flow

	bodies map[ast.Node]bool     // function literals
	named  map[*types.Func]bool  // functions and methods
	starts map[ast.Node]bool     // statements and calls that start goroutines which Shutdown awaits
	waits  map[types.Object]bool // channels and groups that Shutdown waits for
}

// findLoops looks through the package for loops.
func (r rule) findLoops() *loops {
	l := &loops{
		flow: flow{rule: r, decls: r.functions()}, bodies: map[ast.Node]bool{}, named: map[*types.Func]bool{}, starts: map[ast.Node]bool{},
		waits: map[types.Object]bool{},
	}
	l.findUses()
	for fn, d := range l.decls {
		if fn.Name() == "Shutdown" && fn.Signature().Recv() != nil {
			l.findWaits(d.Body, map[*types.Func]bool{fn: true})
		}
	}
	for fn, d := range l.decls {
		ast.Inspect(d.Body, func(n ast.Node) bool {
			l.collect(fn.Name(), n)
			return true
		})
	}
	for changed := true; changed; {
		changed = false
		for fn := range l.decls {
			if !l.named[fn] && l.onlyInLoops(fn) {
				l.named[fn], changed = true, true
			}
		}
	}
	return l
}

// collect notes a loop that is registered, and a goroutine that Shutdown awaits. OnBoot starts none.
func (l *loops) collect(in string, n ast.Node) {
	switch n := n.(type) {
	case *ast.CallExpr:
		switch {
		case l.callsApp(n, "Loop") && len(n.Args) == 2:
			l.add(n.Args[1])
		case in != "OnBoot" && l.startsGoroutine(n) && len(n.Args) == 1:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if ok && l.waits[l.object(sel.X)] { // p.group.Go(p.run)
				l.starts[n] = true
				l.add(n.Args[0])
			}
		}
	case *ast.GoStmt:
		if in != "OnBoot" && l.signals(l.body(n.Call.Fun)) {
			l.starts[n] = true
			l.add(n.Call.Fun)
		}
	}
}

// add notes that e, a literal or the name of a function, is a loop.
func (l *loops) add(e ast.Expr) {
	lit, fn := l.functionValue(e)
	if lit != nil {
		l.bodies[lit] = true
	}
	if fn != nil {
		l.named[fn] = true
	}
}

// body returns the body of a literal or of a function of this package, or nil.
func (l *loops) body(e ast.Expr) ast.Node {
	lit, fn := l.functionValue(e)
	switch {
	case lit != nil:
		return lit.Body
	case l.decls[fn] != nil:
		return l.decls[fn].Body
	}
	return nil
}

// findWaits notes the channels that body receives from and the groups it waits for, also in functions that it calls.
func (l *loops) findWaits(body ast.Node, seen map[*types.Func]bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.UnaryExpr:
			l.waits[l.object(n.X)] = true // a receive; of other operators it does no harm
		case *ast.CallExpr:
			fn := l.callee(n)
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && fn != nil && fn.Name() == "Wait" {
				l.waits[l.object(sel.X)] = true
			}
			if fn != nil && l.decls[fn] != nil && !seen[fn] {
				seen[fn] = true
				l.findWaits(l.decls[fn].Body, seen)
			}
		}
		return true
	})
	delete(l.waits, nil)
}

// signals reports whether body closes a channel that Shutdown receives from, or is done with a group that it waits for.
func (l *loops) signals(body ast.Node) bool {
	found := false
	if body == nil {
		return false
	}
	eachCall(body, func(call *ast.CallExpr) {
		switch f := call.Fun.(type) {
		case *ast.Ident:
			found = found || f.Name == "close" && len(call.Args) == 1 && l.waits[l.object(call.Args[0])]
		case *ast.SelectorExpr:
			found = found || f.Sel.Name == "Done" && l.waits[l.object(f.X)]
		}
	})
	return found
}

// object returns what p.done stands for: the field.
func (l *loops) object(e ast.Expr) types.Object {
	if id := nameOf(ast.Unparen(e)); id != nil {
		return l.TypesInfo.Uses[id]
	}
	return nil
}

// has reports whether node is in a loop.
func (l *loops) has(node ast.Node) bool {
	for body := range l.bodies {
		if within(body, node.Pos()) {
			return true
		}
	}
	for fn := range l.named {
		if d := l.decls[fn]; d != nil && within(d, node.Pos()) {
			return true
		}
	}
	return false
}

// onlyInLoops reports whether fn is called, and only from loops.
func (l *loops) onlyInLoops(fn *types.Func) bool {
	for _, u := range l.uses[fn] {
		if !l.has(u.at) {
			return false
		}
	}
	return len(l.uses[fn]) > 0
}
