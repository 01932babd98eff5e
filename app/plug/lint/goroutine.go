package lint

import (
	"go/ast"

	"golang.org/x/tools/go/analysis"
)

func goroutineRule() *analysis.Analyzer {
	return analyzer("goroutine", "a domain starts no goroutines of its own", checkGoroutines)
}

func checkGoroutines(r rule) {
	if r.room != "domain" {
		return
	}
	for _, f := range r.sources() {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				r.report(n.Pos(), "nobody stops this goroutine or waits for it, and its panic ends the service; use app.Compute for computing, publish an event for later work")
			case *ast.CallExpr:
				if fn := r.callee(n); fn != nil && receiver(fn) == "sync.WaitGroup" && fn.Name() == "Go" {
					r.report(n.Pos(), "a panic in this goroutine ends the service; use app.Compute for computing, publish an event for later work")
				}
			}
			return true
		})
	}
}
