package database

import (
	"context"
	"errors"
	"strconv"
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
	// retryAfter is the advice to a caller whom the database was too busy for.
	retryAfter = time.Second
)

// InTx runs fn in a transaction, as app.InTx describes: the context that fn gets carries it. It commits when fn returns
// nil and rolls back when fn returns an error, panics, or ends its goroutine, and when ctx ends. Inside a transaction of
// this database it is a savepoint. A transaction that failed because of others (serialization, deadlock, busy), or whose
// connection was lost before COMMIT was sent, is tried again a few times with a jittered backoff, for about as long as the
// BusyTimeout setting; then, or when no connection became free in that time, the error is app.Unavailable, and nothing was
// committed. When the connection is lost while the answer to COMMIT is awaited, nobody knows whether it was committed: the
// error is app.Unavailable, says so, and nothing is tried again.
//
// On SQLite transactions that wait for each other share a commit; each is acknowledged after it. One whose commit would
// have been shared with one that could not be undone by itself is run again, alone.
func (db *DB) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	//crash:point ack before commit: ctx fn db.InTx
	outer, _, err := db.route(ctx)
	if err != nil {
		return err
	}
	if outer != nil {
		return outer.nested(ctx, fn)
	}
	ctx, end := db.span(ctx, "transaction", "")
	failure := errUndone // unless it returns
	defer func() { end(failure) }()
	err = db.attempts(ctx, fn)
	failure = transactionFailure(err)
	return err
}

// attempts runs fn in one transaction after the other, until one does not fail because of others.
func (db *DB) attempts(ctx context.Context, fn func(ctx context.Context) error) error {
	start := time.Now()
	alone := false
	for attempt := 1; ; attempt++ {
		err := db.attempt(ctx, fn, alone)
		if errors.Is(err, errRegroup) {
			alone = true // so that it happens once
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

// attempt runs fn in one transaction.
func (db *DB) attempt(ctx context.Context, fn func(ctx context.Context) error, alone bool) error {
	tx, err := db.beginShared(ctx, alone)
	if err != nil {
		return err
	}
	defer func() { _ = tx.rollback() }() // a panic or Goexit; otherwise it has ended
	if err := fn(tx.ctx); err != nil {
		return tx.fail(err)
	}
	if err := tx.check(); err != nil {
		return tx.fail(err)
	}
	return tx.commit()
}

// nested runs fn in a savepoint of t.
func (t *Tx) nested(ctx context.Context, fn func(ctx context.Context) error) error {
	if err := t.check(); err != nil {
		return err
	}
	child, err := t.savepoint(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = child.undo() }() // a panic or Goexit; otherwise it has ended
	if err := fn(child.ctx); err != nil {
		return mapStatement(errors.Join(err, child.undo()))
	}
	return child.release()
}

// savepoint opens a savepoint in t. ctx is that of the caller, which may end before t's.
func (t *Tx) savepoint(ctx context.Context) (*Tx, error) {
	child := &Tx{db: t.db, root: t.root, outer: t.outer, parent: t, level: t.level + 1}
	child.ctx = context.WithValue(ctx, txKey{}, child)
	if _, err := t.exec(ctx, "SAVEPOINT "+child.name(), nil); err != nil {
		return nil, err
	}
	t.root.current.Store(child)
	return child, nil
}

func (t *Tx) name() string { return "plugboard_" + strconv.Itoa(t.level) }

// release ends a savepoint whose work stays. When a statement in it had failed, it is undone instead.
func (t *Tx) release() error {
	if err := t.check(); err != nil {
		return err
	}
	if _, err := t.exec(t.ctx, "RELEASE SAVEPOINT "+t.name(), nil); err != nil {
		return errors.Join(err, t.undo())
	}
	t.end()
	p := t.parent
	p.mu.Lock()
	defer p.mu.Unlock()
	p.participants = append(p.participants, t.participants...)
	return nil
}

// undo rolls a savepoint back, also when its context has ended, while that of the transaction around it has not; one that
// has ended is left alone. When that fails, the databases refuse all further statements of the transaction.
func (t *Tx) undo() error {
	if !t.end() {
		return nil
	}
	ctx := context.WithoutCancel(t.ctx)
	_, err := t.exec(ctx, "ROLLBACK TO SAVEPOINT "+t.name(), nil)
	if err == nil {
		_, err = t.exec(ctx, "RELEASE SAVEPOINT "+t.name(), nil)
	}
	t.afterRollback(t.participants)
	return err
}

// busy is the error for a caller whom the database was too busy for.
func busy(cause error) error {
	var known *app.Error
	if errors.As(cause, &known) && known.Code == app.Unavailable {
		return cause
	}
	err := app.Errorf(app.Unavailable, "the database is busy; try again").Because(cause)
	err.RetryAfter = retryAfter
	return err
}

// errBusy is the cause of a wait that was cut short.
var errBusy = errors.New("waited for the database for as long as the busy_timeout setting allows")

// The mistakes that would make a statement wait for the transaction it is in, or commit apart from it, or that one of the
// databases cannot do.
var (
	errNoContext = errors.New("database statement without a context: use db.WithContext(ctx), with the context that the" +
		" handler was given, so that it joins the transaction of ctx and ends with it")
	errOuterContext = errors.New("database statement outside the transaction that is open here: inside app.InTx use the" +
		" context that its function is given, not the one from outside; it carries the transaction")
	errTxEnded = errors.New("database statement after its transaction has ended: the context given to the function of" +
		" app.InTx is good within that function only")
)
