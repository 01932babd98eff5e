package rules

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/infra/host"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/openapi"
	"plugboard/infra/httpserver"
	"plugboard/infra/httpserver/testdata/oddshapes"
)

func TestAccessIsHeld(t *testing.T) {
	t.Parallel()
	problems, err := aroundVault(t, "").checkAccess(t)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestAccessOfAModule(t *testing.T) {
	t.Parallel()
	authenticator := func(db *gorm.DB) app.Authenticator { return &sessions{all: someSessions(), db: db} }
	Access(t, fx.Options(fx.Provide(authenticator), vault()), Callers(vaultCallers), Header("X-Key", "sesame"))
}

// instead is a middleware that does something with some requests, and passes them on unless it has answered.
func instead(do func(w http.ResponseWriter, r *http.Request) (answered bool)) fx.Option {
	return host.Middleware(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !do(w, r) {
				next.ServeHTTP(w, r)
			}
		})
	})
}

func answers(when func(r *http.Request) bool) fx.Option {
	return instead(func(w http.ResponseWriter, r *http.Request) bool {
		if when(r) {
			w.WriteHeader(http.StatusOK)
		}
		return when(r)
	})
}

// Each hole is found, and named by what is wrong.
func TestHolesInAccessAreFound(t *testing.T) {
	t.Parallel()
	for hole, tc := range map[string]struct {
		more fx.Option
		says string
	}{
		"any token":                {nil, "GET /vault (vault.serve) as somebody with a bearer token that nobody has: answered 200"},
		"any password":             {nil, "as somebody with a password that nobody has: answered 200"},
		"any cookie":               {nil, "as somebody with a cookie sid that nobody has: answered 200"},
		"unsigned tokens":          {nil, "as somebody with an unsigned token: answered 200"},
		"a principal for nobody":   {nil, "GET /vault (vault.serve) as nobody: answered 200"},
		"believes a proxy":         {nil, "as somebody with the header of a proxy: answered 200"},
		"fails for unknown tokens": {nil, "as somebody with a bearer token that nobody has: answered 504"},
		"everybody may all":        {nil, "GET /vault/picture (vault.serve) as ann: answered 200"},
		"sessions never end":       {nil, "as a session that is over: answered 200"},
		"revoked sessions live":    {nil, "as a session that was revoked: answered 200"},
		"disabled users live":      {nil, "as a user who is disabled: answered 200"},
		"keys have no scope":       {nil, "POST /vault/:id (vault.serve) as a key of a small scope: answered 200"},
		"the token wins":           {nil, "as two who disagree: answered 200"},
		"always fresh":             {nil, "DELETE /vault/:id (vault.serve) as root of an hour ago: answered 200"},
		"writes":                   {nil, "requests that it refused have changed the table vault_visits"},
		"no schemes":               {nil, "the authenticator names no schemes"},

		"a middleware answers":      {answers(func(r *http.Request) bool { return r.URL.Path == "/vault" }), "GET /vault (vault.serve) as nobody: answered 200"},
		"a middleware answers HEAD": {answers(func(r *http.Request) bool { return r.Method == http.MethodHead }), "HEAD /vault (vault.serve) as nobody: answered 200"},
		"another mux":               {answers(func(r *http.Request) bool { return r.URL.Path == "/metrics" }), "GET /metrics as nobody: answered 200"},
		"a page for all": {instead(func(w http.ResponseWriter, r *http.Request) bool {
			shown := !strings.HasPrefix(r.URL.Path, "/vault") && r.Method == http.MethodGet
			if shown {
				w.WriteHeader(http.StatusOK)
			}
			return shown
		}), "and it is no endpoint, so it has no access rule"},
		"a middleware brings a session": {instead(func(_ http.ResponseWriter, r *http.Request) bool {
			r.Header.Set("Authorization", "Bearer root")
			return false
		}), "GET /vault (vault.serve) as nobody: answered 200"},
		"a middleware loses sessions": {instead(func(_ http.ResponseWriter, r *http.Request) bool {
			r.Header.Del("Cookie")
			return false
		}), "GET /vault (vault.serve) as ann by cookie: answered 401"},
		"a middleware hides the origin": {instead(func(_ http.ResponseWriter, r *http.Request) bool {
			r.Header.Del("Origin")
			r.Header.Del("Sec-Fetch-Site")
			return false
		}), "for a page of another site: answered 200"},
		"a middleware lets all sites read": {instead(func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
			return false
		}), "the header Access-Control-Allow-Origin lets the page read the answer"},
		"a middleware refuses all": {instead(func(w http.ResponseWriter, r *http.Request) bool {
			refused := r.URL.Path == "/vault/count"
			if refused {
				w.WriteHeader(http.StatusForbidden)
			}
			return refused
		}), "POST /vault/count (vault.serve) as a principal with app.AllPermissions: answered 403"},
		"a tool answers first": {fx.Invoke(func(s *httpserver.Server) {
			s.AnswerFirst(func(w http.ResponseWriter, r *http.Request) (bool, error) {
				if r.URL.Path == "/vault/raw" {
					w.WriteHeader(http.StatusOK)
				}
				return r.URL.Path == "/vault/raw", nil
			})
		}), "POST /vault/raw (vault.serve) as nobody: answered 200"},
	} {
		t.Run(hole, func(t *testing.T) {
			t.Parallel()
			more := tc.more
			if more == nil {
				more = fx.Options()
			}
			problems, err := aroundVault(t, hole, more).checkAccess(t)
			require.NoError(t, err)
			require.Contains(t, strings.Join(problems, "\n"), tc.says)
		})
	}
}

// Endpoints of all odd shapes, none of which says who may call it: their domain does, or the service.
func TestAccessOfOddShapes(t *testing.T) {
	t.Parallel()
	use, means := app.Can("oddshapes.use"), app.Permission("oddshapes.use", "Use the odd shapes")
	odd := func(parts ...fx.Option) fx.Option {
		return app.Domain("oddshapes", append(parts, oddshapes.Module().Parts...)...)
	}
	for name, shapes := range map[string]fx.Option{
		"domain":  odd(app.Every(use), means),
		"service": fx.Options(host.DefaultAccess(use), odd(means)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			authenticator := fx.Provide(func() app.Authenticator { return &sessions{all: someSessions()} })
			s, err := newSite(".", fx.Options(host.Infra, authenticator, shapes), nil)
			require.NoError(t, err)
			problems, err := s.checkAccess(t)
			require.NoError(t, err)
			require.Empty(t, problems)
		})
	}
}

// What a site says about what is no hole.
func TestWhatAccessDoesNotLookAt(t *testing.T) {
	t.Parallel()
	s := aroundVault(t, "writes", answers(func(r *http.Request) bool { return r.URL.Path == "/metrics" }))
	for _, opt := range []Option{Unwatched("vault_visits"), ServedBeside("they are shown to all", "/metrics")} {
		opt(&s.options)
	}
	problems, err := s.checkAccess(t)
	require.NoError(t, err)
	require.Empty(t, problems)

	_, err = newSite(".", nil, []Option{ServedBeside(" ", "/metrics")})
	require.EqualError(t, err, `rules.ServedBeside(" ", …) has no reason; say why these paths are no endpoints`)
}

// A change of who may call an endpoint shows in the description of the API, and in nothing else: no endpoint becomes open unnoticed.
func TestAChangeOfAccessIsADocumentThatIsOld(t *testing.T) {
	t.Parallel()
	service := func(opts ...app.EndpointOption) manifest.Service {
		authenticator := fx.Provide(func() app.Authenticator { return &sessions{all: someSessions()} })
		s, err := newSite(".", fx.Options(host.Infra, authenticator, app.Domain("vault", app.Permission("vault.a", "a"), app.Permission("vault.b", "b"),
			app.Plugin[*anyPlugin]("vault.any", func() *anyPlugin { return &anyPlugin{opts} }))), nil)
		require.NoError(t, err)
		service, err := s.unopened(t).Manifest()
		require.NoError(t, err)
		return service
	}
	accesses := [][]app.EndpointOption{
		{app.Public()}, {app.SignedIn()}, {app.SignedIn(), app.Fresh(time.Hour)}, {app.SignedIn(), app.Fresh(time.Minute)}, {app.Can("vault.a")}, {app.Can("vault.b")},
	}
	for i, before := range accesses {
		text, err := openapi.Write(service(before...), openapi.About{Info: openapi.Info{Title: "Vault", Version: "1"}}, wordless{})
		require.NoError(t, err)
		for j, now := range accesses {
			problems, err := checkStale(text, service(now...))
			require.NoError(t, err)
			if i == j {
				require.Empty(t, problems)
			} else {
				require.Contains(t, strings.Join(problems, "\n"), "operation /any post is described otherwise than the plugins register it", "%d %d", i, j)
			}
		}
	}
}

// anyPlugin has an endpoint with any options.
type anyPlugin struct{ opts []app.EndpointOption }

// OnBoot registers the endpoint.
func (p *anyPlugin) OnBoot(b *app.Boot) { b.POST("/any", app.Handle(p.Execute), p.opts...) }

func (*anyPlugin) Execute(context.Context, app.Empty) (app.Empty, error) { return app.Empty{}, nil }

// Generated requests get to where only some may: they are made by a principal who may all, or by whom the site says.
func TestGeneratedRequestsMayAll(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts   []Option
		status int
	}{
		"by the kit":    {nil, http.StatusOK},
		"with a header": {[]Option{Header("Authorization", "Bearer ann")}, http.StatusForbidden},
		"by a caller":   {[]Option{MadeBy(func(testing.TB, *apptest.App) func(*http.Request) { return bearer("old") })}, http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := aroundVault(t, "")
			s.start.header = nil
			for _, opt := range tc.opts {
				opt(&s.options)
			}
			document, err := everything(s.unopened(t))
			require.NoError(t, err)
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodDelete, "/vault/1", http.NoBody)
			maps.Copy(r.Header, s.start.header)
			s.filled(t, document).Handler.ServeHTTP(w, r)
			require.Equal(t, tc.status, w.Code, w.Body)
		})
	}
}
