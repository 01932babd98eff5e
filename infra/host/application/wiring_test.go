package application_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/infra/host/application"
	"plugboard/infra/host/cli"
)

// A booting plugin does what it is given when it is booted.
type booting struct{ onBoot func(*app.Boot) }

func (p *booting) OnBoot(b *app.Boot) {
	if p.onBoot != nil {
		p.onBoot(b)
	}
}

// getX serves GET /x.
type getX struct{}

func newGetX(*gorm.DB) *getX { return &getX{} }

func (p *getX) OnBoot(b *app.Boot) { b.GET("/x", app.Handle(p.Execute)) }

func (p *getX) Execute(context.Context, app.Empty) (app.Empty, error) { return app.Empty{}, nil }

// boots declares a plugin that does onBoot when it is booted.
func boots(name string, onBoot func(*app.Boot)) app.PluginModule {
	return app.Plugin[*booting](name, func() *booting { return &booting{onBoot} })
}

// declaredIn has p look as if it were declared in another file.
func declaredIn(p app.PluginModule, source string) app.PluginModule {
	p.Info.Source = source
	return p
}

func raw(method, path string) func(*app.Boot) {
	return func(b *app.Boot) { b.Raw(method, path, func(*gin.Context) {}) }
}

type (
	Mailer  struct{}
	Printer struct{}
	Store   interface{ Put() }
	memory  struct{}
	cache   struct{}

	needsMailer  struct{ booting }
	needsPrinter struct{ booting }
	needsStore   struct{ booting }
	needs        struct {
		fx.In
		Mailer  *Mailer     `optional:"true"`
		Audit   *zap.Logger `name:"audit"`
		Printer *Printer
		Store   *memory
		Cache   *cache
		DB      *gorm.DB
	}

	Account struct {
		ID       int64  `json:"id"`
		Password string `json:"password" secret:"true"`
	}
	Untagged struct{ Name string }
	Sent     struct {
		ID int64 `json:"id"`
	}

	ping struct{}
	pong struct{}
)

func (*memory) Put()       {}
func (Sent) Topic() string { return "mail.sent" }

func newNeedsMailer(*Mailer) *needsMailer { return &needsMailer{} }
func newNeedsPrinter(needs) *needsPrinter { return &needsPrinter{} }
func newNeedsStore(Store) *needsStore     { return &needsStore{} }
func newCache(Mailer) *cache              { return &cache{} }
func newPing(*pong) *ping                 { return &ping{} }
func newPong(*ping) *pong                 { return &pong{} }
func newBroken() (*booting, error)        { return nil, errors.New("no key was given") }
func newPanicking() *booting              { panic("out of keys") }

func leak(context.Context, app.Empty) (Account, error)          { return Account{}, nil }
func takeUntagged(context.Context, Untagged) (app.Empty, error) { return app.Empty{}, nil }
func onSent(context.Context, Sent) error                        { return nil }

// TestWiringMistakes holds the whole text that somebody who made the mistake reads. Line numbers are replaced by N.
func TestWiringMistakes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		parts []fx.Option
		want  []string
	}{
		"duplicate route": {
			parts: []fx.Option{boots("a.one", raw("GET", "/x")), boots("a.two", raw("GET", "/x"))},
			want: []string{
				"plugin a.two (infra/host/application/wiring_test.go:N): GET /x: the route conflicts with that of GET /x of plugin a.one (infra/host/application/wiring_test.go:N): they are the same route",
			},
		},
		"conflicting wildcard": {
			parts: []fx.Option{boots("a.one", raw("GET", "/users/:id")), boots("a.two", raw("GET", "/users/:user/orders"))},
			want: []string{
				`plugin a.two (infra/host/application/wiring_test.go:N): GET /users/:user/orders: the route conflicts with that of GET /users/:id of plugin a.one (infra/host/application/wiring_test.go:N): they call the same segment ":user" and ":id"; use one name`,
			},
		},
		"missing dependencies in two plugins": {
			parts: []fx.Option{
				fx.Provide(newCache, func() Store { return nil }),
				app.Domain("a", app.Plugin[*needsMailer]("a.mail", newNeedsMailer)),
				app.Plugin[*needsPrinter]("b.print", newNeedsPrinter),
				boots("c.fine", raw("GET", "/fine")),
			},
			want: []string{
				"plugin a.mail (infra/host/application/wiring_test.go:N) needs *application_test.Mailer, which nothing provides; provide it with fx.Provide, in the domain or in main.go",
				`plugin b.print (infra/host/application/wiring_test.go:N) needs *zap.Logger[name="audit"], which nothing provides; provide it with fx.Provide, in the domain or in main.go`,
				"plugin b.print (infra/host/application/wiring_test.go:N) needs *application_test.Printer, which nothing provides; provide it with fx.Provide, in the domain or in main.go",
				"plugin b.print (infra/host/application/wiring_test.go:N) needs *application_test.memory, which nothing provides; did you mean application_test.Store?",
				"plugin b.print (infra/host/application/wiring_test.go:N) needs *application_test.cache, whose constructor application_test.newCache (infra/host/application/wiring_test.go:N) needs application_test.Mailer, which nothing provides; provide it with fx.Provide, in the domain or in main.go",
			},
		},
		"constructor cycle": {
			parts: []fx.Option{fx.Provide(newPing, newPong), app.Plugin[*getX]("a.one", newGetX), app.Plugin[*getX]("a.two", newGetX)},
			want: []string{
				"constructors wait for each other: *application_test.ping from application_test.newPing (infra/host/application/wiring_test.go:N) needs *application_test.pong from application_test.newPong (infra/host/application/wiring_test.go:N), which needs *application_test.ping again; have one of them take less",
				"plugin a.two (infra/host/application/wiring_test.go:N): GET /x: the route conflicts with that of GET /x of plugin a.one (infra/host/application/wiring_test.go:N): they are the same route",
			},
		},
		"provided twice": {
			parts: []fx.Option{fx.Provide(newPing), fx.Provide(newPing)},
			want: []string{
				"*application_test.ping is provided twice: by application_test.newPing (infra/host/application/wiring_test.go:N) and by application_test.newPing (infra/host/application/wiring_test.go:N)",
			},
		},
		"constructors that fail": {
			parts: []fx.Option{
				app.Plugin[*booting]("a.broken", newBroken),
				app.Plugin[*booting]("a.panicking", newPanicking),
			},
			want: []string{
				"plugin a.broken (infra/host/application/wiring_test.go:N): application_test.newBroken (infra/host/application/wiring_test.go:N): no key was given",
				"plugin a.panicking (infra/host/application/wiring_test.go:N): application_test.newPanicking (infra/host/application/wiring_test.go:N) panicked: out of keys",
			},
		},
		"constructor that fails in a domain that provides something for all": {
			parts: []fx.Option{app.Domain("a",
				fx.Provide(fx.Annotate(func() *memory { return nil }, fx.As(new(Store)))),
				app.Plugin[*booting]("a.broken", newBroken), app.Plugin[*needsStore]("a.store", newNeedsStore),
			)},
			want: []string{
				"plugin a.broken (infra/host/application/wiring_test.go:N): application_test.newBroken (infra/host/application/wiring_test.go:N): no key was given",
			},
		},
		"constructor of the wrong type": {
			parts: []fx.Option{app.Plugin[*booting]("a.wrong", newNeedsMailer), app.Plugin[*booting]("a.nothing", nil)},
			want: []string{
				"plugin a.wrong (infra/host/application/wiring_test.go:N): the constructor must return *application_test.booting, or *application_test.booting and an error",
				"plugin a.nothing (infra/host/application/wiring_test.go:N): the constructor must be a function that returns *application_test.booting",
			},
		},
		"invoked function that fails": {
			parts: []fx.Option{fx.Invoke(failing)},
			want:  []string{"application_test.failing (infra/host/application/wiring_test.go:N): not today"},
		},
		"duplicate plugin name": {
			parts: []fx.Option{boots("a.one", nil), declaredIn(boots("a.one", nil), "elsewhere.go:7")},
			want: []string{
				"two plugins are named a.one: infra/host/application/wiring_test.go:N and elsewhere.go:N; name one of them after its own file",
			},
		},
		"plugin listed twice": {
			parts: func() []fx.Option {
				p := boots("a.one", nil)
				return []fx.Option{p, app.Domain("a", p)}
			}(),
			want: []string{"plugin a.one (infra/host/application/wiring_test.go:N) is listed twice; list it once"},
		},
		"wrong plugin name": {
			parts: []fx.Option{
				declaredIn(boots("shop.create", nil), "/src/domains/shop/plugins/create_order.go:12"),
				app.Domain("shop", boots("mail.send", nil)),
			},
			want: []string{
				"plugin shop.create (/src/domains/shop/plugins/create_order.go:N) must be named shop.create_order, after its domain and file",
				"plugin mail.send (infra/host/application/wiring_test.go:N) is listed in the domain shop (infra/host/application/wiring_test.go:N); list it in its own, or name it shop.<file>",
			},
		},
		"plugin that cannot be seen": {
			parts: []fx.Option{fx.Module("hidden", boots("a.one", nil))},
			want: []string{
				"plugin a.one (infra/host/application/wiring_test.go:N) is inside an fx.Module, which the host cannot look into; list it, or its domain, with fx.Options",
			},
		},
		"domains": {
			parts: []fx.Option{
				app.Migrations(fstest.MapFS{}), app.Models(item{}),
				app.Domain("shop"), app.Domain("shop"), app.Domain("Shop 2"),
				app.Domain("a", app.Migrations(fstest.MapFS{})),
				app.Domain("b", app.Migrations(files("sqlite/00001_a.sql", "sqlite/1_b.sql", "sqlite/readme", "postgres/00001_a.sql"))),
				app.Domain("c", app.Migrations(files("sqlite/00001_a.sql", "postgres/00001_a.sql", "postgres/00002_b.sql"))),
				app.Domain("d", app.Migrations(nil), app.Migrations(nil)),
			},
			want: []string{
				"app.Migrations is listed outside of a domain; give it to app.Domain",
				"app.Models is listed outside of a domain; give it to app.Domain",
				"two domains are named shop: infra/host/application/wiring_test.go:N and infra/host/application/wiring_test.go:N",
				`domain "Shop 2" (infra/host/application/wiring_test.go:N) must be named in lower case letters, digits and _`,
				"domain a (infra/host/application/wiring_test.go:N): its migrations have no folder sqlite; embed it beside the other: open sqlite: file does not exist",
				"domain a (infra/host/application/wiring_test.go:N): its migrations have no folder postgres; embed it beside the other: open postgres: file does not exist",
				"domain b (infra/host/application/wiring_test.go:N): two migrations in sqlite have the version 1",
				"domain b (infra/host/application/wiring_test.go:N): the migration sqlite/readme must be named like 00001_what_it_does.sql",
				"domain c (infra/host/application/wiring_test.go:N): the migrations differ: sqlite has versions 1, postgres has 1, 2",
				"domain d (infra/host/application/wiring_test.go:N) has app.Migrations 2 times; give it once",
			},
		},
		"leaking response": {
			parts: []fx.Option{boots("a.one", func(b *app.Boot) { b.GET("/accounts", app.Handle(leak)) })},
			want: []string{
				`plugin a.one (infra/host/application/wiring_test.go:N): GET /accounts: response field Account.Password is secret and must not be in a response`,
			},
		},
		"untagged field": {
			parts: []fx.Option{boots("a.one", func(b *app.Boot) { b.POST("/accounts", app.Handle(takeUntagged)) })},
			want: []string{
				`plugin a.one (infra/host/application/wiring_test.go:N): POST /accounts: request field Name has no source: add one of json:"…", uri:"…", form:"…", header:"…", cookie:"…"`,
			},
		},
		"OnBoot panic": {
			parts: []fx.Option{boots("a.one", func(*app.Boot) { panic("no configuration") }), boots("a.two", raw("GET", "no-slash"))},
			want: []string{
				"plugin a.one (infra/host/application/wiring_test.go:N): OnBoot panicked: no configuration",
				`plugin a.two (infra/host/application/wiring_test.go:N): GET no-slash: the path must begin with "/"`,
			},
		},
		"event nobody publishes": {
			parts: []fx.Option{boots("a.one", func(b *app.Boot) { b.Subscribe(app.On(onSent)) })},
			want: []string{
				"plugin a.one (infra/host/application/wiring_test.go:N): subscribes to mail.sent, which nobody publishes",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			untouched := mustNotOpen(t)
			cfg := settings(t)
			cfg.HTTP.Addr = untouched.addr
			cfg.Database.URL = "sqlite:" + untouched.file
			_, err := application.New(cfg, fx.Options(infra(), fx.Options(tt.parts...)))
			require.Error(t, err)
			require.Equal(t, strings.Join(tt.want, "\n"), problems(err))
			untouched.verify(t)
		})
	}
}

func failing() error { return errors.New("not today") }

// TestMissingInfrastructure tells what to list in main.go.
func TestMissingInfrastructure(t *testing.T) {
	t.Parallel()
	_, err := application.New(settings(t), fx.Supply(zap.NewNop()))
	require.EqualError(t, err, `the application cannot start; 4 problems:
  1. nothing provides *database.DB; list database.Module in main.go
  2. nothing provides *eventbus.Bus; list eventbus.Module in main.go
  3. nothing provides *workpool.Pool; list workpool.Module in main.go
  4. nothing provides *httpserver.Server; list httpserver.Module in main.go`)
}

// TestSettingsAndWiringTogether holds that one run shows the problems of both.
func TestSettingsAndWiringTogether(t *testing.T) {
	t.Parallel()
	untouched := mustNotOpen(t)
	code, stdout, stderr := run(t, fx.Options(infra(), boots("a.one", raw("GET", "/x")), boots("a.two", raw("GET", "/x")), boots("a.two", nil)),
		[]string{"APP_DATABASE_URL=sqlite:" + untouched.file, "APP_HTTP_ADR=" + untouched.addr, "APP_LOG_LEVEL=loud"}, "serve")
	require.Equal(t, cli.ExitFailed, code)
	require.Empty(t, stdout)
	require.Equal(t, `the application cannot start; 4 problems:
  1. APP_HTTP_ADR is not a setting; did you mean APP_HTTP_ADDR?
  2. APP_LOG_LEVEL is "loud"; it must be debug, info, warn or error; the default is info
  3. plugin a.two (infra/host/application/wiring_test.go:N) is listed twice; list it once
  4. plugin a.two (infra/host/application/wiring_test.go:N): GET /x: the route conflicts with that of GET /x of plugin a.one (infra/host/application/wiring_test.go:N): they are the same route
`, withoutLines(stderr))
	untouched.verify(t)
}

// untouched is what New must leave alone.
type untouched struct{ addr, file string }

// mustNotOpen returns an address that is taken, so that binding it would be one more problem, and a file that does
// not exist.
func mustNotOpen(t *testing.T) untouched {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return untouched{addr: listener.Addr().String(), file: filepath.Join(t.TempDir(), "data", "test.db")}
}

func (u untouched) verify(t *testing.T) {
	t.Helper()
	_, err := os.Stat(filepath.Dir(u.file))
	require.ErrorIs(t, err, fs.ErrNotExist, "the database was opened")
}

var (
	lineNumber = regexp.MustCompile(`\.go:\d+`)
	pid        = regexp.MustCompile(`\((pid )?\d+\)`)
)

func withoutLines(text string) string { return lineNumber.ReplaceAllString(text, ".go:N") }

var numbering = regexp.MustCompile(`(?m)^ *\d+\. `)

// problems lists the problems of err, one a line, without line numbers.
func problems(err error) string {
	_, list, _ := strings.Cut(err.Error(), "\n")
	return withoutLines(numbering.ReplaceAllString(list, ""))
}

func files(names ...string) fs.FS {
	all := fstest.MapFS{}
	for _, name := range names {
		all[name] = &fstest.MapFile{Data: []byte("-- +goose Up\nSELECT 1;\n")}
	}
	return all
}
