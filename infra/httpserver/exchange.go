package httpserver

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/trace"

	"plugboard/app"
	"plugboard/infra/httpserver/bind/rules"
)

// exchange is one request with its answer, from the moment at which [front] is entered. It is the http.ResponseWriter that Gin and the
// handlers write to, and the [bind.Source] of the request. It belongs to the request's goroutine. It is never reused, since a job may
// outlive the request.
type exchange struct {
	http.ResponseWriter
	server  *Server
	request *http.Request
	// call is what the plugin's context carries.
	call  app.Call
	start time.Time
	route *route
	// remote is the client's address as trusted proxies tell it; "" without such proxies.
	remote string
	// status is what was sent, 0 while nothing was.
	status   int
	bytes    int64
	hijacked bool
	// paced is when the write deadline was last moved on. With ownPace the handler sets that deadline; with endless there is none.
	paced            time.Time
	ownPace, endless bool
	// Why the answer is not whole, the first that holds (see outcome):
	//
	//	cut     the client took nothing of it for the stall timeout    counted as 408
	//	gone    the client left, or the server closed the connection   counted as 499
	//	broken  the handler failed after the head was sent             counted as 500
	cut, gone, broken bool
	// span is the request's; nil without tracing.
	span trace.Span
	// found is what is wrong with the request; limited reads its body.
	found   rules.Violations
	limited io.LimitedReader
	buffer  *bytes.Buffer // of the body; nil before it is read
	body    watchedBody
	// raw says that the answer is that of a plugin's own handler.
	raw bool
	// endpoint is the plugin's endpoint that serves the request, and params are the parameters of its path; nil for the host's routes.
	endpoint *endpoint
	params   gin.Params
	// quota is the header RateLimit; "" before a limit was asked.
	quota string
}

// exchangeOf returns the exchange behind Gin's writer.
func exchangeOf(c *gin.Context) *exchange {
	u, ok := c.Writer.(interface{ Unwrap() http.ResponseWriter })
	if !ok {
		return nil
	}
	x, _ := u.Unwrap().(*exchange)
	return x
}

// Unwrap lets an [http.ResponseController] reach the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// SetWriteDeadline is for handlers that decide with an [http.ResponseController] how long the client has for the answer. The host does
// not move the deadline after that.
func (x *exchange) SetWriteDeadline(t time.Time) error {
	x.ownPace = true
	return http.NewResponseController(x.ResponseWriter).SetWriteDeadline(t)
}

// noteClient notes in gone whether the connection is closed: net/http has ended the request's context then. It does so after a cut too,
// which is not the client's leaving.
func (x *exchange) noteClient() { x.gone = x.gone || !x.cut && x.request.Context().Err() != nil }

// Flush sends what was written so far.
func (x *exchange) Flush() {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	if f, ok := x.ResponseWriter.(http.Flusher); ok {
		if x.paces() {
			x.paceWrite(0)
		}
		f.Flush()
	}
}

// Hijack gives the connection to the handler, which then owns it. The request counts as active until the handler returns.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h, ok := x.ResponseWriter.(http.Hijacker)
	if !ok {
		return nil, nil, http.ErrNotSupported
	}
	conn, rw, err := h.Hijack()
	if err == nil {
		x.hijacked, x.status = true, http.StatusSwitchingProtocols
	}
	return conn, rw, err
}

// CloseNotify is for Gin's Stream, which waits for it.
//
// Deprecated: it exists for Gin alone; use the request's context.
func (x *exchange) CloseNotify() <-chan bool {
	if n, ok := x.ResponseWriter.(interface{ CloseNotify() <-chan bool }); ok {
		return n.CloseNotify()
	}
	return make(chan bool)
}

// closeAfter has the connection closed after the answer.
func (x *exchange) closeAfter() {
	if x.status == 0 {
		x.Header()["Connection"] = []string{"close"}
	}
}

// setReadDeadline limits how long the rest of the request may take to arrive; the zero time lifts the limit. It reports false for a
// writer that has no deadlines, as in tests.
func (x *exchange) setReadDeadline(t time.Time) bool {
	d, ok := x.ResponseWriter.(interface{ SetReadDeadline(time.Time) error })
	return ok && d.SetReadDeadline(t) == nil // an error says that the connection is gone, and so will the next read
}

// setWriteDeadline limits how long the client may take to receive the answer; see setReadDeadline.
func (x *exchange) setWriteDeadline(t time.Time) {
	if d, ok := x.ResponseWriter.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = d.SetWriteDeadline(t) // an error says that the connection is gone, and so will the next write
	}
}
