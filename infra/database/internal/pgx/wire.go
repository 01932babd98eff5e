package pgx

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// wire is the network connection to a Postgres server. It sends BEGIN together with the first statement of a transaction, which
// saves a round trip. It sends no Sync after BEGIN: so the server skips the statement if BEGIN fails. The driver does not know of
// BEGIN, so wire removes the answers to it from what the driver reads.
//
// Like any connection of the driver, it is for one writer and one reader at a time.
type wire struct {
	net.Conn
	// begin is sent before the next write; nil if nothing is queued. It is atomic because the driver closes a broken connection in
	// another goroutine, and writes a last message then.
	begin atomic.Pointer[[]byte]
	// sent counts the bytes that were written.
	sent atomic.Int64
	// replies counts the answers to BEGIN that are still to come.
	replies atomic.Int32
	// simple is true if the statement after BEGIN uses the simple protocol, in which the driver sends no Sync.
	simple atomic.Bool
	// raw has what was read while answers to BEGIN were still to come. sort moves it to ready, which the reader gets, as soon as whole
	// messages are there.
	raw, ready []byte
	// reading is locked during a read, because after a failed write the writer reads too.
	reading sync.Mutex
	// fatalError is the fatal error with which the server has ended the session.
	fatalError atomic.Pointer[pgconn.PgError]
}

// beginReplies is how many messages answer a BEGIN: ParseComplete, BindComplete and CommandComplete.
const beginReplies = 3

// newWire is a function for [pgconn.Config.AfterNetConnect].
func newWire(_ context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
	return &wire{Conn: conn}, nil
}

// queueBegin queues a statement that begins a transaction. The next write sends it first.
func (w *wire) queueBegin(statement string) error {
	var begin []byte
	var err error
	for _, m := range []pgproto3.FrontendMessage{&pgproto3.Parse{Query: statement}, &pgproto3.Bind{}, &pgproto3.Execute{}} {
		if begin, err = m.Encode(begin); err != nil {
			return err
		}
	}
	w.begin.Store(&begin)
	return nil
}

// waiting reports whether a statement is queued and not sent yet.
func (w *wire) waiting() bool { return w.begin.Load() != nil }

// dropBegin drops the queued statement.
func (w *wire) dropBegin() { w.begin.Store(nil) }

// hungUp reports whether the server has closed the connection, so that nobody would read what is sent now. A false is no proof of the
// opposite: with TLS, for example, the socket below may have unread bytes.
func (w *wire) hungUp() bool { return hungUp(w.Conn) }

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	if !w.waiting() || len(p) == 0 {
		return w.write(p)
	}
	begin := w.begin.Swap(nil)
	if begin == nil {
		return w.write(p)
	}
	w.simple.Store(p[0] == 'Q')
	w.replies.Store(beginReplies)
	n, err := w.write(append(*begin, p...))
	return max(0, n-len(*begin)), err
}

func (w *wire) write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.sent.Add(int64(n))
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		w.readFatal()
	}
	return n, err
}

// readFatalLimit bounds the wait for the last message of a server that has closed the connection. Mostly the message has arrived already.
const readFatalLimit = time.Second

// readFatal reads the server's last message after a failed write, after which the driver itself does not read any more.
func (w *wire) readFatal() {
	if w.SetReadDeadline(time.Now().Add(readFatalLimit)) != nil {
		return
	}
	var p [4096]byte
	for {
		if _, err := w.receive(p[:]); err != nil {
			return
		}
	}
}

// withServerReason joins err with the fatal error of the server, if it sent one.
func (w *wire) withServerReason(err error) error {
	if reason := w.fatalError.Load(); reason != nil {
		return fmt.Errorf("%w: %w", reason, err)
	}
	return err
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	for {
		if len(w.ready) > 0 {
			n := copy(p, w.ready)
			w.ready = w.ready[n:]
			return n, nil
		}
		n, err := w.receive(p)
		if w.replies.Load() == 0 {
			return n, err
		}
		w.raw = append(w.raw, p[:n]...)
		w.sort()
		if err != nil && len(w.ready) == 0 {
			return 0, err
		}
	}
}

// receive reads from the server. It keeps the fatal error if the bytes begin with one.
func (w *wire) receive(p []byte) (int, error) {
	w.reading.Lock()
	defer w.reading.Unlock()
	n, err := w.Conn.Read(p)
	if reason := fatalErrorIn(p[:n]); reason != nil {
		w.fatalError.Store(reason)
	}
	return n, err
}

// header is the length of a message's head: one byte for the type, four for a length that counts itself and the body.
const header = 5

// fatalErrorIn returns the fatal error that p begins with, maybe after notices; nil if p begins with anything else. That is enough for a
// session which the server ended between two statements: the answers to all statements have been read then. Within an answer the driver
// itself reads the error.
func fatalErrorIn(p []byte) *pgconn.PgError {
	for len(p) >= header {
		size := 1 + int(binary.BigEndian.Uint32(p[1:header]))
		if size < header || len(p) < size {
			return nil
		}
		switch p[0] {
		case 'N', 'S', 'A':
			p = p[size:]
		case 'E':
			var m pgproto3.ErrorResponse
			if err := m.Decode(p[header:size]); err == nil && m.SeverityUnlocalized == "FATAL" {
				return pgconn.ErrorResponseToPgError(&m)
			}
			return nil
		default:
			return nil
		}
	}
	return nil
}

// sort removes the answers to BEGIN from raw and moves what follows, and notices between them, to ready. It stops at a message whose end
// has not been read yet.
func (w *wire) sort() {
	for w.replies.Load() > 0 && len(w.raw) >= header {
		size := 1 + int(binary.BigEndian.Uint32(w.raw[1:header]))
		if size < header || len(w.raw) < size {
			return
		}
		switch w.raw[0] {
		case '1', '2', 'C': // ParseComplete, BindComplete, CommandComplete
			w.replies.Add(-1)
			w.raw = w.raw[size:]
		case 'N', 'S', 'A': // notices, which come at any time
			w.ready = append(w.ready, w.raw[:size]...)
			w.raw = w.raw[size:]
		default: // BEGIN has failed. The driver takes its error for the answer to the statement. The server skips all until a Sync
			w.replies.Store(0)
			if w.simple.Load() {
				_, _ = w.Conn.Write([]byte{'S', 0, 0, 0, 4}) // if this fails the connection is broken, and the reader finds out
			}
		}
	}
	if w.replies.Load() == 0 {
		w.ready = append(w.ready, w.raw...)
		w.raw = nil
	}
}
