package httpserver_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

// from sends a GET from an address.
func (k kit) from(remote, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.RemoteAddr = remote
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	k.Handler().ServeHTTP(w, r)
	return w
}

// pass lets time pass in a bubble of synctest, whose clock does not wait.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	require.True(t, app.Sleep(t.Context(), d))
}

// limited is what an answer says of limits: status, RateLimit, Retry-After.
func limited(w *httptest.ResponseRecorder) [3]any {
	return [3]any{w.Code, w.Header().Get("RateLimit"), w.Header().Get("Retry-After")}
}

// TestALimitPerClient: so many at once, then one after the other as time passes; each answer says how it stands.
func TestALimitPerClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := serve(t, func(b *app.Boot) {
			b.GET("/x", handle[nothing, app.Empty](), app.Limit(3, time.Minute, app.PerClient))
			b.GET("/y", handle[nothing, app.Empty](), app.Limit(3, time.Minute, app.PerClient))
			b.GET("/free", handle[nothing, app.Empty]())
		})
		require.Equal(t, [3]any{200, `"client";r=2;t=20`, ""}, limited(k.do("GET", "/x", "")))
		require.Equal(t, [3]any{200, `"client";r=1;t=40`, ""}, limited(k.do("HEAD", "/x", "")), "a HEAD counts with its GET")
		pass(t, 100*time.Millisecond)
		w := k.do("GET", "/x", "")
		require.Equal(t, [3]any{200, `"client";r=0;t=60`, ""}, limited(w))
		require.Equal(t, `"client";q=3;w=60`, w.Header().Get("RateLimit-Policy"))
		w = k.do("GET", "/x", "")
		require.Equal(t, [3]any{429, `"client";r=0;t=60`, "20"}, limited(w), "20 seconds, rounded up")
		require.Equal(t, `"client";q=3;w=60`, w.Header().Get("RateLimit-Policy"))
		require.JSONEq(t, `{"success":false,"data":null,"error":"too many requests: 3 in 1m0s are let through","code":"too_many"}`, w.Body.String())

		require.Equal(t, 200, k.do("GET", "/y", "").Code, "each endpoint counts for itself")
		require.Equal(t, 200, k.from("10.0.0.9:1", "/x").Code, "so does each client")
		free := k.do("GET", "/free", "")
		require.Empty(t, free.Header()["Ratelimit-Policy"])
		require.Empty(t, free.Header()["Ratelimit"])

		pass(t, 20*time.Second-101*time.Millisecond)
		require.Equal(t, [3]any{429, `"client";r=0;t=41`, "1"}, limited(k.do("GET", "/x", "")))
		pass(t, time.Millisecond)
		require.Equal(t, [3]any{200, `"client";r=0;t=60`, ""}, limited(k.do("GET", "/x", "")))
		require.Equal(t, 429, k.do("GET", "/x", "").Code)
		pass(t, time.Hour)
		require.Equal(t, [3]any{200, `"client";r=2;t=20`, ""}, limited(k.do("GET", "/x", "")))
	})
}

// TestClientsOfALimit: an address of IPv4 and a /64 of IPv6 are a client each; what is no address is one as well.
func TestClientsOfALimit(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		first, second string
		same          bool
	}{
		{"10.0.0.1:1", "10.0.0.1:2", true},
		{"10.0.0.1:1", "10.0.0.2:1", false},
		{"10.0.0.1:1", "[::ffff:10.0.0.1]:1", true},
		{"[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.2]:1", false},
		{"[2001:db8:0:1::1]:1", "[2001:db8:0:1:ffff:ffff:ffff:ffff]:1", true},
		{"[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", false},
		{"[fe80::1%eth0]:1", "[fe80::2%eth1]:1", true},
		{"@", "", true},
		{"@", "[::1]:1", false},
		{"0.0.0.0:1", "[::]:1", false},
	} {
		k := serve(t, func(b *app.Boot) {
			b.GET("/x", handle[nothing, app.Empty](), app.Limit(1, time.Hour, app.PerClient))
		})
		require.Equal(t, 200, k.from(tc.first, "/x").Code)
		require.Equal(t, tc.same, k.from(tc.second, "/x").Code == 429, "%q and %q", tc.first, tc.second)
		require.Equal(t, 429, k.from(tc.first, "/x").Code)
	}
}

// TestClientsBehindAProxy: a proxy that is trusted tells the client; one that is not is the client, and the log says so once.
func TestClientsBehindAProxy(t *testing.T) {
	t.Parallel()
	boot := func(b *app.Boot) {
		b.GET("/x", handle[nothing, app.Empty](), app.Limit(1, time.Hour, app.PerClient))
		b.GET("/free", handle[nothing, app.Empty]())
	}
	const warning = "a proxy passed on a request to an endpoint with a limit per client, and is not trusted: all its clients count as one; set APP_HTTP_TRUSTED_PROXIES to the proxy's address"
	k := serve(t, boot, func(p *httpserver.Params) { p.HTTP.TrustedProxies = []string{"10.0.0.0/8"} })
	require.Equal(t, 200, k.from("10.0.0.1:1", "/x", "X-Forwarded-For: 192.0.2.1").Code)
	require.Equal(t, 200, k.from("10.0.0.1:1", "/x", "X-Forwarded-For: 192.0.2.2").Code)
	require.Equal(t, 429, k.from("10.0.0.2:1", "/x", "X-Forwarded-For: 192.0.2.1").Code)
	require.Zero(t, k.logs.FilterMessage(warning).Len())

	for _, header := range []string{"X-Forwarded-For: 192.0.2.", "Forwarded: for=192.0.2."} {
		k = serve(t, boot)
		k.from("10.0.0.1:1", "/free", header+"1")
		require.Equal(t, 200, k.from("10.0.0.1:1", "/x").Code)
		require.Zero(t, k.logs.FilterMessage(warning).Len())
		require.Equal(t, 429, k.from("10.0.0.1:1", "/x", header+"1").Code)
		require.Equal(t, 429, k.from("10.0.0.1:1", "/x", header+"2").Code)
		require.Equal(t, 1, k.logs.FilterMessage(warning).FilterLevelExact(zap.WarnLevel).Len())
	}
}

// TestALimitPerPrincipal: it counts those alone who may call, whatever their address; the one per client counts before anybody is asked who calls.
func TestALimitPerPrincipal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		guarded := 0
		guard := func(ctx context.Context, _ *http.Request) (context.Context, error) { guarded++; return ctx, nil }
		k := serve(t, func(b *app.Boot) {
			b.GET("/x", app.Handle(who), app.SignedIn(), app.Guard(guard), app.Limit(2, time.Minute, app.PerPrincipal))
			b.GET("/both", app.Handle(who), app.Can("things.read"), app.Limit(1, time.Minute, app.PerPrincipal), app.Limit(4, time.Minute, app.PerClient))
		}, somebody)
		reader, writer := "Authorization: Bearer reader", "Authorization: Bearer writer"
		require.Equal(t, [3]any{200, `"principal";r=1;t=30`, ""}, limited(k.from("10.0.0.1:1", "/x", reader)))
		require.Equal(t, [3]any{200, `"principal";r=0;t=60`, ""}, limited(k.from("10.0.0.2:1", "/x", reader)))
		require.Equal(t, [3]any{429, `"principal";r=0;t=60`, "30"}, limited(k.from("10.0.0.3:1", "/x", reader)))
		require.Equal(t, 2, guarded, "guards come after it")
		require.Equal(t, 200, k.from("10.0.0.3:1", "/x", writer).Code)
		w := k.from("10.0.0.3:1", "/x")
		require.Equal(t, [3]any{401, "", ""}, limited(w), "nobody is counted")
		require.Equal(t, `"principal";q=2;w=60`, w.Header().Get("RateLimit-Policy"))

		require.Equal(t, [3]any{401, `"client";r=3;t=15`, ""}, limited(k.from("10.0.0.1:1", "/both")))
		require.Equal(t, [3]any{403, `"client";r=2;t=30`, ""}, limited(k.from("10.0.0.1:1", "/both", reader)))
		w = k.from("10.0.0.1:1", "/both", writer)
		require.Equal(t, [3]any{200, `"client";r=1;t=45, "principal";r=0;t=60`, ""}, limited(w))
		require.Equal(t, `"principal";q=1;w=60, "client";q=4;w=60`, w.Header().Get("RateLimit-Policy"))
		require.Equal(t, [3]any{429, `"client";r=0;t=60, "principal";r=0;t=60`, "60"}, limited(k.from("10.0.0.1:1", "/both", writer)))
		require.Equal(t, [3]any{429, `"client";r=0;t=60`, "15"}, limited(k.from("10.0.0.1:1", "/both", writer)))
	})
}

// TestSeveralLimitsOfAClient: a request counts in all of them, or in none when one refuses it. Those of the domain count too.
func TestSeveralLimitsOfAClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := serve(t, func(b *app.Boot) {
			b.GET("/x", handle[nothing, app.Empty](), app.Limit(10, 90*time.Second, app.PerClient), app.Limit(1, 1500*time.Millisecond, app.PerClient))
		})
		require.Equal(t, [3]any{200, `"client";r=9;t=9, "client-2";r=0;t=2`, ""}, limited(k.do("GET", "/x", "")))
		for range 20 {
			w := k.do("GET", "/x", "")
			require.Equal(t, [3]any{429, `"client";r=9;t=9, "client-2";r=0;t=2`, "2"}, limited(w))
			require.Equal(t, `"client";q=10;w=90, "client-2";q=1;w=2`, w.Header().Get("RateLimit-Policy"))
		}
		pass(t, 1500*time.Millisecond)
		require.Equal(t, [3]any{200, `"client";r=8;t=17, "client-2";r=0;t=2`, ""}, limited(k.do("GET", "/x", "")))
	})
}

// TestAllAnswersTellOfTheLimits: whatever kind of endpoint, and however it fails. A refused request's body is not read.
func TestAllAnswersTellOfTheLimits(t *testing.T) {
	t.Parallel()
	limit := app.Limit(1, time.Hour, app.PerClient)
	k := serve(t, func(b *app.Boot) {
		b.Raw("GET", "/raw", func(c *gin.Context) { c.String(http.StatusTeapot, "x") }, limit)
		b.GET("/binary", app.Handle(func(context.Context, nothing) (app.Binary, error) {
			return app.Binary{ContentType: "text/plain", Bytes: []byte("x")}, nil
		}), limit)
		b.POST("/cpu", app.HandleCPU(func(app.Job, nothing) (app.Empty, error) { return app.Empty{}, nil }), limit)
		b.GET("/fails", app.Handle(func(context.Context, nothing) (app.Empty, error) { return app.Empty{}, errInternal }), limit)
		b.GET("/panics", app.Handle(func(context.Context, nothing) (app.Empty, error) { panic("secret detail") }), limit)
		b.GET("/none", app.Handle(func(ctx context.Context, _ nothing) (app.Empty, error) {
			app.SetStatus(ctx, http.StatusNoContent)
			return app.Empty{}, nil
		}), limit)
		b.POST("/body", handle[productRequest, app.Empty](), limit)
	})
	for target, status := range map[string]int{
		"GET /raw": 418, "GET /binary": 200, "POST /cpu": 200, "GET /fails": 500, "GET /panics": 500, "GET /none": 204, "POST /body": 400,
	} {
		method, path, _ := strings.Cut(target, " ")
		w := k.do(method, path, "")
		require.Equal(t, [3]any{status, `"client";r=0;t=3600`, ""}, limited(w), target)
		require.Equal(t, `"client";q=1;w=3600`, w.Header().Get("RateLimit-Policy"), target)
		require.Equal(t, 429, k.do(method, path, "").Code, target)
	}
	r := httptest.NewRequest(http.MethodPost, "/body", untouched{t})
	w := httptest.NewRecorder()
	k.Handler().ServeHTTP(w, r)
	require.Equal(t, 429, w.Code)
}

// TestPagesMayReadTheLimits: the headers are exposed to pages of other origins.
func TestPagesMayReadTheLimits(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.GET("/x", handle[nothing, app.Empty](), app.Limit(1, time.Hour, app.PerClient))
	}, func(p *httpserver.Params) { p.HTTP.CORSOrigins = []string{"https://shop.example"} })
	for range 2 {
		w := k.do("GET", "/x", "", "Origin: https://shop.example")
		exposed := strings.Split(w.Header().Get("Access-Control-Expose-Headers"), ", ")
		require.Subset(t, exposed, []string{"RateLimit", "RateLimit-Policy", "Retry-After"})
	}
}

// TestLimitsThatAreMistakes: they are start errors.
func TestLimitsThatAreMistakes(t *testing.T) {
	t.Parallel()
	s := httpserver.New(httpserver.Params{HTTP: benchSettings(), Pool: inlinePool{}, Authenticator: tokens{}})
	h := handle[nothing, app.Empty]()
	nine := []app.EndpointOption{app.Public()}
	for range 9 {
		nine = append(nine, app.Limit(1, time.Second, app.PerClient))
	}
	problems := s.Check(endpointsOf(t, "test.plugin", func(b *app.Boot) {
		b.GET("/a", h, app.Public(), app.Limit(0, time.Second, app.PerClient), app.Limit(1_000_001, time.Second, app.PerClient))
		b.GET("/b", h, app.Public(), app.Limit(1, 999*time.Millisecond, app.PerClient), app.Limit(1, 24*time.Hour+1, app.PerClient))
		b.GET("/c", h, app.Public(), app.Limit(1, time.Second, app.PerPrincipal.Shared()))
		b.GET("/d", h, nine...)
		b.GET("/e", h, app.SignedIn(), app.Limit(1, time.Second, app.PerPrincipal), app.Limit(1_000_000, 24*time.Hour, app.PerClient))
	}))
	var texts []string
	for _, p := range problems {
		_, text, _ := strings.Cut(p.Error(), "): ")
		texts = append(texts, text)
	}
	require.Equal(t, []string{
		"GET /a: app.Limit takes from 1 to 1000000 requests, and not 0",
		"GET /a: app.Limit takes from 1 to 1000000 requests, and not 1000001",
		"GET /b: app.Limit takes a time from 1s to 24h0m0s, and not 999ms",
		"GET /b: app.Limit takes a time from 1s to 24h0m0s, and not 24h0m0.000000001s",
		"GET /c: app.Limit counts per principal, and everybody may call this endpoint: add app.SignedIn or app.Can, or count by app.PerClient",
		"GET /d: app.Limit is there 9 times, with those of the domain; 8 are the most",
	}, texts, problems)

	nobody := httpserver.New(httpserver.Params{HTTP: benchSettings(), Pool: inlinePool{}})
	problems = nobody.Check(endpointsOf(t, "test.plugin", func(b *app.Boot) { b.GET("/c", h, app.Limit(1, time.Second, app.PerPrincipal)) }))
	require.Len(t, problems, 1)
	require.ErrorContains(t, problems[0], "app.Limit counts per principal")
}

// TestTheStartWarnsOfLimitsPerClient: where clients come from other machines, and no proxy is trusted.
func TestTheStartWarnsOfLimitsPerClient(t *testing.T) {
	t.Parallel()
	perClient := func(b *app.Boot) {
		b.GET("/x", handle[nothing, app.Empty](), app.Public(), app.Limit(1, time.Hour, app.PerClient))
	}
	for name, tc := range map[string]struct {
		boot    func(*app.Boot)
		addr    string
		proxies []string
		warns   int
	}{
		"all addresses":           {perClient, ":0", nil, 1},
		"the loopback":            {perClient, "127.0.0.1:0", nil, 0},
		"a proxy that is trusted": {perClient, ":0", []string{"10.0.0.1"}, 0},
		"per principal": {func(b *app.Boot) {
			b.GET("/x", handle[nothing, app.Empty](), app.SignedIn(), app.Limit(1, time.Hour, app.PerPrincipal))
		}, ":0", nil, 0},
		"no limit": {func(b *app.Boot) { b.GET("/x", handle[nothing, app.Empty](), app.SignedIn()) }, ":0", nil, 0},
	} {
		k := serve(t, tc.boot, func(p *httpserver.Params) {
			p.HTTP.Addr, p.HTTP.TrustedProxies, p.Authenticator = tc.addr, tc.proxies, tokens{}
		})
		require.NoError(t, k.Listen(t.Context()), name)
		require.Equal(t, tc.warns, k.logs.FilterMessageSnippet("APP_HTTP_TRUSTED_PROXIES is empty").Len(), name)
	}
}
