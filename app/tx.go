package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
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

// Once does the work of an endpoint that is [Idempotent], once for each Idempotency-Key:
//
//	func (p *PlaceOrderPlugin) Execute(ctx context.Context, req PlaceOrderRequest) (Order, error) {
//		return app.Once(ctx, p.db, func(ctx context.Context) (Order, error) { … })
//	}
//
// It runs fn in a transaction, as [InTx] does, and stores the answer in the same transaction: what fn returns, with the status and the
// headers that fn sets. A repeat of the request gets that answer, byte for byte, with the header Idempotency-Replayed: true, and fn does
// not run; Once then returns what can be read back from the answer's JSON. The host keeps answers for the time of the
// setting http.idempotency_keep. Without a key fn runs in a transaction, and nothing is stored.
//
// An error of fn rolls everything back and stores nothing, so a repeat runs fn again. Once itself fails with [Conflict], at once, while
// another request with the key is worked on, and with [Invalid] for a key that another request has used: one with another path, query,
// body, or header or cookie that the request type takes, and on an endpoint that is [Public] with another header Authorization.
//
// The answer is stored as it is, and readable by whoever reads the database: a token or another secret does not belong into it.
//
// The handler returns what Once returns. Changes of the result, the status or the headers behind it do not reach the caller.
//
// These are bugs, which are logged and answered 500, and roll everything back: Once outside a request to an endpoint that is Idempotent,
// within a transaction, or twice in one request; an answer of more than 64 KiB; a cookie set in fn, since credentials must not be kept.
func Once[Res any](ctx context.Context, db *gorm.DB, fn func(ctx context.Context) (Res, error)) (Res, error) {
	var res, none Res
	call := CallFrom(ctx)
	request, store, err := beginOnce(call, db)
	if err != nil {
		return none, err
	}
	run := func(ctx context.Context) (err error) {
		res, err = fn(ctx)
		return err
	}
	if request.Claim == nil {
		if err := store.InTx(ctx, run); err != nil {
			return none, err
		}
		return res, nil
	}
	before := call.answerState()
	answer, replayed, err := store.Once(ctx, *request.Claim, func(ctx context.Context) (OnceAnswer, error) {
		call.reset(before) // fn may run again
		if err := run(ctx); err != nil {
			return OnceAnswer{}, err
		}
		return request.encode(call, before, &res)
	})
	if err != nil {
		return none, err
	}
	if replayed {
		call.replay(answer)
		if json.Unmarshal(answer.Data, &res, jsontext.AllowInvalidUTF8(true)) != nil {
			res = none // the type writes JSON that it does not read; the caller gets the stored bytes
		}
	}
	request.replayed.Store(replayed)
	request.answer.Store(&answer)
	return res, nil
}

// beginOnce returns the request that Once is called in.
func beginOnce(call *Call, db *gorm.DB) (*OnceRequest, OnceStore, error) {
	if call == nil || call.Once == nil {
		return nil, nil, errors.New("app.Once: this is no request to an endpoint with app.Idempotent()")
	}
	if call.InTx() {
		return nil, nil, errors.New("app.Once: a transaction is open here already; Once makes the one that does the work and stores the answer")
	}
	store, ok := db.Statement.ConnPool.(OnceStore)
	if !ok {
		return nil, nil, errors.New("app.Once: this *gorm.DB is not the one that the host gives to plugins; in tests, get one from apptest")
	}
	if call.Once.Claim != nil && call.Once.begun.Swap(true) {
		return nil, nil, errors.New("app.Once: it was called before in this request, which has one answer")
	}
	return call.Once, store, nil
}

// encode returns the answer with data and what was set since before.
func (r *OnceRequest) encode(call *Call, before answerState, data any) (OnceAnswer, error) {
	header := call.headerSince(before)
	if header["Set-Cookie"] != nil {
		return OnceAnswer{}, errors.New("app.Once: its function set a cookie, which must not be kept; set it outside")
	}
	answer, err := r.Encode(call.Status(), data)
	answer.Header = header
	if size := answer.size(); err == nil && size > mostKept {
		err = fmt.Errorf("app.Once: the answer has %d bytes, and at most %d are kept; answer with less, an id for example", size, mostKept)
	}
	return answer, err
}

// mostKept is the size of the largest answer that is kept, in bytes.
const mostKept = 64 << 10

// size returns how many bytes are kept of an answer.
func (a OnceAnswer) size() int {
	n := len(a.Data)
	for key, values := range a.Header {
		n += len(key)
		for _, value := range values {
			n += len(value)
		}
	}
	return n
}

// Changes returns how often the database may have changed since the service started, for a plugin that keeps in memory what it has read. Ask before
// reading: what was read then holds as long as Changes returns the same number, for whoever changes something does not learn that it is done before
// the number is another.
//
// It reports false where others than this process may change the database, which is so on Postgres: there, read it each time. On SQLite each
// commit counts, whatever it is about, so this helps where reads are many and writes are few.
func Changes(db *gorm.DB) (n uint64, ok bool) {
	counter, ok := db.Statement.ConnPool.(ChangeCounter)
	if !ok {
		return 0, false
	}
	return counter.Changes()
}
