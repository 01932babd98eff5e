package application

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/httpserver"
	"plugboard/infra/sharedlimit"
	"plugboard/infra/telemetry"
	"plugboard/infra/workpool"
)

// App is a checked application. Make it with [New].
type App struct {
	cfg       config.Config
	fx        *fx.App
	inv       *inventory
	hooks     *hookList
	events    *fxEvents
	parts     parts
	registrar *app.Registrar
	booted    []app.BootedPlugin
	mount     func() error // mounts the endpoints, once

	done       chan struct{}
	askForEnd  func()         // closes done, once
	stopping   chan struct{}  // closed when the stop begins
	background sync.WaitGroup // goroutines of the host: one watches the server
	failed     atomic.Bool    // the server failed

	mu      sync.Mutex // serialises Start and Stop
	state   state
	started []phase
	// commanded is true for an application that is started for a command of a plugin.
	commanded bool
}

type state int

const (
	fresh state = iota
	running
	over
)

// parts are the parts of the graph that the host uses.
type parts struct {
	fx.In

	Logger *zap.Logger
	DB     *database.DB
	Bus    *eventbus.Bus
	Pool   *workpool.Pool
	Server *httpserver.Server
	Spec   httpserver.SpecFunc `optional:"true"`
	// Memory is what loops and commands reserve from, Registerer takes the metrics of plugins and of loops; without it nobody sees them.
	Memory     app.Memory            `optional:"true"`
	Registerer prometheus.Registerer `optional:"true"`
}

// Option changes how an application is put together.
type Option func(*options)

type options struct {
	extra    []fx.Option
	problems []error
	reserved []string
	// anyPermission is true when permissions need not be declared.
	anyPermission bool
}

// With adds options to the graph, beside the modules. The host does not look into them for domains and plugins. Tests
// use it to replace parts.
func With(extra ...fx.Option) Option {
	return func(o *options) { o.extra = append(o.extra, extra...) }
}

// WithProblem adds a problem that was found earlier, if err is not nil, so that New reports it together with its own.
func WithProblem(err error) Option {
	return func(o *options) { o.problems = append(o.problems, err) }
}

// WithReserved names the commands that the binary has without its plugins. A domain of such a name can have none.
func WithReserved(commands ...string) Option {
	return func(o *options) { o.reserved = append(o.reserved, commands...) }
}

// WithAnyPermission lets endpoints ask for permissions that no domain declares. It is for tests of a single plugin, without its domain.
func WithAnyPermission() Option {
	return func(o *options) { o.anyPermission = true }
}

// New puts the application together: it builds the graph of modules, collects what the plugins register and
// checks everything. It opens nothing: no port, no file, no connection, no goroutine. The error is [Problems]:
// everything that is wrong, in plain words, with plugin and file.
//
// Of the graph it needs *zap.Logger, *database.DB, *eventbus.Bus, *workpool.Pool and *httpserver.Server; the
// settings of cfg, each section by its type, the domains' own among them, and the *app.Registrar it provides itself.
func New(cfg config.Config, modules fx.Option, opts ...Option) (*App, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	inv := takeInventory(modules)
	inv.learnRoot()
	cfg = cfg.WithDefaults(inv.sections()...)
	extra := fx.Options(o.extra...)
	a := assemble(cfg, inv, fx.Options(modules, extra))
	problems := append(o.problems, inv.check(), cfg.Faults())
	if err := a.fx.Err(); err != nil {
		d := &diagnosis{cfg: cfg, inv: inv, extra: extra}
		a.booted = d.run(err, a)
		problems = append(problems, d.problems...)
	} else {
		a.booted = a.registrar.Plugins()
		problems = append(problems, inv.checkListed(a.booted), inv.checkEveries(a.registrar.Everies()))
	}
	problems = append(problems, a.checkRegistrations(o.reserved, o.anyPermission)...)
	if err := joinProblems(problems...); err != nil {
		return nil, err
	}
	a.serveDocuments()
	return a, nil
}

// assemble builds the graph; a.fx.Err returns its error. The host's own parts are built first, so that the hooks of
// plugins come after theirs.
func assemble(cfg config.Config, inv *inventory, modules fx.Option) *App {
	a := &App{cfg: cfg, inv: inv, hooks: &hookList{}, events: &fxEvents{}, done: make(chan struct{}), stopping: make(chan struct{})}
	a.askForEnd = sync.OnceFunc(func() { close(a.done) })
	a.mount = sync.OnceValue(a.mountEndpoints)
	a.fx = fx.New(
		fx.Module("host", fx.Invoke(a.take, a.events.passTo)),
		graphOptions(cfg, inv),
		fx.Provide(func() *app.Registrar { return a.registrar }),
		fx.Logger(log.New(io.Discard, "", 0)), // Fx writes here when a cycle keeps it from making a logger
		fx.WithLogger(func() fxevent.Logger { return a.events }),
		fx.Decorate(a.ownLifecycle, func(fx.Shutdowner) fx.Shutdowner { return shutdowner(a.askForEnd) }),
		modules,
		fx.Invoke(func(fx.Lifecycle) {}), // Fx decorates it only when somebody asks for it
	)
	return a
}

// graphOptions are the options that the host adds to every graph.
func graphOptions(cfg config.Config, inv *inventory) fx.Option {
	const never = 1000 * time.Hour // Fx's own timeouts must not cut short the phases' budgets
	return fx.Options(
		fx.RecoverFromPanics(),
		fx.StartTimeout(never),
		fx.StopTimeout(never),
		fx.Supply(cfg, cfg.App, cfg.HTTP, cfg.Ops, cfg.Database, cfg.Events, cfg.Pool, cfg.Log, cfg.Traces, cfg.Outgoing, cfg.Mail, cfg.Lifecycle),
		fx.Supply(valuesOf(cfg), inv.permissions()),
		fx.Provide(func() app.Clock { return app.SystemClock{} }),
	)
}

// take keeps the host's parts and makes the registrar. The invokes of the first module run first, so the registrar is
// there before a plugin asks for it. It is not made by a constructor with parameters: it needs the logger of the whole
// graph, and each plugin gets a logger of its own, made by the registrar; to dig, which looks from the plugin's scope,
// that is a cycle.
func (a *App) take(p parts) {
	a.parts = p
	a.registrar = app.NewRegistrar(p.Bus.For, p.Logger)
	if p.DB.Dialect() == database.Postgres { // a SQLite file belongs to one process, whose memory all share
		p.Server.ShareLimits(sharedlimit.New(p.DB))
	}
	if p.Registerer != nil {
		a.registrar.Measure(func(plugin string) prometheus.Registerer { return telemetry.ForPlugin(p.Registerer, plugin) })
	}
	for _, d := range a.inv.domains {
		a.registrar.Every(d.Name, d.everyOf())
	}
}

// ownLifecycle replaces the lifecycle of Fx by the host's list of hooks. In the lifecycle of Fx is one hook alone, which
// carries out the phases.
func (a *App) ownLifecycle(fxs fx.Lifecycle) fx.Lifecycle {
	fxs.Append(fx.Hook{OnStart: a.onStart, OnStop: a.onStop})
	return a.hooks
}

// callerKey carries the caller's context through Fx. If Fx saw that context end, it would return while the phases are
// still being undone.
type callerKey struct{}

func withCaller(ctx context.Context) context.Context {
	return context.WithValue(context.WithoutCancel(ctx), callerKey{}, ctx)
}

func callerOf(ctx context.Context) context.Context {
	if caller, ok := ctx.Value(callerKey{}).(context.Context); ok {
		return caller
	}
	return ctx
}

// Start starts the application; the package's documentation lists the phases. It returns when the application is ready,
// or when a failed start has been undone; the error names the phase. When ctx ends during the start, the start is undone
// too. An application starts once.
func (a *App) Start(ctx context.Context) error { return a.start(ctx, false) }

func (a *App) start(ctx context.Context, commanded bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state != fresh {
		return errors.New("start application: it has been started before")
	}
	a.state, a.commanded = over, commanded
	if err := a.fx.Start(withCaller(ctx)); err != nil {
		return err
	}
	a.state = running
	return nil
}

// Stop stops the application within the budgets of its settings. When ctx ends, the rest of the stop is hurried. The
// error joins the failures of all phases. Stop does nothing without a start, after a failed start, and the second time.
func (a *App) Stop(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state != running {
		return nil
	}
	a.state = over
	return a.fx.Stop(withCaller(ctx))
}

// Done is closed when the application should end: a part asked for it with fx.Shutdowner, or the server failed. The
// caller of Start then calls Stop.
func (a *App) Done() <-chan struct{} { return a.done }

// Failed reports whether the server failed while the application ran.
func (a *App) Failed() bool { return a.failed.Load() }

// Documented reports whether the application has a document of its API.
func (a *App) Documented() bool { return a.parts.Spec != nil }

// Addr returns the address the application listens on, and "" before Start.
func (a *App) Addr() string { return a.parts.Server.Addr() }

// Handler returns the handler that serves all endpoints. It works without a port, from Start on.
func (a *App) Handler() http.Handler { return a.parts.Server.Handler() }

// DB returns the database.
func (a *App) DB() *database.DB { return a.parts.DB }

// Bus returns the event bus.
func (a *App) Bus() *eventbus.Bus { return a.parts.Bus }

// Server returns the HTTP server.
func (a *App) Server() *httpserver.Server { return a.parts.Server }

// Pool returns the work pool.
func (a *App) Pool() *workpool.Pool { return a.parts.Pool }

// Registrar returns what the plugins registered.
func (a *App) Registrar() *app.Registrar { return a.registrar }

// Logger returns the application's logger.
func (a *App) Logger() *zap.Logger { return a.parts.Logger }

// Config returns the settings.
func (a *App) Config() config.Config { return a.cfg }

// Migrations returns the migrations of the host, of limits that are counted in the database if there are any, and of all domains, in the order
// in which they run.
func (a *App) Migrations() []database.MigrationSet {
	sets := []database.MigrationSet{a.parts.Bus.Migrations(), a.parts.DB.Migrations()}
	if a.parts.DB.Dialect() == database.Postgres && a.parts.Server.HasSharedLimits() {
		sets = append(sets, sharedlimit.Migrations())
	}
	for _, d := range a.inv.domains {
		for _, files := range d.migrations {
			sets = append(sets, database.MigrationSet{Domain: d.Name, FS: files})
		}
	}
	return sets
}

// Models returns the entities of each domain, by the domain's name.
func (a *App) Models() map[string][]any {
	models := map[string][]any{}
	for _, d := range a.inv.domains {
		models[d.Name] = append(models[d.Name], d.models...)
	}
	return models
}

// Routes returns every route, in the order of registration.
func (a *App) Routes() ([]httpserver.Route, error) {
	if err := a.mount(); err != nil {
		return nil, err
	}
	return a.parts.Server.Routes(), nil
}

func (a *App) mountEndpoints() error {
	if err := a.parts.Server.Mount(endpointsOf(a.booted)); err != nil {
		return fmt.Errorf("mount endpoints: %w", err)
	}
	return nil
}

func endpointsOf(plugins []app.BootedPlugin) []app.Endpoint {
	all := make([]app.Endpoint, 0, len(plugins)) // most plugins have one
	for _, p := range plugins {
		all = append(all, p.Boot.Endpoints()...)
	}
	return all
}

// shutdowner replaces the fx.Shutdowner of Fx: it closes [App.Done].
type shutdowner func()

// Shutdown implements fx.Shutdowner. Its options have no effect: the exit code tells how the stop went.
func (s shutdowner) Shutdown(...fx.ShutdownOption) error {
	s()
	return nil
}
