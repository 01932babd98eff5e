package httpserver

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json"

	"plugboard/app"
	"plugboard/infra/httpserver/bind"
	"plugboard/infra/httpserver/internal/routes"
)

// errDraining is the cause with which the contexts of streams end when the service stops.
var errDraining = errors.New("the service is stopping")

// endpoint is one compiled endpoint. It is immutable.
type endpoint struct {
	app.Endpoint
	server  *Server
	binder  *bind.Binder // nil for a raw endpoint
	route   *route
	status  int
	timeout time.Duration // 0: none
	// readTimeout is how long the whole request may take to arrive. An endpoint's own timeout sets it too.
	readTimeout time.Duration
	bodyLimit   int64
	binary      bool
	encoding    json.Options // of the answer
	access      app.Access
	deprecation *deprecation // nil unless the endpoint is deprecated
	limits      *limits      // nil without limits
}

// serve handles one request of the endpoint; it is what Gin calls.
func (e *endpoint) serve(c *gin.Context) {
	x := exchangeOf(c)
	x.enter(e.route, c)
	x.endpoint, x.params = e, c.Params
	x.setDeprecation(x.Header())
	x.setLimits(x.Header())
	if slices.ContainsFunc(c.Params, func(p gin.Param) bool { return p.Value == "" }) { // an empty segment in the middle, as in "//"
		x.fail(x, errNotFound())
		return
	}
	if e.Options.Timeout != nil {
		e.setDeadlines(x)
	}
	ctx, cancel := e.context(x)
	defer cancel()
	if e.Raw != nil {
		e.serveRaw(ctx, x, c)
		return
	}
	e.serveTyped(ctx, x)
}

// enter notes the route that the request belongs to.
func (x *exchange) enter(to *route, c *gin.Context) {
	routes.DecodeParams(c)
	x.route = to
	x.call.Plugin = to.plugin
	if len(x.server.config.TrustedProxies) > 0 {
		x.remote = c.ClientIP()
	}
	x.call.Client = x.client()
}

// context returns the context for the plugin. It has the call and a deadline; that of a stream has no deadline and ends when the
// service drains.
func (e *endpoint) context(x *exchange) (context.Context, context.CancelFunc) {
	ctx := app.WithCall(x.request.Context(), &x.call)
	if e.timeout > 0 {
		return context.WithTimeout(ctx, e.timeout)
	}
	ctx, end := context.WithCancelCause(ctx)
	forget := e.server.onDrain(func() { end(errDraining) })
	return ctx, func() { forget(); end(nil) }
}

// setDeadlines sets the connection's deadlines for an endpoint with a timeout of its own. It sets no read deadline for a request without
// a body: net/http then reads only to notice that the client leaves, and would take a passed deadline for that.
func (e *endpoint) setDeadlines(x *exchange) {
	if e.timeout == 0 {
		x.endless = true
		x.setReadDeadline(time.Time{})
		x.setWriteDeadline(time.Time{})
		return
	}
	if x.request.ContentLength != 0 {
		x.setReadDeadline(x.start.Add(e.readTimeout))
	}
	x.setWriteDeadline(x.start.Add(e.timeout + e.server.config.WriteTimeout))
}

// admit refuses what can be refused without reading the body: it counts the request for its client, asks who calls and whether they may,
// counts it for them, runs the guards, compares the declared length with the limit, and asks the work pool whether it is full.
func (e *endpoint) admit(ctx context.Context, x *exchange) (context.Context, error) {
	if err := e.limitClient(ctx, x); err != nil {
		return ctx, err
	}
	if err := e.authorize(ctx, x); err != nil {
		return ctx, err
	}
	if err := e.limitPrincipal(ctx, x); err != nil {
		return ctx, err
	}
	ctx, err := e.runGuards(ctx, x)
	if err != nil {
		return ctx, err
	}
	if x.request.ContentLength > e.bodyLimit {
		x.closeAfter()
		return ctx, errTooLarge(e.bodyLimit)
	}
	if e.Handler.CPU() {
		return ctx, app.Admits(ctx, e.server.pool)
	}
	return ctx, nil
}

// errForeignContext is a bug of the plugin: its guard returned a context without this request's call, such as one that it made from
// context.Background. The handler would then have no deadline, no id and no memory budget.
var errForeignContext = errors.New("the guard returned a context that was not made from the one it was given")

// runGuards runs the guards in order. Each gets the context of the one before it, also in its request.
func (e *endpoint) runGuards(ctx context.Context, x *exchange) (context.Context, error) {
	for _, guard := range e.Options.Guards {
		next, err := x.guarded(ctx, guard)
		if err != nil {
			return ctx, err
		}
		if next == nil {
			continue
		}
		if app.CallFrom(next) != &x.call {
			return ctx, errForeignContext
		}
		ctx = next //nolint:fatcontext // a guard adds to what the one before it returned
	}
	return ctx, nil
}

// guarded runs a guard with a copy of the request.
func (x *exchange) guarded(ctx context.Context, guard app.GuardFunc) (context.Context, error) {
	r := x.request.WithContext(ctx)
	r.Body = x.watched()
	defer func() { removeUploads(r) }()
	return guard(ctx, r)
}

// serveTyped runs a typed handler: access and guards, binding, the functions of app.Allow, handler, answer.
func (e *endpoint) serveTyped(ctx context.Context, x *exchange) {
	ctx, err := e.admit(ctx, x)
	if err != nil {
		x.fail(x, err)
		return
	}
	if err := e.expectOnce(x); err != nil {
		x.fail(x, err)
		return
	}
	call := e.Handler.NewCall()
	if err := e.bind(x, call.Request()); err != nil {
		x.fail(x, err)
		return
	}
	if err := e.allows(ctx, call.Request()); err != nil {
		x.fail(x, err)
		return
	}
	if err := e.run(ctx, call); err != nil {
		x.fail(x, err)
		return
	}
	if e.binary {
		x.sendBinary(e, call.Response().(*app.Binary)) //nolint:forcetypeassert // the response type was checked at start
		return
	}
	if !x.sendOnce() {
		x.succeed(e.status, call.Response(), e.encoding)
	}
}

// run calls the handler: an I/O handler on this goroutine, a CPU-bound one on the work pool. When the deadline of a job passes, run
// returns, and the job runs on. From then on the job alone may use call and the request in it, so nothing here is reused.
func (e *endpoint) run(ctx context.Context, call app.Invocation) error {
	if !e.Handler.CPU() {
		return call.Run(ctx)
	}
	if e.binary {
		return e.runBinary(ctx, call)
	}
	_, err := e.server.pool.Run(ctx, func(job app.Job) (any, error) { return nil, call.RunJob(job) })
	return err
}

// bind fills request, a pointer to the zero request, and checks its rules.
func (e *endpoint) bind(x *exchange, request any) error {
	defer x.dropBody()
	if err := e.binder.Bind(x.request, x, request, &x.found); err != nil {
		return err
	}
	e.fingerprint(x)
	return nil
}

// deprecation has the headers of a deprecated endpoint's answers: Deprecation (RFC 9745) and Sunset (RFC 8594).
type deprecation struct{ since, sunset []string }

// newDeprecation returns nil for an endpoint that is not deprecated.
func newDeprecation(o app.EndpointOptions) *deprecation {
	if o.Since.IsZero() {
		return nil
	}
	d := &deprecation{since: []string{"@" + strconv.FormatInt(o.Since.In(time.UTC).Unix(), 10)}}
	if !o.Sunset.IsZero() {
		d.sunset = []string{o.Sunset.In(time.UTC).Format(http.TimeFormat)}
	}
	return d
}

// setDeprecation sets the headers of a deprecated endpoint.
func (x *exchange) setDeprecation(h http.Header) {
	if x.endpoint == nil || x.endpoint.deprecation == nil {
		return
	}
	h["Deprecation"] = x.endpoint.deprecation.since
	if sunset := x.endpoint.deprecation.sunset; sunset != nil {
		h["Sunset"] = sunset
	}
}

// serveRaw runs a plugin's own Gin handler within the host's limits.
func (e *endpoint) serveRaw(ctx context.Context, x *exchange, c *gin.Context) {
	ctx, err := e.admit(ctx, x)
	if err != nil {
		x.fail(x, err)
		return
	}
	r := x.request.WithContext(ctx)
	if r.ContentLength != 0 {
		r.Body = http.MaxBytesReader(x.ResponseWriter, x.watched(), e.bodyLimit)
	}
	c.Request = r
	defer func() { removeUploads(r, c.Request) }()
	x.applyHeader(x.Header())
	x.Header().Del("Content-Type") // the handler sets these when it writes the body
	x.Header().Del("Content-Length")
	x.raw = true
	e.Raw(c)
	if x.status == 0 && !c.Writer.Written() && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		x.fail(x, ctx.Err())
	}
}

// removeUploads removes the files of the forms that a handler or guard parsed from its copy of the request. Net/http removes only those
// of its own request.
func removeUploads(requests ...*http.Request) {
	for _, r := range requests {
		if r != nil && r.MultipartForm != nil {
			_ = r.MultipartForm.RemoveAll() // the system removes its temporary files some day
		}
	}
}
