package database

import (
	"context"
	"errors"
	"time"

	"plugboard/app"
	"plugboard/infra/internal/retry"
)

const (
	// txAttempts is how often InTx runs a transaction at most.
	txAttempts = 5
	// firstWait and longestWait bound the wait between two attempts.
	firstWait   = 10 * time.Millisecond
	longestWait = 80 * time.Millisecond
	// retryAfter is the advice to a caller when to try again.
	retryAfter = time.Second
)

// InTx runs fn in a transaction, as app.InTx describes; the context of fn carries the transaction. It commits when fn returns nil. It
// rolls back when fn returns an error, panics or ends its goroutine, and when ctx ends before COMMIT has begun. Inside a transaction of
// this database it opens a savepoint instead.
//
// InTx runs the transaction again, five times in all and with a backoff, if it failed because of other transactions (serialization,
// deadlock, busy) or lost its connection before COMMIT was sent. It begins no attempt after the BusyTimeout setting. Then the error is
// app.Unavailable, and nothing was committed. The error is the same if no connection becomes free within that setting. If the connection
// is lost after COMMIT was sent, nobody knows whether the work was stored: the error is app.Unavailable and says so, and InTx does not
// run fn again.
//
// On SQLite, transactions that wait for each other share a commit, and each InTx returns after that commit. If one of them cannot be
// undone alone, all of them are rolled back, and each runs again in a transaction of its own.
func (db *DB) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	// Lines with crash:point are for the tool in app/apptest/crash: it builds the service with a fault in that place.
	//crash:point ack before commit: ctx fn db.InTx
	outer, _, err := db.route(ctx)
	if err != nil {
		return err
	}
	if outer != nil {
		return mapStatement(db.run(ctx, outer, nested{}, fn))
	}
	ctx, end := db.span(ctx, "transaction", "")
	failure := errUndone // stays if fn panics
	defer func() { end(failure) }()
	err = db.attempts(ctx, fn)
	failure = transactionFailure(err)
	return err
}

// attempts runs fn in new transactions until one commits or fails for a reason that another attempt would not change.
func (db *DB) attempts(ctx context.Context, fn func(ctx context.Context) error) error {
	start := time.Now()
	alone := db.Dialect() == Postgres
	for attempt := 1; ; attempt++ {
		err := db.run(ctx, nil, newUnit(alone), fn)
		if errors.Is(err, errRetryAlone) {
			alone = true // a transaction of its own has no group that could be rolled back
			continue
		}
		if err == nil || !retryable(err) {
			return mapStatement(err)
		}
		if attempt == txAttempts || time.Since(start) > db.cfg.BusyTimeout || !app.Sleep(ctx, retry.Backoff(attempt, firstWait, longestWait)) {
			return busy(err)
		}
	}
}

func newUnit(alone bool) unit {
	if alone {
		return own{}
	}
	return &shared{}
}

// run runs fn in one transaction, or in a savepoint of parent.
func (db *DB) run(ctx context.Context, parent *Tx, u unit, fn func(ctx context.Context) error) error {
	t, err := db.begin(ctx, parent, u)
	if err != nil {
		return err
	}
	defer func() { _ = t.rollback(nil) }() // after a panic or Goexit in fn; otherwise t has ended, and this does nothing
	if err := fn(t.ctx); err != nil {
		return t.rollback(err)
	}
	if err := t.check(); err != nil {
		return t.rollback(err)
	}
	return t.commit()
}

// busy returns the error for a caller who waited in vain. A cause that is app.Unavailable already stays as it is.
func busy(cause error) error {
	var known *app.Error
	if errors.As(cause, &known) && known.Code == app.Unavailable {
		return cause
	}
	return retryLater(app.Errorf(app.Unavailable, "the database is busy; try again").Because(cause))
}

// errBusy is the cause of the error when a wait for a connection or for the writer lock of SQLite reached its limit.
var errBusy = errors.New("waited for the database for as long as the busy_timeout setting allows")

// Mistakes in the context of a statement. Without these errors the statement would wait for the transaction it should be part of, or be
// committed apart from it.
var (
	errNoContext = errors.New("database statement without a context: use db.WithContext(ctx), with the context that the" +
		" handler was given, so that it joins the transaction of ctx and ends with it")
	errOuterContext = errors.New("database statement outside the transaction that is open here: inside app.InTx use the" +
		" context that its function is given, not the one from outside; it carries the transaction")
	errTxEnded = errors.New("database statement after its transaction has ended: the context given to the function of" +
		" app.InTx is good within that function only")
)
