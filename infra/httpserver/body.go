package httpserver

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"plugboard/app"
)

// maxPooledBuffer is the largest buffer that is kept for the next request.
const maxPooledBuffer = 64 << 10

// bufferPool keeps buffers for bodies and answers.
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

// HasBody implements bind.Source. Of a chunked one only reading tells, unless the client says so by
// waiting for "100 Continue"; the peeked byte is put back.
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
	r.Body = &prefixedBody{Reader: io.MultiReader(bytes.NewReader(first[:n]), r.Body), Closer: r.Body}
	return true
}

// prefixedBody is a body of which something was read and put back.
type prefixedBody struct {
	io.Reader
	io.Closer
}

// errTooLarge says that the body is over the limit.
func errTooLarge(limit int64) error {
	return app.Errorf(app.TooLarge, "the body is larger than %d bytes", limit)
}

// smallBody is the largest body that is read without looking at the clock, and without a share of the budget being kept from it.
const smallBody = maxPooledBuffer

// Param implements bind.Source.
func (x *exchange) Param(name string) string { return x.params.ByName(name) }

// ReadBody implements bind.Source.
func (x *exchange) ReadBody() ([]byte, error) {
	x.buffer = x.server.buffers.get()
	err := x.readBody(x.buffer, x.endpoint)
	return x.buffer.Bytes(), err
}

// dropBody gives back the buffer that the body was read into, if it was.
func (x *exchange) dropBody() {
	if x.buffer != nil {
		x.server.buffers.put(x.buffer)
	}
}

// readBody reads the body of x's request into buf, at most as much as e takes. Memory is reserved as the body arrives, so that a
// client that only announces a large one takes little from others. But one for whose announced length, times the factor
// that working on it takes, there is no room now is refused before it is read.
func (x *exchange) readBody(buf *bytes.Buffer, e *endpoint) error {
	n, limit, factor := x.request.ContentLength, e.bodyLimit, e.binder.MemoryFactor()
	x.limited = io.LimitedReader{R: x.request.Body, N: limit + 1}
	if n >= 0 && n <= smallBody/factor {
		return x.readTiny(buf, limit, n*factor)
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

// readTiny reads a body for which all that it takes is reserved at once, as is the case for most.
func (x *exchange) readTiny(buf *bytes.Buffer, limit, memory int64) error {
	if err := x.call.Reserve(memory); err != nil {
		return err
	}
	return x.readRest(buf, limit)
}

// readRest reads the body to its end, so that the connection can be used again.
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

// bodyGrowth is how many times what has arrived there is room made for. A client that only announces a large body costs
// little, and one that sends it has it copied about once.
const bodyGrowth = 8

// readSteps reads up to n bytes, and reserves memory for each step.
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

// pace has the body, which is large, read at a pace: when nothing arrives for the stall timeout the read fails. At its end
// net/http lifts the deadline. The whole request has to arrive within the given time all the same.
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

// pacedReader moves a deadline on as it is read, but not with every small piece.
type pacedReader struct {
	io.Reader
	deadline func(now time.Time)
	set      time.Time
}

// paceTick is how often a deadline is moved on at most.
const paceTick = 100 * time.Millisecond

// Read implements io.Reader.
func (p *pacedReader) Read(b []byte) (int, error) {
	if now := time.Now(); now.Sub(p.set) >= paceTick {
		p.set = now
		p.deadline(now)
	}
	return p.Reader.Read(b)
}

// readError says why a body could not be read to its end. The connection is of no further use.
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
