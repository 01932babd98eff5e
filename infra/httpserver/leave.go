package httpserver

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// arrival is how long an answer waits for a small body that nobody reads. A client that sends all of its request before it
// looks at the answer keeps its connection then.
const arrival = 10 * time.Millisecond

// watchedBody is a body that knows whether it was read to its end. A plugin's own handler may read it on several goroutines.
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

// watched returns the body for those who get a request of their own: guards and raw handlers.
func (x *exchange) watched() io.ReadCloser {
	if x.request.ContentLength == 0 {
		return x.request.Body
	}
	if x.body.ReadCloser == nil {
		x.body.ReadCloser = x.request.Body
	}
	return &x.body
}

// leaveBody is called before the head of an answer is sent. Where the body was not read to its end, and nobody will read it
// now, it has the answer sent at once. net/http would first wait for the rest of the body, for as long as a client may take
// to send a request. A body that has arrived already is passed over; after another one the connection is closed.
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
	x.setReadDeadline(x.start)
	x.closeGently()
}

// arrives passes over the rest of a small body, and reports whether it came to its end. A client that waits for
// "100 Continue" must not be told to send the body.
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

// closeGently has net/http close the connection as it does after a body that was too large: it first ends its own side, and
// waits a moment. A connection that is closed while the client still sends is reset, and the answer may be lost with it.
func (x *exchange) closeGently() {
	over := http.MaxBytesReader(x.ResponseWriter, io.NopCloser(strings.NewReader(".")), 0)
	_, _ = over.Read(make([]byte, 1)) // the error is that it is too large
}

// expectsContinue reports whether the client waits for "100 Continue" before it sends the body.
func expectsContinue(r *http.Request) bool { return len(r.Header["Expect"]) > 0 }
