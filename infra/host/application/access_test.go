package application_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/infra/host"
	"plugboard/infra/host/application"
)

// callers knows those whose names the header Caller has.
type callers struct{}

// Authenticate implements app.Authenticator.
func (callers) Authenticate(_ context.Context, r *http.Request) (*app.Principal, error) {
	switch name := r.Header.Get("Caller"); name {
	case "":
		return nil, nil //nolint:nilnil // nobody
	case "writer":
		return &app.Principal{ID: name, Permissions: []string{"shop.write"}}, nil
	default:
		return &app.Principal{ID: name}, nil
	}
}

// Schemes implements app.Authenticator.
func (callers) Schemes() []app.SecurityScheme {
	return []app.SecurityScheme{{Name: "caller", Type: "apiKey", In: "header", Key: "Caller"}}
}

func knowsCallers() fx.Option { return fx.Provide(func() app.Authenticator { return callers{} }) }

func sells(opts ...app.EndpointOption) app.PluginModule {
	return boots("shop.sell", func(b *app.Boot) { b.GET("/sell", app.Handle(echoEmpty), opts...) })
}

// An endpoint's own access rule takes the place of its domain's; the service's default is for those without either.
func TestAccessOfADomain(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.HTTP.Hosts = []string{"*"}
	a := newApp(t, cfg, knowsCallers(), host.DefaultAccess(app.SignedIn()),
		app.Domain("shop", app.Every(app.Can("shop.write")), app.Permission("shop.write", "Change the shop"),
			boots("shop.all", func(b *app.Boot) {
				b.GET("/inherited", app.Handle(echoEmpty))
				b.GET("/open", app.Handle(echoEmpty), app.Public())
				b.GET("/known", app.Handle(echoEmpty), app.SignedIn())
			})),
		app.Domain("other", boots("other.silent", func(b *app.Boot) { b.GET("/silent", app.Handle(echoEmpty)) })),
		fx.Invoke(func(p app.Permissions) {
			require.True(t, p.Has("shop.write"))
			require.False(t, p.Has("shop.read"))
		}))
	require.NoError(t, a.Start(t.Context()))
	defer func() { require.NoError(t, a.Stop(context.WithoutCancel(t.Context()))) }()
	for path, want := range map[string][3]int{ // nobody, somebody, somebody with the permission
		"/inherited": {401, 403, 200}, "/open": {200, 200, 200}, "/known": {401, 200, 200}, "/silent": {401, 200, 200}, "/livez": {200, 200, 200},
	} {
		for i, caller := range []string{"", "reader", "writer"} {
			r, w := httptest.NewRequest(http.MethodGet, path, nil), httptest.NewRecorder()
			r.Header.Set("Caller", caller)
			a.Handler().ServeHTTP(w, r)
			require.Equal(t, want[i], w.Code, "%s as %q: %s", path, caller, w.Body)
		}
	}
	m, err := a.Manifest()
	require.NoError(t, err)
	require.Equal(t, "caller", m.SecuritySchemes[0].Name)
	require.Equal(t, "Change the shop", m.Domains[0].Permissions[0].Meaning)
	byPath := map[string][]string{}
	for _, e := range m.Endpoints {
		byPath[e.Path] = append([]string{e.Access, e.Permission}, e.Security...)
	}
	require.Equal(t, map[string][]string{
		"/inherited": {"can", "shop.write", "caller"}, "/open": {"public", ""}, "/known": {"signed_in", "", "caller"}, "/silent": {"signed_in", "", "caller"},
	}, byPath)
}

// What cannot be meant stops the start.
func TestAccessIsCheckedAtTheStart(t *testing.T) {
	t.Parallel()
	everybody := app.Every(app.Public())
	for name, tc := range map[string]struct {
		modules []fx.Option
		says    []string
	}{
		"unknown permission": {[]fx.Option{knowsCallers(), app.Domain("shop", app.Permission("shop.write", "Change the shop"), sells(app.Can("shop.wirte")))},
			[]string{`GET /sell: no domain declares the permission "shop.wirte": did you mean "shop.write"?`}},
		"undeclared permission": {[]fx.Option{knowsCallers(), app.Domain("shop", sells(app.Can("shop.write")))},
			[]string{`add app.Permission("shop.write", "what it lets somebody do") to the list of the domain shop`}},
		"undeclared default": {[]fx.Option{knowsCallers(), host.DefaultAccess(app.Can("shop.write")), app.Domain("shop", sells())},
			[]string{`no domain declares the permission "shop.write"`}},
		"silent":         {[]fx.Option{knowsCallers(), app.Domain("shop", sells())}, []string{"plugin shop.sell (", "GET /sell: it does not say who may call it"}},
		"open default":   {[]fx.Option{host.DefaultAccess(app.Public()), app.Domain("shop", sells())}, []string{"host.DefaultAccess (", "takes app.SignedIn() or app.Can"}},
		"no default":     {[]fx.Option{host.DefaultAccess(nil), app.Domain("shop", sells())}, []string{"takes app.SignedIn() or app.Can"}},
		"guarded":        {[]fx.Option{app.Domain("shop", app.Every(app.SignedIn()), sells())}, []string{"nobody can sign in: list accounts.Module"}},
		"foreign name":   {[]fx.Option{app.Domain("shop", everybody, app.Permission("other.write", "x"), sells())}, []string{`the permission "other.write" must be named shop.<what>`}},
		"declared twice": {[]fx.Option{app.Domain("shop", everybody, app.Permission("shop.a", "x"), app.Permission("shop.a", "x"), sells())}, []string{`"shop.a" is declared at`}},
		"no meaning":     {[]fx.Option{app.Domain("shop", everybody, app.Permission("shop.a", " "), sells())}, []string{`"shop.a" does not say what it lets somebody do`}},
		"stray":          {[]fx.Option{app.Permission("shop.a", "x"), app.Domain("shop", everybody, sells())}, []string{"app.Permission is listed outside of a domain"}},
		"two":            {[]fx.Option{knowsCallers(), knowsCallers(), app.Domain("shop", everybody, sells())}, []string{"app.Authenticator"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := application.New(settings(t), fx.Options(append([]fx.Option{infra()}, tc.modules...)...))
			require.Error(t, err)
			for _, text := range tc.says {
				require.Contains(t, err.Error(), text)
			}
		})
	}
}
