package httpserver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/httpserver/bind/wire"
	"plugboard/infra/httpserver/internal/gate"
	"plugboard/infra/httpserver/internal/socket"
)

const (
	// opsAuto is the default of the setting, opsOff the value for no operations listener.
	opsAuto, opsOff = "auto", "off"
	// opsAddr is where the operations listener is by default.
	opsAddr = "127.0.0.1:8081"
	// opsTimeout bounds an answer of the operations listener: a CPU profile takes 30 seconds unless asked for longer.
	opsTimeout = 2 * time.Minute
)

// operations is the second listener, for operators and monitoring: metrics, probes and profiles. It is apart from the first so that
// these are not public by mistake. It serves until the server is closed, also while requests drain.
type operations struct {
	server  *Server
	setting string
	bind    string // the address to bind
	gate    *gate.Gate
	http    *http.Server

	mu       sync.Mutex // guards the rest
	listener net.Listener
	serving  sync.WaitGroup
	begun    bool
}

func newOperations(s *Server, cfg config.Ops, metrics prometheus.Gatherer) (*operations, error) {
	o := &operations{server: s, setting: cfg.Addr, bind: cfg.Addr}
	if o.setting == opsAuto {
		o.bind = opsAddr
	}
	var err error
	if o.gate, err = gate.New(config.HTTP{Addr: o.bind}); err != nil {
		return nil, err
	}
	o.http = &http.Server{
		Handler: o.handler(cfg.Pprof, metrics), ReadHeaderTimeout: s.config.HeaderTimeout, ReadTimeout: opsTimeout, WriteTimeout: opsTimeout,
		IdleTimeout: s.config.IdleTimeout, ErrorLog: socket.ErrorLog(s.logger),
	}
	return o, nil
}

// handler routes the requests of the operations listener.
func (o *operations) handler(profiles bool, metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	answer := func(pattern string, h func(*exchange)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			h(&exchange{ResponseWriter: w, server: o.server, request: r, start: time.Now(), route: o.server.unknown})
		})
	}
	answer("GET /livez", (*exchange).livez)
	answer("GET /readyz", (*exchange).readyz)
	if metrics != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	}
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	answer("/", func(x *exchange) { x.fail(x, errNotFound()) })
	return o.guarded(mux)
}

// guarded lets next serve GET and HEAD requests for a host that is this service. It refuses others: another site could have its
// name resolve to this machine, and its pages could then read the metrics in an operator's browser. Probes may name any host.
func (o *operations) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{ResponseWriter: w, server: o.server, request: r, start: time.Now(), route: o.server.unknown}
		o.server.setHostHeaders(w.Header())
		switch {
		case !isProbe(r.URL.Path) && !o.gate.Knows(r.Host):
			x.fail(x, app.Errorf(app.Misdirected, "the operations listener does not answer for the host %q; call it by its address (APP_OPS_ADDR)", wire.Clip(r.Host)))
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			x.fail(x, app.Errorf(app.MethodNotAllowed, "this path does not take the method; see the Allow header"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// listen binds the address. Without a setting, it takes a free port when the usual one is in use, so that two services can start
// beside each other.
func (o *operations) listen(ctx context.Context) error {
	if o.setting == opsOff || o.setting == "" {
		return nil
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", o.bind)
	if o.setting == opsAuto && errors.Is(err, syscall.EADDRINUSE) {
		listener, err = lc.Listen(ctx, "tcp", "127.0.0.1:0")
		if err == nil {
			o.server.logger.Warn("address of the operations listener is in use, took a free port (set APP_OPS_ADDR to choose one)",
				zap.String("in_use", opsAddr), zap.String("address", listener.Addr().String()))
		}
	}
	if err != nil {
		return listenError(o.bind, "APP_OPS_ADDR", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.listener = listener
	return nil
}

// addr returns the address that is listened on, "" without one.
func (o *operations) addr() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.listener == nil {
		return ""
	}
	return o.listener.Addr().String()
}

func (o *operations) serve() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.listener == nil || o.begun {
		return
	}
	o.begun = true
	listener := o.listener
	o.serving.Go(func() {
		if err := o.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			o.server.logger.Error("operations listener ended", zap.Error(err))
		}
	})
}

// close ends the listener and its connections.
func (o *operations) close() {
	o.mu.Lock()
	listener := o.listener
	o.mu.Unlock()
	_ = o.http.Close() // answers of this listener may break off
	if listener != nil {
		_ = listener.Close() // closed twice is closed
	}
	o.serving.Wait()
}

// OpsAddr returns the address of the operations listener, "" before [Server.Listen] and where there is none.
func (s *Server) OpsAddr() string { return s.ops.addr() }

// OpsHandler returns what the operations listener serves, for tests.
func (s *Server) OpsHandler() http.Handler { return s.ops.http.Handler }
