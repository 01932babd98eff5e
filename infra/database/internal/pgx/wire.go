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

// wire is the connection to a Postgres server, on which a transaction's BEGIN travels with its first statement: a round
// trip less in each transaction. BEGIN is sent in the extended protocol without a Sync of its own, so that the server skips
// the statement when BEGIN fails; the answers to BEGIN are taken out of what is read.
//
// As the driver's connection, it is for one writer and one reader at a time.
type wire struct {
	net.Conn
	// begin is what goes out before the next write; the driver closes a broken connection in a goroutine of its own.
	begin atomic.Pointer[[]byte]
	// sent counts the bytes that were written.
	sent atomic.Int64
	// replies counts the answers to BEGIN that are still to come.
	replies atomic.Int32
	// simple tells that the statement after BEGIN is in the simple protocol, which brings no Sync.
	simple atomic.Bool
	// raw was read and not looked at, as the rest of a message is missing; ready is for the reader.
	raw, ready []byte
	// reading is held while something is read: after a write that failed, what is left is read by the writer.
	reading sync.Mutex
	// farewell is why the server has ended the session.
	farewell atomic.Pointer[pgconn.PgError]
}

// beginReplies is how many messages answer a BEGIN: ParseComplete, BindComplete and CommandComplete.
const beginReplies = 3

// newWire is for [pgconn.Config.AfterNetConnect].
func newWire(_ context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
	return &wire{Conn: conn}, nil
}

// announce has statement, which begins a transaction, sent with what is written next.
func (w *wire) announce(statement string) error {
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

// waiting reports whether an announced statement has not been sent.
func (w *wire) waiting() bool { return w.begin.Load() != nil }

// recall takes an announced statement back.
func (w *wire) recall() { w.begin.Store(nil) }

// hungUp reports whether the server is known to have closed the connection: what is sent now would never be read. With TLS
// that is seen later, if at all.
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
		w.hearOut()
	}
	return n, err
}

// hearOutLimit bounds how long the last words of a server are waited for that has closed the connection: they are here.
const hearOutLimit = time.Second

// hearOut reads what the server said before it closed the connection. The driver does not read after a write that failed.
func (w *wire) hearOut() {
	if w.SetReadDeadline(time.Now().Add(hearOutLimit)) != nil {
		return
	}
	var p [4096]byte
	for {
		if _, err := w.receive(p[:]); err != nil {
			return
		}
	}
}

// because adds to err why the server has ended the session, if it has said so.
func (w *wire) because(err error) error {
	if reason := w.farewell.Load(); reason != nil {
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

// receive reads from the server, and notes when it says that it ends the session.
func (w *wire) receive(p []byte) (int, error) {
	w.reading.Lock()
	defer w.reading.Unlock()
	n, err := w.Conn.Read(p)
	if reason := farewellIn(p[:n]); reason != nil {
		w.farewell.Store(reason)
	}
	return n, err
}

// header is how long the head of a message is: a type, and a length that counts itself and the body.
const header = 5

// farewellIn looks for the fatal error with which a server ends a session at once. Nothing but notices is before it, since
// the answer to every statement has been read.
func farewellIn(p []byte) *pgconn.PgError {
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

// sort takes the answers to BEGIN out of raw, and moves what else there is to ready.
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
		default: // BEGIN has failed, and that is the answer to the statement, which the server skips until a Sync
			w.replies.Store(0)
			if w.simple.Load() {
				_, _ = w.Conn.Write([]byte{'S', 0, 0, 0, 4}) // when this fails the connection is broken, as its reader will see
			}
		}
	}
	if w.replies.Load() == 0 {
		w.ready = append(w.ready, w.raw...)
		w.raw = nil
	}
}
