package application_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/infra/host/cli"
	"plugboard/infra/httpserver"
)

// guarded returns a guard that lets those through who have a header, and notes its name in the answer.
func guarded(name string) app.EndpointOption {
	return app.Guard(func(ctx context.Context, r *http.Request) (context.Context, error) {
		app.AddHeader(ctx, "Passed", name)
		if r.Header.Get("X-"+name) == "" {
			return ctx, app.Errorf(app.Forbidden, "no %s", name)
		}
		return ctx, nil
	})
}

type everyShape struct{}

func (*everyShape) OnBoot(b *app.Boot) {
	b.GET("/typed", app.Handle(echoEmpty), guarded("own"), app.Tags("own", "domain"))
	b.GET("/binary", app.Handle(func(context.Context, app.Empty) (app.Binary, error) {
		return app.Binary{ContentType: "text/plain", Bytes: []byte("x")}, nil
	}))
	b.GET("/cpu", app.HandleCPU(func(app.Job, app.Empty) (app.Empty, error) { return app.Empty{}, nil }))
	b.Raw(http.MethodGet, "/raw", func(c *gin.Context) { c.Status(http.StatusOK) }, app.Hidden())
	b.GET("/slow", app.Handle(echoEmpty), app.Timeout(time.Minute))
}

func echoEmpty(context.Context, app.Empty) (app.Empty, error) { return app.Empty{}, nil }

// What a domain says of every endpoint holds for each kind, before what the endpoint itself says, and for no other domain.
func TestEveryEndpointOfADomain(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.HTTP.Hosts = []string{"*"}
	a := newApp(t, cfg,
		app.Domain("shop", app.Every(guarded("domain"), app.Tags("domain"), app.Timeout(time.Second)), app.Every(guarded("second")),
			app.Plugin[*everyShape]("shop.every", func() *everyShape { return &everyShape{} })),
		app.Domain("other", boots("other.open", func(b *app.Boot) { b.GET("/open", app.Handle(echoEmpty)) })))
	require.NoError(t, a.Start(t.Context()))
	defer func() { require.NoError(t, a.Stop(context.WithoutCancel(t.Context()))) }()
	get := func(path string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		for _, h := range headers {
			r.Header.Set("X-"+h, "1")
		}
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, r)
		return w
	}
	for _, path := range []string{"/typed", "/binary", "/cpu", "/raw", "/slow"} {
		require.Equal(t, http.StatusForbidden, get(path).Code, path)
		require.Equal(t, http.StatusForbidden, get(path, "domain").Code, path)
		require.Equal(t, http.StatusOK, get(path, "domain", "second", "own").Code, path)
	}
	w := get("/typed", "domain", "second")
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Equal(t, []string{"domain", "second", "own"}, w.Header().Values("Passed"))
	require.Equal(t, http.StatusOK, get("/open").Code)
	routes, err := a.Routes()
	require.NoError(t, err)
	for _, r := range routes {
		switch r.Path {
		case "/typed":
			require.Equal(t, []string{"domain", "own"}, r.Options.Tags)
			require.Equal(t, time.Second, *r.Options.Timeout)
		case "/slow":
			require.Equal(t, time.Minute, *r.Options.Timeout)
		}
	}
}

func TestEveryMistakes(t *testing.T) {
	t.Parallel()
	const here = "infra/host/application/every_test.go:N"
	code, _, stderr := run(t, fx.Options(infra(), app.Domain("shop",
		app.Every(app.Summary("x"), app.Status(201), app.Produces("a/b"), app.Accepts("a/b"), app.Takes[app.Empty](), app.Answers[app.Empty](), nil, app.Secured("key")),
		boots("shop.a", func(b *app.Boot) { b.GET("/a", app.Handle(echoEmpty), app.Hidden()) }),
	)), inTemp(t), "check")
	require.Equal(t, cli.ExitFailed, code)
	where := "domain shop (" + here + "): "
	alone := " describes one endpoint; give it there, and not by app.Every"
	got := strings.Split(strings.TrimSpace(problems(errors.New(stderr))), "\n")
	require.Subset(t, got, []string{
		where + "app.Every has an option that is nil; leave it out",
		where + "app.Summary" + alone, where + "app.Status" + alone, where + "app.Produces" + alone,
		where + "app.Accepts" + alone, where + "app.Takes" + alone, where + "app.Answers" + alone,
	})
}

// An app.Every that the host cannot see would guard nothing: it is a start error.
func TestAnEveryThatTheHostCannotSee(t *testing.T) {
	t.Parallel()
	const here = "infra/host/application/every_test.go:N"
	open := boots("shop.open", func(b *app.Boot) { b.GET("/open", app.Handle(echoEmpty)) })
	for name, modules := range map[string]fx.Option{
		"in an fx.Module":     app.Domain("shop", open, fx.Module("inner", app.Every(guarded("domain")))),
		"outside of a domain": fx.Options(app.Domain("shop", open), app.Every(guarded("domain"))),
	} {
		code, _, stderr := run(t, fx.Options(infra(), modules), inTemp(t), "check")
		require.Equal(t, cli.ExitFailed, code, name)
		require.Equal(t, "app.Every ("+here+") is outside of a domain, or inside an fx.Module, which the host cannot look into; give it to app.Domain\n",
			problems(errors.New(stderr)), name)
	}
}

// What is wrong with middleware is told with the place where it is listed.
func TestMiddlewareMistakes(t *testing.T) {
	t.Parallel()
	const here = "host.Middleware (infra/host/application/every_test.go:N)"
	type wrapper = func(http.Handler) http.Handler
	for want, with := range map[string]any{
		here + ": its constructor returned nil; return the handler that it was given to have no effect\n": func() wrapper { return nil },
		here + " takes a func(http.Handler) http.Handler, or a constructor that returns one\n":            42,
		"a constructor given to host.Middleware needs *strings.Builder, which nothing provides; provide it with fx.Provide, in the domain or in main.go\n": func(*strings.Builder) wrapper {
			return nil
		},
		here + ": no key\n": func() (wrapper, error) { return nil, errors.New("no key") },
	} {
		code, _, stderr := run(t, fx.Options(infra(), httpserver.Middleware(with)), inTemp(t), "check")
		require.Equal(t, cli.ExitFailed, code)
		require.Equal(t, want, problems(errors.New(stderr)))
	}
}
