package apptest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/app/apptest/internal/signed"
	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/eventbus/admin"
	"plugboard/infra/host/application"
	"plugboard/infra/httpclient"
	"plugboard/infra/httpserver"
	"plugboard/infra/telemetry"
	"plugboard/infra/workpool"
)

// waitTimeout is how long [App.WaitForEvents] waits. Handling takes milliseconds; a busy machine takes longer.
const waitTimeout = 30 * time.Second

// App is a running application of a test's own. Its requests may be made concurrently.
type App struct {
	t    testing.TB
	host *application.App
	now  func() time.Time
	// gatherer has the metrics.
	gatherer prometheus.Gatherer
	prepare  []func(*http.Request) // what [App.As] adds to every request
}

// New boots the given parts as the real host would, and stops them when the test ends. The parts are
//
//   - domains (those that main.go lists; the kit has host.Infra of its own), or single plugins together with their domain's app.Migrations, app.Settings and the like
//   - a [Database] to boot on; a [SQLite] one without
//   - a [Recorder], a [Publisher], a [Clock], a [SpanRecorder], an [OutgoingStub], [Mails]
//   - [Settings], made by [Set] or [Setting]; [Answers] in the place of another domain's plugin
//   - any other fx.Option, for example fx.Replace or fx.Decorate
//
// The settings are the service's defaults, but that the work pool's threads keep their priority: beside other tests they
// would hardly run, and that schedules run only when the test says so, with [App.Run]. Loops run as in the service; a test
// waits for what a loop does by a signal of its own. Mail goes nowhere. A mistake of the parts fails the
// test with the report that a start of the service would print.
func New(t testing.TB, parts ...fx.Option) *App {
	t.Helper()
	s := tellApart(parts)
	if s.database == nil {
		db := SQLite(t)
		s.database = &db
	}
	cfg := s.load(t)
	cfg.Pool.Nice, cfg.Events.Schedules = 0, false
	for _, change := range s.settings {
		change(&cfg)
	}
	cfg.HTTP.Addr = "127.0.0.1:0"
	cfg.HTTP.Hosts, cfg.Ops.Addr = []string{"*"}, "off"
	cfg.Database.URL = s.database.URL

	a := &App{t: t, now: time.Now}
	a.host = s.assemble(t, cfg, application.With(fx.Populate(&a.gatherer)))
	if s.clock != nil {
		a.now = s.clock.Now
	}
	if err := a.host.Start(t.Context()); err != nil {
		t.Fatalf("start application: %v", err)
	}
	t.Cleanup(a.Stop)
	return a
}

// Around returns the kit's handle on an application that somebody else has started, and stops. Metrics are those of its graph.
func Around(t testing.TB, running *application.App, metrics prometheus.Gatherer) *App {
	return &App{t: t, host: running, now: time.Now, gatherer: metrics}
}

// Stop stops the application, as a signal would, and fails the test when that goes wrong. It is called by
// itself when the test ends; a test calls it to boot another one on the same database.
func (a *App) Stop() {
	a.t.Helper()
	if err := a.host.Stop(context.WithoutCancel(a.t.Context())); err != nil {
		a.t.Errorf("stop application: %v", err)
	}
}

// WaitForEvents waits until every event published so far, and every event those led to, has been handled.
func (a *App) WaitForEvents() {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), waitTimeout)
	defer cancel()
	if err := a.host.Bus().Idle(ctx); err != nil {
		a.t.Fatalf("wait for events to be handled: %v", err)
	}
}

// Settle is [App.WaitForEvents].
//
// Deprecated: use [App.WaitForEvents].
//
//plug:renamed WaitForEvents
func (a *App) Settle() {
	a.t.Helper()
	a.WaitForEvents()
}

// Run runs a schedule once, as if it were due now by the kit's clock. The name is "<plugin>/schedule" unless the
// schedule was given another. The run may not be over when Run returns: call [App.WaitForEvents] before looking.
func (a *App) Run(schedule string) {
	a.t.Helper()
	if err := a.host.Bus().Run(a.t.Context(), schedule, a.now()); err != nil {
		a.t.Fatalf("run schedule: %v", err)
	}
}

// Replay tries the dead deliveries of a subscription again, as an operator would, and returns how many there were.
func (a *App) Replay(subscription string) int {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), waitTimeout)
	defer cancel()
	n, err := a.host.Bus().Admin("test").Replay(ctx, admin.Filter{Subscription: subscription})
	if err != nil {
		a.t.Fatalf("replay: %v", err)
	}
	return n
}

// Host returns the application, for tests that need more than the kit offers.
func (a *App) Host() *application.App { return a.host }

// DB returns the test's database, for preparing what a request needs and for looking at what one left. Its statements have a context
// of the test, as [Context] makes it, unless they are given another.
func (a *App) DB() *gorm.DB { return a.host.DB().Gorm().WithContext(Context(a.t)) }

// GET makes a GET request.
func (a *App) GET(path string) *Answer { return a.request(http.MethodGet, path, nil) }

// POST makes a POST request. A body that is a string, bytes or a reader is sent as it is, any other is
// encoded as JSON; nil sends none. The media type is application/json.
func (a *App) POST(path string, body any) *Answer { return a.request(http.MethodPost, path, body) }

// PUT makes a PUT request with a body as [App.POST] takes it.
func (a *App) PUT(path string, body any) *Answer { return a.request(http.MethodPut, path, body) }

// PATCH makes a PATCH request with a body as [App.POST] takes it.
func (a *App) PATCH(path string, body any) *Answer { return a.request(http.MethodPatch, path, body) }

// DELETE makes a DELETE request.
func (a *App) DELETE(path string) *Answer { return a.request(http.MethodDelete, path, nil) }

func (a *App) request(method, path string, body any) *Answer {
	a.t.Helper()
	content, has := reader(a.t, body)
	r := httptest.NewRequestWithContext(a.t.Context(), method, path, content)
	if has {
		r.Header.Set("Content-Type", "application/json")
	}
	return a.Do(r)
}

// As returns the same running application, whose requests are prepared by prepare: they are made as somebody, or with a header
// that many requests need.
//
//	admin := h.As(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
//	admin.DELETE("/products/1").Status(http.StatusNoContent)
func (a *App) As(prepare ...func(*http.Request)) *App {
	as := *a
	as.prepare = slices.Concat(a.prepare, prepare)
	return &as
}

// SignedIn returns the same running application, whose requests are made by the principal, as if an authenticator had told so. The test then
// needs no domain that knows users:
//
//	ann := h.SignedIn(app.Principal{ID: "ann", Permissions: []string{"orders.write"}})
//	ann.POST("/orders", order).Status(http.StatusCreated)
//
// A principal without SignedInAt signed in just now. Requests without SignedIn are asked about as in the service.
func (a *App) SignedIn(p app.Principal) *App {
	if p.SignedInAt.IsZero() {
		p.SignedInAt = a.now()
	}
	return a.As(func(r *http.Request) { *r = *signed.In(r, p) })
}

// Do makes any request: with headers, with another media type.
func (a *App) Do(r *http.Request) *Answer {
	a.t.Helper()
	for _, prepare := range a.prepare {
		prepare(r)
	}
	rec := httptest.NewRecorder()
	a.host.Handler().ServeHTTP(rec, r)
	return answerOf(a.t, r, rec)
}

// sorted holds the parts given to [New], by their kind.
type sorted struct {
	database *Database
	environ  []string
	settings []func(*config.Config)
	clock    *Clock
	mails    *Mails
	modules  []fx.Option
	loose    []fx.Option // of a domain, listed outside of one
	set      []app.SettingsPart
	network  *OutgoingStub
	domain   string // of the loose parts
}

// tellApart sorts the parts by their kind.
func tellApart(parts []fx.Option) *sorted {
	s := &sorted{mails: Mail()}
	for _, part := range parts {
		switch p := part.(type) {
		case Database:
			s.database = &p
		case Settings:
			s.add(p)
		case *OutgoingStub:
			s.network = p
		case *Clock:
			s.clock = p
		case *Mails:
			s.mails = p
		case interface{ unwrap() fx.Option }: // Recorder, Publisher, Responder, SpanRecorder
			s.modules = append(s.modules, p.unwrap())
		case app.PluginModule:
			s.domain, _, _ = strings.Cut(p.Info.Name, ".")
			s.loose = append(s.loose, p)
		case app.MigrationsPart, app.ModelsPart, app.SettingsPart, app.EveryPart, app.PermissionPart:
			s.loose = append(s.loose, p)
		default:
			s.modules = append(s.modules, p)
		}
	}
	return s
}

// assemble puts the application together, with the real infrastructure.
func (s *sorted) assemble(t testing.TB, cfg config.Config, opts ...application.Option) *application.App {
	t.Helper()
	if s.clock != nil {
		opts = append(opts, application.With(fx.Decorate(func(app.Clock) app.Clock { return s.clock })))
	}
	if len(s.loose) > 0 {
		opts = append(opts, application.WithAnyPermission())
	}
	a, err := application.New(cfg, fx.Options(
		signed.Module(),
		s.own(),
		fx.Provide(func() *zap.Logger { return Logger(t) }, func() app.Mailer { return s.mails }),
		telemetry.Module, database.Module, workpool.Module, eventbus.Module, httpserver.Module, httpclient.Module,
		s.outgoing(t),
	), opts...)
	if err != nil {
		t.Fatalf("put application together: %v", err)
	}
	if s.clock != nil {
		a.DB().Gorm().NowFunc = s.clock.Now
	}
	return a
}

// own are the parts that are not the kit's. Parts of a domain that are listed outside of one are a domain.
func (s *sorted) own() fx.Option {
	parts := slices.Clone(s.loose)
	declared := application.Sections(fx.Options(fx.Options(s.modules...), app.Domain(s.domain, s.loose...)))
	for _, set := range s.set {
		if !slices.ContainsFunc(declared, func(c config.Section) bool { return c.Type == set.Type }) {
			parts = append(parts, set)
		}
	}
	if len(parts) == 0 {
		return fx.Options(s.modules...)
	}
	return fx.Options(fx.Options(s.modules...), app.Domain(s.domain, parts...))
}
