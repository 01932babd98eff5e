package database

import (
	"context"
	"errors"
	"time"

	"plugboard/app"
	"plugboard/infra/internal/retry"
)

const (
	// txAttempts is how often a transaction is tried.
	txAttempts = 5
	// firstWait and longestWait are between two attempts.
	firstWait   = 10 * time.Millisecond
	longestWait = 80 * time.Millisecond
	// retryAfter is when a caller should try again after the database was too busy.
	retryAfter = time.Second
)

// InTx runs fn in a transaction, as app.InTx describes; the context of fn carries it. It commits when fn returns nil. It rolls back
// when fn returns an error, panics or ends its goroutine, and when ctx ends. Inside a transaction of this database it opens a
// savepoint instead.
//
// A transaction is run again a few times, with a backoff, if it failed because of others (serialization, deadlock, busy) or lost its
// connection before COMMIT was sent. After about the BusyTimeout setting the error is app.Unavailable, and nothing was committed; so
// it is if no connection became free in that time. If the connection is lost after COMMIT was sent, nobody knows whether it was
// committed: the error is app.Unavailable and says so, and fn is not run again.
//
// On SQLite, transactions that wait for each other share a commit, and each InTx returns after it. If one of them cannot be undone
// alone, all of them are rolled back, and each is run again in a transaction of its own.
func (db *DB) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	//crash:point ack before commit: ctx fn db.InTx
	outer, _, err := db.route(ctx)
	if err != nil {
		return err
	}
	if outer != nil {
		return mapStatement(db.run(ctx, outer, nested{}, fn))
	}
	ctx, end := db.span(ctx, "transaction", "")
	failure := errUndone // for a panic
	defer func() { end(failure) }()
	err = db.attempts(ctx, fn)
	failure = transactionFailure(err)
	return err
}

// attempts runs fn in new transactions until one commits, or fails for a reason of its own.
func (db *DB) attempts(ctx context.Context, fn func(ctx context.Context) error) error {
	start := time.Now()
	alone := db.Dialect() == Postgres
	for attempt := 1; ; attempt++ {
		err := db.run(ctx, nil, newUnit(alone), fn)
		if errors.Is(err, errRetryAlone) {
			alone = true // this cannot happen again
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
	defer func() { _ = t.rollback(nil) }() // for a panic and Goexit; otherwise t has ended
	if err := fn(t.ctx); err != nil {
		return t.rollback(err)
	}
	if err := t.check(); err != nil {
		return t.rollback(err)
	}
	return t.commit()
}

// busy is the error for a caller when the database was too busy.
func busy(cause error) error {
	var known *app.Error
	if errors.As(cause, &known) && known.Code == app.Unavailable {
		return cause
	}
	return retryLater(app.Errorf(app.Unavailable, "the database is busy; try again").Because(cause))
}

// errBusy is the cause of a wait that reached its limit.
var errBusy = errors.New("waited for the database for as long as the busy_timeout setting allows")

// The mistakes with which a statement would wait for the transaction it is in, or be committed apart from it.
var (
	errNoContext = errors.New("database statement without a context: use db.WithContext(ctx), with the context that the" +
		" handler was given, so that it joins the transaction of ctx and ends with it")
	errOuterContext = errors.New("database statement outside the transaction that is open here: inside app.InTx use the" +
		" context that its function is given, not the one from outside; it carries the transaction")
	errTxEnded = errors.New("database statement after its transaction has ended: the context given to the function of" +
		" app.InTx is good within that function only")
)
