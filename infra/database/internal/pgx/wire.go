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
// saves a round trip. BEGIN has no Sync of its own, so that the server skips the statement when BEGIN fails. The driver does not
// know of BEGIN: wire removes the answers to it from what the driver reads.
//
// As the driver's connection, it is for one writer and one reader at a time.
type wire struct {
	net.Conn
	// begin is sent before the next write. It is atomic because the driver closes a broken connection in another goroutine.
	begin atomic.Pointer[[]byte]
	// sent counts the bytes that were written.
	sent atomic.Int64
	// replies counts the answers to BEGIN that are still to come.
	replies atomic.Int32
	// simple tells that the statement after BEGIN is in the simple protocol, which sends no Sync.
	simple atomic.Bool
	// raw was read but not sorted yet, because the rest of a message is missing. ready is for the reader.
	raw, ready []byte
	// reading is held during a read. After a failed write, the writer reads what is left.
	reading sync.Mutex
	// farewell is the error with which the server has ended the session.
	farewell atomic.Pointer[pgconn.PgError]
}

// beginReplies is how many messages answer a BEGIN: ParseComplete, BindComplete and CommandComplete.
const beginReplies = 3

// newWire is a function for [pgconn.Config.AfterNetConnect].
func newWire(_ context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
	return &wire{Conn: conn}, nil
}

// announce has a statement that begins a transaction sent together with the next write.
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

// waiting reports whether the announced statement has not been sent yet.
func (w *wire) waiting() bool { return w.begin.Load() != nil }

// recall drops the announced statement.
func (w *wire) recall() { w.begin.Store(nil) }

// hungUp reports whether the server is known to have closed the connection, so that nobody would read what is sent now. With TLS
// this is seen later, or not at all.
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

// hearOutLimit bounds the wait for the last message of a server that has closed the connection. The message has arrived already.
const hearOutLimit = time.Second

// hearOut reads the server's last message after a failed write. The driver does not read any more then.
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

// because adds the server's reason for ending the session to err, if there is one.
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

// receive reads from the server, and keeps the message with which the server ends the session.
func (w *wire) receive(p []byte) (int, error) {
	w.reading.Lock()
	defer w.reading.Unlock()
	n, err := w.Conn.Read(p)
	if reason := farewellIn(p[:n]); reason != nil {
		w.farewell.Store(reason)
	}
	return n, err
}

// header is the length of a message's head: one byte for the type, four for a length that counts itself and the body.
const header = 5

// farewellIn finds the fatal error with which a server ends a session. Only notices can come before it, because the answer to
// every statement has been read.
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

// sort removes the answers to BEGIN from raw and moves the rest to ready.
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
		default: // BEGIN has failed. Its error becomes the answer to the statement, which the server skips until a Sync
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
