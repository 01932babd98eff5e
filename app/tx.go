package app

import (
	"context"
	"errors"

	"gorm.io/gorm"
)

// InTx runs fn in a database transaction and commits it when fn returns nil; an error or a panic rolls
// it back. The transaction travels in the context that fn gets: every db.WithContext(ctx) and every
// Publish(ctx, …) with that context joins it, and reads its writes.
//
// A nested InTx is a savepoint: its failure undoes its own writes alone, and what was published in it. So do
// SavePoint and RollbackTo of *gorm.DB. SQL that begins, ends or divides a transaction is refused.
//
// Serialization failures, a busy database, and a connection that is lost before COMMIT is sent are retried a few
// times, so fn may run more than once and must not have effects outside the transaction; if they persist the
// error is [Unavailable], and nothing was committed. When the connection is lost after COMMIT was sent, the error
// is [Unavailable] too and says that it is unknown whether the transaction was committed; fn is not run again.
//
// Using the outer context, or db without a context, inside fn fails at once instead of waiting for the
// transaction it is in. So does a statement while the rows of another query of the transaction are open: close
// them first, or read them into a slice.
//
// fn must not hand its context to other goroutines.
func InTx(ctx context.Context, db *gorm.DB, fn func(ctx context.Context) error) error {
	t, ok := db.Statement.ConnPool.(Transactor) // not db.ConnPool, which a handle within db.Transaction shares
	if !ok {
		return errors.New("app.InTx: this *gorm.DB is not the host's; in tests, get one from apptest")
	}
	return t.InTx(ctx, fn)
}
