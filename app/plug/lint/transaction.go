package lint

import (
	"go/ast"
	"slices"

	"golang.org/x/tools/go/analysis"
)

// gormDB is the type of the handle that plugins get.
const gormDB = "gorm.io/gorm.DB"

func transactionRule() *analysis.Analyzer {
	return analyzer("transaction", "transactions are made with app.InTx", checkTransactions)
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
