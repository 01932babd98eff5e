package httpserver

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"plugboard/app"
)

// maxPooledBuffer is the largest buffer that is kept for the next request.
const maxPooledBuffer = 64 << 10

// bufferPool keeps buffers of bodies and answers for further requests.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) get() *bytes.Buffer {
	if b, ok := p.pool.Get().(*bytes.Buffer); ok {
		b.Reset()
		return b
	}
	return bytes.NewBuffer(make([]byte, 0, 1024))
}

func (p *bufferPool) put(b *bytes.Buffer) {
	if b.Cap() <= maxPooledBuffer {
		p.pool.Put(b)
	}
}

// HasBody implements bind.Source. Of a chunked body it reads one byte, which it puts back, unless the client waits for "100 Continue"
// and so says that there is one.
func (x *exchange) HasBody() bool {
	r := x.request
	if r.ContentLength >= 0 || expectsContinue(r) {
		return r.ContentLength != 0
	}
	first := make([]byte, 1)
	n, err := io.ReadFull(r.Body, first)
	if n == 0 && errors.Is(err, io.EOF) {
		x.body.ended.Store(true)
		return false
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(first[:n]), r.Body), r.Body}
	return true
}

// errTooLarge says that the body is over the limit.
func errTooLarge(limit int64) error {
	return app.Errorf(app.TooLarge, "the body is larger than %d bytes", limit)
}

// smallBody is the largest body that is read without a stall timeout, and the first step in which a larger one is read.
const smallBody = maxPooledBuffer

// Param implements bind.Source.
func (x *exchange) Param(name string) string { return x.params.ByName(name) }

// ReadBody implements bind.Source.
func (x *exchange) ReadBody() ([]byte, error) {
	x.buffer = x.server.buffers.get()
	err := x.readBody(x.buffer, x.endpoint)
	return x.buffer.Bytes(), err
}

// dropBody gives back the buffer of the body, if there is one.
func (x *exchange) dropBody() {
	if x.buffer != nil {
		x.server.buffers.put(x.buffer)
	}
}

// readBody reads the body into buf, at most as much as the endpoint takes. It reserves memory while the body arrives, so that a client
// that only announces a large body takes little from others. But it refuses a body before reading it if there is no room now for its
// announced length, times the factor that working on it takes.
func (x *exchange) readBody(buf *bytes.Buffer, e *endpoint) error {
	n, limit, factor := x.request.ContentLength, e.bodyLimit, e.binder.MemoryFactor()
	x.limited = io.LimitedReader{R: x.request.Body, N: limit + 1}
	if n >= 0 && n <= smallBody/factor { // as most are
		if err := x.call.Reserve(n * factor); err != nil {
			return err
		}
		return x.readRest(buf, limit)
	}
	if n < 0 || n > limit {
		n = limit + 1
	} else if err := x.server.memory.Fits(n * factor); err != nil {
		return err
	}
	if n > smallBody {
		x.pace(e.readTimeout)
	}
	if err := x.readSteps(buf, n); err != nil {
		return err
	}
	if err := x.readRest(buf, limit); err != nil {
		return err
	}
	return x.call.Reserve((factor - 1) * int64(buf.Len()))
}

// readRest reads what is left of the body. At its end the connection can be used again. It stops one byte beyond the limit, refuses the
// body, and has the connection closed.
func (x *exchange) readRest(buf *bytes.Buffer, limit int64) error {
	if _, err := buf.ReadFrom(&x.limited); err != nil {
		return x.readError(err)
	}
	if int64(buf.Len()) > limit {
		x.closeAfter()
		return errTooLarge(limit)
	}
	x.body.ended.Store(true)
	return nil
}

// bodyGrowth is by how much the buffer grows at a time: to so many times of what has arrived. So a client that only announces a large
// body costs little, and the body of one that sends it is copied about once.
const bodyGrowth = 8

// readSteps reads up to n bytes in steps, and reserves memory before each.
func (x *exchange) readSteps(buf *bytes.Buffer, n int64) error {
	for have := int64(0); have < n; {
		step := min(n-have, max(smallBody, (bodyGrowth-1)*have))
		if err := x.call.Reserve(step); err != nil {
			return err
		}
		buf.Grow(int(step) + bytes.MinRead)
		got, err := buf.ReadFrom(io.LimitReader(&x.limited, step))
		if err != nil {
			return x.readError(err)
		}
		if have += got; got < step {
			return nil
		}
	}
	return nil
}

// pace has the read of a large body fail when nothing arrives for the stall timeout, or when the whole request does not arrive within
// the given time. Net/http lifts the deadline at the end of the body.
func (x *exchange) pace(within time.Duration) {
	stall := x.server.config.StallTimeout
	if stall <= 0 {
		return
	}
	end := x.start.Add(within)
	x.limited.R = &pacedReader{Reader: x.limited.R, deadline: func(now time.Time) {
		if next := now.Add(stall); next.Before(end) {
			x.setReadDeadline(next)
		} else {
			x.setReadDeadline(end)
		}
	}}
}

// pacedReader moves a deadline on while it is read.
type pacedReader struct {
	io.Reader
	deadline func(now time.Time)
	set      time.Time
}

// paceTick is the least time between two moves of a deadline.
const paceTick = 100 * time.Millisecond

// Read implements io.Reader.
func (p *pacedReader) Read(b []byte) (int, error) {
	if now := time.Now(); now.Sub(p.set) >= paceTick {
		p.set = now
		p.deadline(now)
	}
	return p.Reader.Read(b)
}

// readError says why a body could not be read to its end. The connection cannot be used for another request.
func (x *exchange) readError(err error) error {
	x.closeAfter()
	var timeout net.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return errTooLarge(tooLarge.Limit)
	case errors.As(err, &timeout) && timeout.Timeout():
		x.call.SetStatus(http.StatusRequestTimeout)
		return app.Errorf(app.TimedOut, "the body did not arrive in time").Because(err)
	default:
		return app.Errorf(app.Malformed, "the body could not be read").Because(err)
	}
}

// arrival is how long an answer waits for the rest of a small body that nobody reads. A client that sends its whole request before it
// reads the answer can keep its connection by that.
const arrival = 10 * time.Millisecond

// watchedBody is a body that knows whether it was read to its end. A plugin's own handler may read it on another goroutine.
type watchedBody struct {
	io.ReadCloser
	ended atomic.Bool
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.ended.Store(true)
	}
	return n, err
}

// watched returns the body for guards and raw handlers, which get copies of the request.
func (x *exchange) watched() io.ReadCloser {
	if x.request.ContentLength == 0 {
		return x.request.Body
	}
	if x.body.ReadCloser == nil {
		x.body.ReadCloser = x.request.Body
	}
	return &x.body
}

// leaveBody is called before the head of an answer is sent. If the body was not read to its end and nobody will read it now, net/http
// would wait for the rest of it before it sends the answer, for as long as a client may take to send a request. So the rest of a small
// body is read here if it has arrived, and otherwise the connection is closed after the answer.
func (x *exchange) leaveBody(status int) {
	if x.request.ContentLength == 0 || x.body.ended.Load() {
		return
	}
	if x.raw && status < http.StatusBadRequest {
		return // a plugin's own handler may answer while it reads; net/http sees to the rest
	}
	if x.arrives() {
		return
	}
	x.closeAfter()
	x.setReadDeadline(x.start) // it has passed: net/http stops at once to read the rest
	x.closeGently()
}

// arrives reads the rest of a small body, and reports whether it came to its end. A client that waits for "100 Continue" is not told
// to send the body.
func (x *exchange) arrives() bool {
	r := x.request
	if r.ContentLength < 0 || r.ContentLength > smallBody || expectsContinue(r) || len(x.Header()["Connection"]) > 0 {
		return false
	}
	if !x.setReadDeadline(time.Now().Add(arrival)) {
		return false
	}
	_, err := io.Copy(io.Discard, r.Body)
	return err == nil
}

// closeGently has net/http end its own side of the connection after the answer, and wait a moment before it closes the rest. If it closed
// at once while the client still sends, the system would reset the connection, and the client might lose the answer. Net/http closes like
// this only after a body that was too large, so this reads one byte of a body that may have none.
func (x *exchange) closeGently() {
	over := http.MaxBytesReader(x.ResponseWriter, io.NopCloser(strings.NewReader(".")), 0)
	_, _ = over.Read(make([]byte, 1)) // fails, as it should, and tells net/http
}

// expectsContinue reports whether the client waits for "100 Continue" before it sends the body.
func expectsContinue(r *http.Request) bool { return len(r.Header["Expect"]) > 0 }
