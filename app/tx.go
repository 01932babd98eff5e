package app

import (
	"context"
	"errors"

	"gorm.io/gorm"
)

// Transactor is implemented by the connection pool behind the *gorm.DB that plugins get; for the host.
type Transactor interface {
	// InTx runs fn as [InTx] describes.
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
}

// InTx runs fn in a database transaction and commits it when fn returns nil; an error or a panic rolls
// it back. The transaction travels in the context that fn gets: every db.WithContext(ctx) and every
// Publish(ctx, …) with that context joins it, and reads its writes.
//
// A nested InTx is a savepoint: its failure undoes its own writes alone. Serialization failures and a busy
// database are retried a few times, so fn may run more than once and must not have effects outside the
// transaction; if they persist the error is [Unavailable]. Using the outer context, or db without a
// context, inside fn fails at once instead of waiting for the transaction it is in.
//
// fn must not hand its context to other goroutines.
func InTx(ctx context.Context, db *gorm.DB, fn func(ctx context.Context) error) error {
	t, ok := db.Statement.ConnPool.(Transactor) // not db.ConnPool, which a handle within db.Transaction shares
	if !ok {
		return errors.New("app.InTx: this *gorm.DB is not the host's; in tests, get one from apptest")
	}
	return t.InTx(ctx, fn)
}
