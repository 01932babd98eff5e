package httpserver

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"
)

// MiddlewareFunc wraps the handler of all requests. The handler that it returns is called concurrently.
type MiddlewareFunc = func(next http.Handler) http.Handler

// Middleware gives the server middleware for everything that its port serves: endpoints, documents, probes, and what the host
// answers itself. With is a [MiddlewareFunc], or a constructor of one, whose parameters Fx resolves, and which may return an error as
// well. Several wrap in the order in which Fx runs them: those of domains first, then those of main.go in the order of its list. The first is
// the outermost. Anything else is a start error.
//
// It runs outside of what the host does with a request: there is no request id yet, and a request that a middleware answers
// itself is neither logged nor counted. A panic is answered 500 and logged. A middleware that replaces the ResponseWriter
// gives its own a method Unwrap() http.ResponseWriter, as [http.ResponseController] asks for; without it there are no
// deadlines, streams and upgrades, which is logged.
func Middleware(with any) fx.Option { return middlewareAt(with, 2) } //nolint:mnd // the caller of Middleware

// MiddlewareFor is [Middleware] for a function that calls it: errors name the caller of that.
func MiddlewareFor(with any) fx.Option { return middlewareAt(with, 3) } //nolint:mnd // the caller of its caller

func middlewareAt(with any, skip int) fx.Option {
	wanted := reflect.TypeFor[MiddlewareFunc]()
	v := reflect.ValueOf(with)
	if !v.IsValid() || v.Kind() != reflect.Func || v.IsNil() {
		return wrongMiddleware(skip)
	}
	if v.Type().ConvertibleTo(wanted) {
		wrap, _ := reflect.TypeAssert[MiddlewareFunc](v.Convert(wanted))
		return fx.Invoke(func(s *Server) { s.use(wrap) })
	}
	t := v.Type()
	if t.NumOut() == 0 || t.Out(0) != wanted || t.NumOut() == 2 && t.Out(1) != reflect.TypeFor[error]() || t.NumOut() > 2 {
		return wrongMiddleware(skip)
	}
	_, file, line, _ := runtime.Caller(skip)
	place := fmt.Sprintf("host.Middleware (%s:%d)", file, line)
	tag := fmt.Sprintf(`name:"middleware %p"`, new(int)) // no two are the same
	return fx.Options(
		fx.Provide(fx.Annotate(placed(v, place), fx.ResultTags(tag))),
		fx.Invoke(fx.Annotate(func(s *Server, wrap MiddlewareFunc) error {
			if wrap == nil {
				return fmt.Errorf("%s: its constructor returned nil; return the handler that it was given to have no effect", place)
			}
			s.use(wrap)
			return nil
		}, fx.ParamTags(``, tag))),
	)
}

// placed returns the constructor v, whose errors begin with the place where it is listed: Fx would not name it.
func placed(v reflect.Value, place string) any {
	return reflect.MakeFunc(v.Type(), func(args []reflect.Value) []reflect.Value {
		call := v.Call
		if v.Type().IsVariadic() {
			call = v.CallSlice
		}
		results := call(args)
		if len(results) > 1 {
			if err, _ := reflect.TypeAssert[error](results[1]); err != nil {
				results[1] = reflect.ValueOf(fmt.Errorf("%s: %w", place, err)).Convert(reflect.TypeFor[error]())
			}
		}
		return results
	}).Interface()
}

func wrongMiddleware(skip int) fx.Option {
	_, file, line, _ := runtime.Caller(skip + 1)
	return fx.Error(fmt.Errorf("host.Middleware (%s:%d) takes a func(http.Handler) http.Handler, or a constructor that returns one", file, line))
}

// use adds a middleware within those that there are. Call it before [Server.Serve].
func (s *Server) use(wrap MiddlewareFunc) {
	s.middleware = append(s.middleware, wrap)
	var h http.Handler = inside{s}
	for _, wrap := range slices.Backward(s.middleware) {
		h = wrap(h)
		if h == nil {
			s.invalid = errors.Join(s.invalid, errors.New("a middleware returned no handler"))
			return
		}
	}
	s.wrapped = h
}

// entrance is the handler of all requests: that of the middleware, or [front] where there is none.
type entrance struct{ server *Server }

// ServeHTTP implements http.Handler.
func (e entrance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := e.server
	if s.wrapped == nil {
		front{s}.ServeHTTP(w, r)
		return
	}
	watched := &watchedWriter{ResponseWriter: w}
	begin := time.Now()
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it like this
			panic(p)
		}
		x := &exchange{ResponseWriter: w, server: s, request: r, start: begin, route: s.unknown}
		if watched.used {
			x.identify()
			x.logger().Error("middleware panicked", append(x.identity(), zap.Any("panic", p), zap.Stack("stack"))...)
			panic(http.ErrAbortHandler) // what was sent is not the whole answer
		}
		x.begin()
		x.end(p, false)
	}()
	s.wrapped.ServeHTTP(watched, r)
}

// watchedWriter notes whether anything was sent.
type watchedWriter struct {
	http.ResponseWriter

	used bool
}

// WriteHeader implements http.ResponseWriter.
func (w *watchedWriter) WriteHeader(status int) {
	w.used = true
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *watchedWriter) Write(p []byte) (int, error) {
	w.used = true
	return w.ResponseWriter.Write(p)
}

// FlushError sends what was written so far.
func (w *watchedWriter) FlushError() error {
	w.used = true
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (w *watchedWriter) Flush() { _ = w.FlushError() } // http.Flusher reports no error

// Hijack implements http.Hijacker.
func (w *watchedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.used = true
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap lets an [http.ResponseController] reach the connection.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// inside is what the innermost middleware calls.
type inside struct{ server *Server }

// ServeHTTP implements http.Handler.
func (i inside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	front(i).ServeHTTP(&reachingWriter{ResponseWriter: w, server: i.server}, r)
}

// reachingWriter reaches the connection through the writers of middleware, which have Unwrap. [exchange] looks for these methods on
// the writer itself.
type reachingWriter struct {
	http.ResponseWriter

	server *Server
}

func (w *reachingWriter) controller() *http.ResponseController {
	return http.NewResponseController(w.ResponseWriter)
}

// SetReadDeadline implements what [http.ResponseController] looks for; so do the methods below.
func (w *reachingWriter) SetReadDeadline(t time.Time) error {
	return w.report(w.controller().SetReadDeadline(t))
}

// SetWriteDeadline sets the deadline of the answer.
func (w *reachingWriter) SetWriteDeadline(t time.Time) error {
	return w.report(w.controller().SetWriteDeadline(t))
}

// Flush sends what was written so far.
func (w *reachingWriter) Flush() { _ = w.report(w.controller().Flush()) } // http.Flusher reports no error

// Hijack hands the connection over.
func (w *reachingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := w.controller().Hijack()
	return conn, rw, w.report(err)
}

// Unwrap lets an [http.ResponseController] reach the connection.
func (w *reachingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// report logs once that a middleware hides the connection.
func (w *reachingWriter) report(err error) error {
	if errors.Is(err, http.ErrNotSupported) && !allUnwrap(w.ResponseWriter) {
		w.server.hidden.Do(func() {
			w.server.logger.Warn("a middleware hides the connection: requests have no deadlines and cannot stream; " +
				"give its ResponseWriter a method Unwrap() http.ResponseWriter")
		})
	}
	return err
}

// allUnwrap reports whether the writers of middleware all have Unwrap. Then it is the connection itself that has no deadlines, as in tests.
func allUnwrap(w http.ResponseWriter) bool {
	for {
		if _, ok := w.(*watchedWriter); ok {
			return true
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = u.Unwrap()
	}
}
