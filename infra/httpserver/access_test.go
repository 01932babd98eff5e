package httpserver_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

// tokens is an authenticator that knows the bearers of tokens.
type tokens map[string]*app.Principal

// Authenticate implements app.Authenticator.
func (k tokens) Authenticate(ctx context.Context, r *http.Request) (*app.Principal, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch p := k[token]; {
	case !ok:
		return nil, nil //nolint:nilnil // nobody
	case token == "broken":
		return nil, errors.New("secret detail")
	case token == "away":
		return nil, app.Errorf(app.Unavailable, "sign-ins cannot be checked now")
	case token == "panics":
		panic("secret detail")
	case p == nil:
		app.SetHeader(ctx, "WWW-Authenticate", `Bearer error="invalid_token"`)
		return nil, app.Errorf(app.Unauthorized, "the token is not known")
	default:
		return p, nil
	}
}

// Schemes implements app.Authenticator.
func (tokens) Schemes() []app.SecurityScheme {
	return []app.SecurityScheme{{Name: "bearer", Type: "http", Scheme: "bearer"}}
}

// stopped is a clock that stands still.
type stopped time.Time

// Now implements app.Clock.
func (s stopped) Now() time.Time { return time.Time(s) }

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// somebody are the callers of the tests.
func somebody(p *httpserver.Params) {
	p.Clock = stopped(noon)
	p.Authenticator = tokens{
		"reader":       {ID: "reader", SignedInAt: noon.Add(-time.Hour)},
		"writer":       {ID: "writer", Permissions: []string{"things.read", "things.write"}, SignedInAt: noon.Add(-time.Minute)},
		"admin":        {ID: "admin", Permissions: []string{app.AllPermissions}},
		"noname":       {},
		"nul":          {ID: "a\x00b"},
		"broken utf-8": {ID: "a\xff"},
		"long":         {ID: strings.Repeat("x", 256)},
		"early":        {ID: "early", SignedInAt: noon.Add(time.Minute)},                // by a clock that is fast
		"never":        {ID: "never", SignedInAt: noon.Add(200 * 365 * 24 * time.Hour)}, // would be fresh for ever
	}
}

type thingRequest struct {
	ID   int64  `uri:"id" binding:"min=1"`
	Name string `json:"name" binding:"required"`
}

type whoData struct {
	ID string `json:"id"`
}

// who answers with the caller.
func who(ctx context.Context, _ nothing) (whoData, error) {
	p, known := app.PrincipalFrom(ctx)
	if !known {
		return whoData{"nobody"}, nil
	}
	return whoData{p.ID}, nil
}

// TestAccess: each kind of endpoint lets in whom its rule names, and the principal is in the context.
func TestAccess(t *testing.T) {
	t.Parallel()
	raw := func(c *gin.Context) {
		data, err := who(c.Request.Context(), nothing{})
		if err == nil {
			c.String(http.StatusOK, data.ID)
		}
	}
	k := serve(t, func(b *app.Boot) {
		b.GET("/public", app.Handle(who), app.Public())
		b.GET("/signed", app.Handle(who), app.SignedIn())
		b.GET("/can", app.Handle(who), app.Can("things.write"))
		b.GET("/fresh", app.Handle(who), app.SignedIn(), app.Fresh(10*time.Minute))
		b.POST("/cpu", app.HandleCPU(func(app.Job, nothing) (app.Empty, error) { return app.Empty{}, nil }), app.Can("things.write"))
		b.GET("/binary", app.Handle(func(context.Context, nothing) (app.Binary, error) {
			return app.Binary{ContentType: "text/plain", Bytes: []byte("x")}, nil
		}), app.Can("things.write"))
		b.Raw("GET", "/raw", raw, app.Can("things.write"))
	}, somebody)
	for _, tc := range []struct {
		method, path, token string
		status              int
		says                string
	}{
		{"GET", "/public", "", 200, "nobody"},
		{"GET", "/public", "unknown", 200, "nobody"}, // a session that is over keeps nobody from what is open
		{"GET", "/public", "writer", 200, "nobody"},
		{"GET", "/signed", "", 401, "sign in first: the request does not say who makes it"},
		{"HEAD", "/signed", "", 401, ""},
		{"GET", "/signed", "unknown", 401, "the token is not known"},
		{"GET", "/signed", "reader", 200, `"reader"`},
		{"GET", "/signed", "broken", 500, "internal error"},
		{"GET", "/signed", "panics", 500, "internal error"},
		{"GET", "/signed", "away", 503, "sign-ins cannot be checked now"},
		{"GET", "/signed", "noname", 500, "internal error"},
		{"GET", "/signed", "nul", 500, "internal error"},
		{"GET", "/signed", "broken utf-8", 500, "internal error"},
		{"GET", "/signed", "long", 500, "internal error"},
		{"GET", "/can", "", 401, "sign in first"},
		{"GET", "/can", "reader", 403, "this needs the permission things.write"},
		{"GET", "/can", "writer", 200, `"writer"`},
		{"GET", "/can", "admin", 200, `"admin"`},
		{"GET", "/fresh", "writer", 200, `"writer"`},
		{"GET", "/fresh", "reader", 401, "sign in again: this needs a sign-in of the last 10m0s"},
		{"GET", "/fresh", "admin", 401, "sign in again"}, // never signs in
		{"GET", "/fresh", "early", 200, `"early"`},
		{"GET", "/fresh", "never", 401, "sign in again"},
		{"POST", "/cpu", "reader", 403, "forbidden"},
		{"POST", "/cpu", "writer", 200, "true"},
		{"GET", "/binary", "", 401, "unauthorized"},
		{"GET", "/binary", "writer", 200, "x"},
		{"GET", "/raw", "", 401, "unauthorized"},
		{"GET", "/raw", "reader", 403, "forbidden"},
		{"GET", "/raw", "writer", 200, "writer"},
	} {
		w := k.do(tc.method, tc.path, "", "Authorization: "+map[bool]string{true: "Basic eA==", false: "Bearer " + tc.token}[tc.token == ""])
		require.Equal(t, tc.status, w.Code, "%+v: %s", tc, w.Body)
		require.Contains(t, w.Body.String(), tc.says, "%+v", tc)
		require.NotContains(t, w.Body.String(), "secret detail")
		switch challenge := w.Header().Get("WWW-Authenticate"); {
		case tc.status != http.StatusUnauthorized:
			require.Empty(t, challenge, "%+v", tc)
		case tc.path == "/fresh":
			require.Equal(t, `Bearer error="insufficient_user_authentication", error_description="a sign-in of the last 10m0s is needed", max_age=600`, challenge)
		case tc.token == "unknown":
			require.Equal(t, `Bearer error="invalid_token"`, challenge)
		default:
			require.Equal(t, "Bearer", challenge, "%+v", tc)
		}
	}
}

// TestAllowDecidesAboutTheBoundRequest: after the rules of the fields, before the handler, and never without access.
func TestAllowDecidesAboutTheBoundRequest(t *testing.T) {
	t.Parallel()
	var ran []string
	note := func(who string, err error) func(context.Context, thingRequest) error {
		return func(_ context.Context, req thingRequest) error {
			ran = append(ran, who)
			if req.ID == 7 {
				return err
			}
			return nil
		}
	}
	k := serve(t, func(b *app.Boot) {
		b.POST("/things/:id", app.Handle(func(context.Context, thingRequest) (app.Empty, error) {
			ran = append(ran, "handler")
			return app.Empty{}, nil
		}), app.SignedIn(), app.Allow(note("first", nil)), app.Allow(note("second", app.Errorf(app.NotFound, "no such thing"))), app.Allow(note("third", nil)))
	}, somebody)
	do := func(id, body, token string) int {
		ran = nil
		return k.do("POST", "/things/"+id, body, "Authorization: Bearer "+token, "Content-Type: application/json").Code
	}
	require.Equal(t, 200, do("1", `{"name":"a"}`, "reader"))
	require.Equal(t, []string{"first", "second", "third", "handler"}, ran)
	require.Equal(t, 404, do("7", `{"name":"a"}`, "reader"))
	require.Equal(t, []string{"first", "second"}, ran)
	require.Equal(t, 422, do("1", `{}`, "reader"))
	require.Empty(t, ran)
	require.Equal(t, 401, do("1", `{"name":"a"}`, "unknown"))
	require.Empty(t, ran)
}

// TestAccessIsChecked: what cannot be meant is a start error.
func TestAccessIsChecked(t *testing.T) {
	t.Parallel()
	ok := app.Handle(who)
	for name, tc := range map[string]struct {
		with func(*httpserver.Params)
		opts []app.EndpointOption
		says string
	}{
		"silent":         {somebody, nil, `it does not say who may call it: add app.Public(), app.SignedIn() or app.Can("…")`},
		"nobody":         {func(*httpserver.Params) {}, []app.EndpointOption{app.SignedIn()}, "it has app.SignedIn(), and nobody can sign in: list accounts.Module"},
		"nobody can":     {func(*httpserver.Params) {}, []app.EndpointOption{app.Can("x.y")}, `it has app.Can("x.y"), and nobody can sign in`},
		"two":            {somebody, []app.EndpointOption{app.Public(), app.Can("x.y")}, `it has app.Public() and app.Can("x.y"); give one access rule`},
		"fresh public":   {somebody, []app.EndpointOption{app.Public(), app.Fresh(time.Hour)}, "app.Fresh asks when the caller signed in"},
		"fresh short":    {somebody, []app.EndpointOption{app.SignedIn(), app.Fresh(0)}, "the time 0s of app.Fresh must be from 1s to"},
		"allow other":    {somebody, []app.EndpointOption{app.SignedIn(), app.Allow(func(context.Context, thingRequest) error { return nil })}, "app.Allow takes a httpserver_test.thingRequest, and the handler a"},
		"allow nothing":  {somebody, []app.EndpointOption{app.SignedIn(), app.Allow[nothing](nil)}, "app.Allow has no function"},
		"no permission":  {somebody, []app.EndpointOption{app.Can("")}, "app.Can has no permission"},
		"silent and raw": {somebody, nil, "it does not say who may call it"},
	} {
		p := httpserver.Params{HTTP: benchSettings(), Pool: inlinePool{}}
		tc.with(&p)
		problems := httpserver.New(p).Check(endpointsOf(t, "test.plugin", func(b *app.Boot) {
			if name == "silent and raw" {
				b.Raw("GET", "/x", func(*gin.Context) {})
				return
			}
			b.GET("/x", ok, tc.opts...)
		}))
		require.Len(t, problems, 1, name)
		require.Contains(t, problems[0].Error(), tc.says, name)
	}
}
