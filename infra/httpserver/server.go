package httpserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/httpserver/bind"
	"plugboard/infra/httpserver/internal/answer"
	"plugboard/infra/httpserver/internal/gate"
	"plugboard/infra/httpserver/internal/socket"
	"plugboard/infra/memory"
	"plugboard/infra/telemetry"
)

// Params is what a [Server] is made of. Fx fills it; others leave out what they do not need.
type Params struct {
	fx.In

	App config.App
	// HTTP are the settings of the server, Ops those of the operations listener; the zero value of Ops is none.
	HTTP config.HTTP
	Ops  config.Ops
	// Log says whether requests are logged.
	Log config.Log
	// Logger gets the access log and what goes wrong; nil is none.
	Logger *zap.Logger
	// Registerer gets the metrics; nil keeps them to the server.
	Registerer prometheus.Registerer
	// Pool runs CPU-bound handlers. Without one, endpoints that need it are start errors.
	Pool app.Pool
	// Memory is the budget that requests reserve from; nil is one of the settings' size.
	Memory *memory.Budget
	// Spec returns the OpenAPI document as JSON; without it there is neither the document nor the page that shows it.
	Spec SpecFunc `optional:"true"`
	// Gatherer has the metrics that /metrics of the operations listener shows; without it, the path is not served.
	Gatherer prometheus.Gatherer `optional:"true"`
	// Tracing is for [Server.Trace].
	Tracing trace.TracerProvider `optional:"true"`
	// Authenticator tells who makes a request; without one, nobody is known and endpoints are open.
	Authenticator app.Authenticator `optional:"true"`
	// DefaultRule is for endpoints that do not say who may call them; without one, they are start errors when there is an Authenticator.
	DefaultRule *DefaultRule `optional:"true"`
	// Clock tells how long ago a sign-in was; nil is the system's.
	Clock app.Clock `optional:"true"`
}

// Server is the HTTP server of the service. Its life is:
//
//	New → Check → Mount → Listen → Serve → Drain → Shutdown → Close
//
// New, Check and Mount open nothing. Listen binds the port, and connections wait until Serve. Drain turns
// readiness off and ends streams while requests go on; Shutdown stops accepting and waits for every request
// whose head has arrived; Close ends what is left. The last three may be called at any time, in any order,
// any number of times. [Server.Handler] works without Listen.
type Server struct {
	config config.HTTP
	access bool
	logger *zap.Logger
	pool   app.Pool
	memory *memory.Budget
	tracer trace.Tracer // nil: no spans
	clock  app.Clock
	// authenticator is the service's own, nil without one; also is asked before it.
	authenticator, also app.Authenticator
	defaultRule         *DefaultRule
	engine              *gin.Engine
	compiler            bind.Compiler
	metrics             *metrics
	invalid             error // what New found wrong; Check reports it

	limiter  limiter
	mounted  []*endpoint // in the order of their registration
	checked  bool
	problems error // what Check found
	// documents returns the descriptions of the API that are served; nil without any.
	documents func() Documents
	unknown   *route
	first     FirstAnswer // nil: the router answers
	// wrapped is what the middleware makes of the server; nil without any.
	middleware []MiddlewareFunc
	wrapped    http.Handler
	hidden     sync.Once // logged that a middleware hides the connection
	gate       *gate.Gate
	ops        *operations
	jsonType   []string
	// Headers of every answer, ready to be set.
	nosniff, policy, noReferrer, noStore []string

	encoding json.Options
	buffers  bufferPool

	active activity
	// onDrain has a function called when the service drains, unless forget is called before.
	onDrain    func(fn func()) (forget func() bool)
	endStreams func()
	conns      *socket.Connections
	draining   atomic.Bool
	ready      atomic.Pointer[func(context.Context) error]

	mu       sync.Mutex // guards the rest
	http     *http.Server
	given    net.Listener // to listen on; nil: the address of the settings is bound
	listener net.Listener
	served   chan struct{} // closed when the serving goroutine has ended; nil before Serve
	failed   chan error
}

// New makes a server. It opens nothing; what is wrong with p is reported by [Server.Check].
func New(p Params) *Server {
	gin.SetMode(gin.ReleaseMode)
	if p.Logger == nil {
		p.Logger = zap.NewNop()
	}
	s := &Server{
		config: p.HTTP, access: p.Log.Access, logger: p.Logger, pool: p.Pool, memory: p.Memory, engine: gin.New(),
		jsonType: []string{"application/json"},
		nosniff:  []string{"nosniff"}, policy: []string{apiPolicy}, noReferrer: []string{"no-referrer"}, noStore: []string{"no-store"},
		encoding: answer.Encoding(false),
		clock:    p.Clock, authenticator: p.Authenticator, defaultRule: p.DefaultRule,
		failed: make(chan error, 1),
	}
	if s.clock == nil {
		s.clock = app.SystemClock{}
	}
	s.active.idle = make(chan struct{}, 1)
	draining, drain := context.WithCancel(context.Background())
	s.endStreams, s.onDrain = drain, func(fn func()) func() bool { return context.AfterFunc(draining, fn) }
	s.conns = socket.New(p.HTTP.MaxConnections)
	var errs [2]error
	if s.memory == nil {
		s.memory, errs[0] = memory.New(p.HTTP.Memory, p.Registerer)
	}
	s.metrics, errs[1] = newMetrics(p.Registerer, s)
	s.unknown = &route{path: unknownRoute, metrics: s.metrics}
	s.invalid = errors.Join(errs[0], errs[1], s.prepareEngine(), s.prepareServers(p))
	s.Trace(p.Tracing)
	s.mountHost(p)
	return s
}

// Trace has each request get a span of p. Call it before [Server.Serve]; without it, or with a p that records nothing, there are no
// spans.
func (s *Server) Trace(p trace.TracerProvider) {
	s.tracer = telemetry.Tracer(p, "plugboard/infra/httpserver")
}

// prepareServers makes the server of net/http, the gate and the operations listener.
func (s *Server) prepareServers(p Params) (err error) {
	s.http = s.newHTTPServer()
	if s.gate, err = gate.New(p.HTTP); err != nil {
		return fmt.Errorf("read APP_HTTP_CORS_ORIGINS: %w", err)
	}
	s.ops, err = newOperations(s, p.Ops, p.Gatherer)
	return err
}

// prepareEngine turns off what Gin would do by itself, such as redirects, and sets what is answered for paths that no route serves.
func (s *Server) prepareEngine() error {
	e := s.engine
	e.RedirectTrailingSlash = false
	e.RedirectFixedPath = false
	e.HandleMethodNotAllowed = true
	e.UseRawPath, e.UnescapePathValues = true, false // Gin would decode "+" to a space
	e.ForwardedByClientIP = len(s.config.TrustedProxies) > 0
	e.RemoteIPHeaders = []string{"X-Forwarded-For"} // Gin would take X-Real-IP too, which many proxies pass on as the client has sent it
	e.NoRoute(func(c *gin.Context) {
		x := exchangeOf(c)
		x.enter(s.unknown, c)
		x.fail(c.Writer, errNotFound())
	})
	e.NoMethod(s.noMethod)
	if err := e.SetTrustedProxies(s.config.TrustedProxies); err != nil {
		return fmt.Errorf("use trusted proxies: %w", err)
	}
	return nil
}

// noMethod answers a request for a path that is served, but not with its method: OPTIONS with the methods that are, which Gin has put
// into Allow, and others with 405.
func (s *Server) noMethod(c *gin.Context) {
	x := exchangeOf(c)
	x.enter(s.unknown, c)
	c.Writer.Header().Set("Allow", allow(c.Writer.Header().Get("Allow")))
	if c.Request.Method == http.MethodOptions {
		c.Status(http.StatusNoContent)
		c.Writer.WriteHeaderNow()
		return
	}
	x.fail(c.Writer, app.Errorf(app.MethodNotAllowed, "this path does not take the method; see the Allow header"))
}

// Handler returns the whole server as an http.Handler.
func (s *Server) Handler() http.Handler { return entrance{s} }

// SpecFunc returns the OpenAPI document as JSON.
type SpecFunc func() string

// Spec gives the server the OpenAPI document that it serves at /openapi.json and shows at /docs.
func Spec(read func() string) fx.Option {
	return fx.Supply(SpecFunc(read))
}

// Module provides the *Server, and the budget of memory that requests and deliveries share, as *memory.Budget and as app.Memory. It
// needs what [Params] has.
var Module = fx.Module("httpserver", fx.Provide(New, provideMemory, func(b *memory.Budget) app.Memory { return b }))

func provideMemory(settings config.HTTP, registerer prometheus.Registerer) (*memory.Budget, error) {
	return memory.New(settings.Memory, registerer)
}
