package sqlite

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// interruptEvery is the time between two interruptions of a statement that goes on.
const interruptEvery = time.Millisecond

// handleOf returns the database handle (sqlite3*) of a connection. The driver does not export it (docs/adr/0029).
func handleOf(conn rawConn) (uintptr, error) {
	v := reflect.ValueOf(conn)
	if v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		if handle := v.Elem().FieldByName("db"); handle.Kind() == reflect.Uintptr && handle.Uint() != 0 {
			return uintptr(handle.Uint()), nil
		}
	}
	return 0, errors.New("modernc.org/sqlite has changed: no handle for interrupting statements found")
}

// interrupter ends a statement when its context ends. It interrupts again and again, because SQLite ignores an interruption before the
// first step of a statement. The driver itself would interrupt only once, and such a statement would run to its end.
type interrupter struct {
	ctx    context.Context //nolint:containedctx // for as long as its statement runs
	handle uintptr
	unhook func() bool
	over   chan struct{} // closed when the statement has ended

	mu  sync.Mutex
	hit bool // an interruption was sent
}

// interruptAfter returns the interrupter for the statement that runs next on the connection; nil if ctx never ends.
func interruptAfter(ctx context.Context, handle uintptr) *interrupter {
	if ctx.Done() == nil {
		return nil
	}
	w := &interrupter{ctx: ctx, handle: handle, over: make(chan struct{})}
	w.unhook = context.AfterFunc(ctx, w.run)
	return w
}

// run interrupts until the statement has ended.
func (w *interrupter) run() {
	again := time.NewTicker(interruptEvery)
	defer again.Stop()
	for w.interrupt() {
		select {
		case <-w.over:
			return
		case <-again.C:
		}
	}
}

// interrupt interrupts the statement, unless it has ended: then the next statement on the connection would be interrupted. It reports
// whether the statement still runs.
func (w *interrupter) interrupt() (running bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.over:
		return false
	default:
	}
	w.hit = true
	tls := libc.NewTLS()
	defer tls.Close()
	sqlite3.Xsqlite3_interrupt(tls, w.handle)
	return true
}

// cause returns the error of the context if the interruption is what failed the statement, else err.
func (w *interrupter) cause(err error) error {
	if w == nil || err == nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hit {
		return w.ctx.Err()
	}
	return err
}

// end says that the statement has ended with err, and returns the cause. It is called once.
func (w *interrupter) end(err error) error {
	if w == nil {
		return err
	}
	w.unhook()
	w.mu.Lock()
	close(w.over)
	w.mu.Unlock()
	return w.cause(err)
}
