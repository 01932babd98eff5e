package lint

import (
	"go/ast"
	"go/types"
	"regexp"
)

func blockingRule() definition {
	return define("blocking", "handlers neither sleep nor do I/O that cannot be cancelled", checkBlocking)
}

// blocked is a family of calls that a handler must not make, with the advice what to do instead.
type blocked struct {
	pkg     string
	recv    string // of a method; "" for functions
	names   *regexp.Regexp
	instead string
}

func blockedCalls() []blocked {
	const http = "make the request with http.NewRequestWithContext(ctx, …) and a client that the constructor asks for"
	return []blocked{
		{"time", "", regexp.MustCompile(`^(Sleep|Tick)$`),
			"it holds the request; wait for ctx.Done() or a timer in a select, or publish the event with app.Delay"},
		{"net/http", "", regexp.MustCompile(`^(Get|Head|Post|PostForm|NewRequest)$`), "it cannot be cancelled; " + http},
		{"net/http", "Client", regexp.MustCompile(`^(Get|Head|Post|PostForm)$`), "it cannot be cancelled; " + http},
		{"net", "", regexp.MustCompile(`^(Dial|DialTimeout|DialTCP|DialUDP|DialUnix|Listen|ListenPacket|Lookup\w+)$`),
			"it cannot be cancelled; use a net.Dialer or net.Resolver with ctx, behind an interface that the constructor asks for"},
		{"os/exec", "", regexp.MustCompile(`^Command$`), "it cannot be cancelled; use exec.CommandContext(ctx, …), behind an interface that the constructor asks for"},
		{"os", "", regexp.MustCompile(`^(Open|OpenFile|Create|CreateTemp|ReadFile|WriteFile|ReadDir|Remove|RemoveAll|Rename|Mkdir|MkdirAll|MkdirTemp|Stat|Lstat|Truncate|Chmod|Link|Symlink|Pipe)$`),
			"a handler does no file I/O; take uploads as *app.File, keep content in the database, or ask the constructor for a store"},
		{"io/ioutil", "", regexp.MustCompile(`^(ReadFile|WriteFile|ReadDir|TempFile|TempDir)$`),
			"a handler does no file I/O; take uploads as *app.File, keep content in the database, or ask the constructor for a store"},
		{"database/sql", "DB", regexp.MustCompile(`^(Exec|Query|QueryRow|Prepare|Begin|Ping)$`), "it cannot be cancelled; use the *gorm.DB with WithContext(ctx)"},
		{"database/sql", "Tx", regexp.MustCompile(`^(Exec|Query|QueryRow|Prepare)$`), "it cannot be cancelled; use app.InTx and the *gorm.DB with WithContext(ctx)"},
	}
}

// checkBlocking looks at all code of a domain, since all of it runs in handlers. Tests are exempt.
func checkBlocking(r rule) {
	if r.room != "domain" {
		return
	}
	calls := blockedCalls()
	for _, f := range r.sources() {
		ast.Inspect(f, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			if fn, ok := r.TypesInfo.Uses[id].(*types.Func); ok {
				r.checkBlocked(id, fn, calls)
			}
			return true
		})
	}
}

func (r rule) checkBlocked(id *ast.Ident, fn *types.Func, calls []blocked) {
	if fn.Pkg() == nil {
		return
	}
	for _, b := range calls {
		recv := ""
		if b.recv != "" {
			recv = b.pkg + "." + b.recv
		}
		if fn.Pkg().Path() == b.pkg && receiver(fn) == recv && b.names.MatchString(fn.Name()) {
			r.report(id.Pos(), "%s.%s in a handler: %s", fn.Pkg().Name(), fn.Name(), b.instead)
		}
	}
}

func goroutineRule() definition {
	return define("goroutine", "a domain starts no goroutines of its own", checkGoroutines)
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
