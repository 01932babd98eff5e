package httpserver

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"plugboard/infra/httpserver/internal/routes"
	"plugboard/infra/httpserver/internal/socket"
	"plugboard/infra/logging"
)

// unknownRoute is the label of requests for paths nobody serves.
const unknownRoute = "unknown"

// front is the outermost handler. It gives every request an id, answers for panics, counts and logs.
type front struct{ server *Server }

// ServeHTTP implements http.Handler.
func (f front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := f.server
	active := s.active.enter()
	socket.Of(r).Enter()
	x := &exchange{ResponseWriter: w, server: s, request: r, start: time.Now(), route: s.unknown}
	returned := false
	defer func() {
		defer s.active.leave()
		x.end(recover(), returned)
	}()
	x.begin()
	x.call.Memory = s.memory
	defer x.call.End()
	if !x.isTooMany(active) {
		x.serve()
	}
	returned = true
}

// serve answers the request: what may not come in, or is a browser's question, by itself, the rest by way of the routes.
func (x *exchange) serve() {
	s := x.server
	var err error
	if !isProbe(x.request.URL.Path) { // probes may name any host: they come by address
		err = s.gate.Admits(x.request)
	}
	switch {
	case err != nil:
		x.fail(x, err)
	case s.gate.IsPreflight(x.request):
		s.answerPreflight(x)
	case x.request.RequestURI == "*":
		x.answerAsterisk()
	default:
		s.engine.ServeHTTP(x, routes.Routed(x.request))
	}
}

// begin identifies the request and sets the headers every answer has.
func (x *exchange) begin() {
	r, h := x.request, x.Header()
	x.identify()
	x.call.URL = r.URL
	h["X-Request-Id"] = []string{x.call.RequestID}
	x.server.setHostHeaders(h)
	x.server.gate.SetOrigin(h, r)
	if len(r.TransferEncoding) > 0 || x.server.draining.Load() {
		x.closeAfter()
	}
}

// identify takes request id and trace from the request's headers where they are well-formed, and makes them
// otherwise. A made request id is the trace id.
func (x *exchange) identify() {
	h := x.request.Header
	given := h["Traceparent"]
	called := len(given) == 1 && validTrace(given[0])
	if called {
		given[0] = knownFlags(given[0])
	}
	switch tracer := x.server.tracer; {
	case tracer != nil && !isProbe(x.request.URL.Path):
		x.beginSpan(tracer, called)
	case called:
		x.call.Trace = given[0]
	default:
		x.call.Trace = newTrace()
	}
	if given := h["X-Request-Id"]; len(given) == 1 && validRequestID(given[0]) {
		x.call.RequestID = given[0]
	} else {
		x.call.RequestID = x.call.Trace[3:35]
	}
}

// validRequestID reports whether id matches [A-Za-z0-9._-]{1,64}.
func validRequestID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// validTrace reports whether t is a traceparent of version 00 as W3C Trace Context defines it.
func validTrace(t string) bool {
	if len(t) != 55 || t[:3] != "00-" || t[35] != '-' || t[52] != '-' {
		return false
	}
	return isHex(t[3:35]) && isHex(t[36:52]) && isHex(t[53:]) &&
		strings.Trim(t[3:35], "0") != "" && strings.Trim(t[36:52], "0") != ""
}

// knownFlags returns the valid traceparent t without the flags that version 00 does not define, as it asks for.
func knownFlags(t string) string {
	const flags, known = 53, 0b11
	if t[flags] == '0' && t[flags+1] <= '0'+known {
		return t
	}
	set, _ := strconv.ParseUint(t[flags:], 16, 8) // it is valid
	return t[:flags] + "0" + strconv.FormatUint(set&known, 16)
}

func isHex(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// newTrace makes a traceparent with random ids.
func newTrace() string {
	var random [24]byte
	var text [55]byte
	_, _ = rand.Read(random[:]) // never fails, by its contract
	copy(text[:], "00-")
	hex.Encode(text[3:35], random[:16])
	text[35] = '-'
	hex.Encode(text[36:52], random[16:])
	copy(text[52:], "-01")
	return string(text[:])
}

// answerAsterisk answers a request for the server as a whole.
func (x *exchange) answerAsterisk() {
	if x.request.Method == http.MethodOptions {
		x.Header().Set("Content-Length", "0")
		x.WriteHeader(http.StatusNoContent)
		return
	}
	x.fail(x, errNotFound())
}

// end finishes the exchange: it answers for a panic or a vanished goroutine, counts and logs.
func (x *exchange) end(panicked any, returned bool) {
	abort := false
	switch {
	case panicked == http.ErrAbortHandler: //nolint:errorlint // net/http compares it like this
		abort, x.broken = true, true
		x.noteClient()
	case panicked != nil:
		abort = x.answerPanic(zap.Any("panic", panicked), debug.Stack())
	case !returned:
		x.answerGoexit()
	}
	removeUploads(x.request)
	x.observe()
	if abort {
		panic(http.ErrAbortHandler)
	}
}

// answerPanic logs a panic and answers it. It reports true when the answer had begun, so that all that is left
// is to break the connection.
func (x *exchange) answerPanic(what zap.Field, stack []byte) (abort bool) {
	x.logger().Error("request panicked", append(x.identity(), what, zap.ByteString("stack", stack))...)
	if x.hijacked || x.status != 0 {
		x.broken = true
		return !x.hijacked
	}
	x.clearHeader()
	x.closeAfter()
	x.write(x, failure{status: http.StatusInternalServerError, code: "internal", message: messageInternal})
	return false
}

// answerGoexit answers a request whose handler ended its goroutine. Nothing runs after this, so the answer is
// flushed here.
func (x *exchange) answerGoexit() {
	x.answerPanic(zap.String("panic", "the handler called runtime.Goexit"), debug.Stack())
	x.Flush()
}

// clearHeader removes headers a handler set for an answer that did not come to be.
func (x *exchange) clearHeader() {
	h := x.Header()
	for k := range h {
		if k != "X-Request-Id" && k != "Connection" && k != "Vary" && !strings.HasPrefix(k, "Access-Control-") {
			delete(h, k)
		}
	}
	x.server.setHostHeaders(h)
	x.setDeprecation(h)
}

// observe counts and logs the finished exchange.
func (x *exchange) observe() {
	took := time.Since(x.start)
	status := x.outcome()
	x.route.observe(x.request.Method, status, took)
	x.endSpan(status)
	if !x.server.access {
		return
	}
	if entry := x.server.logger.Check(zap.InfoLevel, "request"); entry != nil {
		entry.Write(
			x.methodField(), zap.String("route", x.route.path), zap.String("path", logging.Clip(x.request.URL.Path, longGiven)),
			zap.Int("status", status), zap.Int64("bytes", x.bytes), zap.Duration("duration", took),
			zap.String("request_id", x.call.RequestID), x.plugin(), zap.String("remote", x.client()),
		)
	}
}

// outcome returns the status that the exchange is counted and logged as. That of an answer which broke off is 500, whatever
// its head said, unless it broke off because the client left, or took nothing of it in its time, which is 408.
func (x *exchange) outcome() int {
	switch {
	case x.cut:
		return http.StatusRequestTimeout
	case x.gone:
		return statusClientGone
	case x.broken:
		return http.StatusInternalServerError
	case x.status == 0:
		return http.StatusOK
	default:
		return x.status
	}
}

// client returns the client's address without the port.
func (x *exchange) client() string {
	if x.remote != "" {
		return x.remote
	}
	host, _, err := net.SplitHostPort(x.request.RemoteAddr)
	if err != nil {
		return x.request.RemoteAddr
	}
	return host
}

func (x *exchange) logger() *zap.Logger { return x.server.logger }

// identity names the request in the log.
func (x *exchange) identity() []zap.Field {
	return []zap.Field{
		zap.String("request_id", x.call.RequestID), x.plugin(),
		x.methodField(), zap.String("route", x.route.path),
	}
}

// longGiven is how much is logged of what a client chooses.
const longGiven = 512

// methodField names the request's method, which may be any token.
func (x *exchange) methodField() zap.Field {
	const longest = 32
	return zap.String("method", logging.Clip(x.request.Method, longest))
}

// plugin names the plugin that serves the request; the host's own routes have none.
func (x *exchange) plugin() zap.Field {
	if x.call.Plugin == "" {
		return zap.Skip()
	}
	return zap.String("plugin", x.call.Plugin)
}

// stackOf returns the stack err carries, where it has one.
func stackOf(err error) []byte {
	var s interface{ Stack() []byte }
	if errors.As(err, &s) {
		return s.Stack()
	}
	return nil
}

// apiPolicy is the policy of answers that are data: a browser that shows one loads and runs nothing, and no page frames it.
const apiPolicy = "default-src 'none'; frame-ancestors 'none'"

// setHostHeaders sets the headers that every answer has unless its plugin, or the page at /docs, has others.
func (s *Server) setHostHeaders(h http.Header) {
	h["X-Content-Type-Options"] = s.nosniff
	h["Content-Security-Policy"] = s.policy
	h["Referrer-Policy"] = s.noReferrer
	h["Cache-Control"] = s.noStore
}
