package httpserver

import (
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/httpserver/internal/routes"
	"plugboard/infra/httpserver/internal/socket"
	"plugboard/infra/logging"
)

// unknownRoute is the label of requests for paths that nobody serves.
const unknownRoute = "unknown"

// front is the outermost handler, around the router. It gives every request an id, answers panics, counts and logs.
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
	if !x.refuseIfTooMany(active) {
		x.serve()
	}
	returned = true
}

// serve refuses the request, answers it if it is a browser's preflight, or passes it to the router.
func (x *exchange) serve() {
	s := x.server
	var err error
	if !isProbe(x.request.URL.Path) {
		err = s.gate.Admits(x.request)
	}
	switch {
	case err != nil:
		x.fail(x, err)
	case s.gate.IsPreflight(x.request):
		s.answerPreflight(x)
	case x.answeredFirst():
	case x.request.RequestURI == "*":
		x.answerAsterisk()
	default:
		s.engine.ServeHTTP(x, routes.Routed(x.request))
	}
}

// FirstAnswer answers a request before the router sees it, or reports false and leaves it alone. An error is answered with its envelope.
// It is called concurrently.
type FirstAnswer func(w http.ResponseWriter, r *http.Request) (answered bool, err error)

// AnswerFirst has the server ask answer about each request that it admits, probes included. Call it before [Server.Serve]. It is for
// tools of developers; endpoints belong into plugins.
func (s *Server) AnswerFirst(answer FirstAnswer) { s.first = answer }

// answeredFirst reports whether the server's FirstAnswer has answered.
func (x *exchange) answeredFirst() bool {
	if x.server.first == nil {
		return false
	}
	answered, err := x.server.first(x, x.request)
	if err != nil {
		x.fail(x, err)
	}
	return answered || err != nil
}

// begin identifies the request and sets the headers that every answer has.
func (x *exchange) begin() {
	r, h := x.request, x.Header()
	x.identify()
	x.call.URL = r.URL
	h["X-Request-Id"] = []string{x.call.RequestID}
	x.server.setHostHeaders(h)
	x.server.gate.SetOrigin(h, r)
	// A chunked request may have had a length too, which net/http removes. A proxy in front may have gone by that length, and then the next
	// bytes on the connection are not the request that the proxy believes. So the server closes it (RFC 9112, section 6.1).
	if len(r.TransferEncoding) > 0 || x.server.draining.Load() {
		x.closeAfter()
	}
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

// end finishes the exchange: it answers if the handler panicked or ended its goroutine, counts and logs.
func (x *exchange) end(panicked any, returned bool) {
	abort := false
	switch {
	case panicked == http.ErrAbortHandler: //nolint:errorlint // net/http compares it like this
		abort, x.broken = true, true
		x.noteClient()
	case panicked != nil:
		abort = x.answerPanic(zap.Any("panic", panicked), debug.Stack())
	case !returned:
		x.answerPanic(zap.String("panic", "the handler called runtime.Goexit"), debug.Stack())
		x.Flush() // the goroutine ends with this function, and net/http does not get to send the rest
	}
	removeUploads(x.request)
	x.observe()
	if abort {
		panic(http.ErrAbortHandler)
	}
}

// answerPanic logs a panic and answers it. It reports true when the answer had begun: then the connection must be broken.
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

// clearHeader removes the headers that a handler set for an answer which is not sent.
func (x *exchange) clearHeader() {
	h := x.Header()
	for k := range h {
		if k != "X-Request-Id" && k != "Connection" && k != "Vary" && !strings.HasPrefix(k, "Access-Control-") {
			delete(h, k)
		}
	}
	x.server.setHostHeaders(h)
	x.setDeprecation(h)
	x.setLimits(h)
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
			zap.String("request_id", x.call.RequestID), logging.Principal(x.call.CausedBy()), x.plugin(), zap.String("remote", x.client()),
		)
	}
}

// outcome returns the status under which the exchange is counted and logged. For an answer that is not whole it is not the status that
// was sent, but that of the reason (see the fields cut, gone and broken).
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
		zap.String("request_id", x.call.RequestID), logging.Principal(x.call.CausedBy()), x.plugin(),
		x.methodField(), zap.String("route", x.route.path),
	}
}

// longGiven is how many bytes are logged of a text that the client chose.
const longGiven = 512

// methodField names the request's method, which may be any token.
func (x *exchange) methodField() zap.Field {
	const longest = 32
	return zap.String("method", logging.Clip(x.request.Method, longest))
}

// plugin names the plugin that serves the request in the log; the host's own routes have none.
func (x *exchange) plugin() zap.Field {
	if x.call.Plugin == "" {
		return zap.Skip()
	}
	return zap.String("plugin", x.call.Plugin)
}

// stackOf returns the stack that err carries, nil without one.
func stackOf(err error) []byte {
	var s interface{ Stack() []byte }
	if errors.As(err, &s) {
		return s.Stack()
	}
	return nil
}

// apiPolicy is the content security policy of data: a browser that shows it as a page loads and runs nothing, and no other page may
// frame it.
const apiPolicy = "default-src 'none'; frame-ancestors 'none'"

// setHostHeaders sets the headers that every answer has unless its plugin, or the page at /docs, has others.
func (s *Server) setHostHeaders(h http.Header) {
	h["X-Content-Type-Options"] = s.nosniff
	h["Content-Security-Policy"] = s.policy
	h["Referrer-Policy"] = s.noReferrer
	h["Cache-Control"] = s.noStore
}

// refuseIfTooMany answers 503 to a request beyond the limit on requests, or on a connection beyond the limit on connections, and reports
// whether it did. It lets probes pass, but closes a spare connection after them, so that there is one for the next probe. Active is how
// many requests there are with this one.
func (x *exchange) refuseIfTooMany(active int64) bool {
	s := x.server
	limit := int64(s.config.MaxInFlight)
	var counter interface{ Inc() }
	switch {
	case limit > 0 && active > limit:
		counter = s.metrics.tooMany
	case s.conns.HasSpares() && socket.Of(x.request).IsSpare():
		x.closeAfter()
		counter = s.metrics.spare
	default:
		return false
	}
	if isProbe(x.request.URL.Path) {
		return false
	}
	counter.Inc()
	x.write(x, failure{ // fail would cost more
		status: http.StatusServiceUnavailable, code: app.Unavailable, message: "too many requests at once, try again later", retry: time.Second,
	})
	return true
}
