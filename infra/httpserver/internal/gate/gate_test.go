package gate_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/httpserver/internal/gate"
)

func newGate(t *testing.T, cfg config.HTTP) *gate.Gate {
	t.Helper()
	g, err := gate.New(cfg)
	require.NoError(t, err)
	return g
}

func TestHosts(t *testing.T) {
	t.Parallel()
	loopback, public := config.HTTP{Addr: "127.0.0.1:8080"}, config.HTTP{Addr: ":8080"}
	named := config.HTTP{Addr: ":8080", Hosts: []string{"Shop.example", "shop.example:8443"}}
	for _, tc := range []struct {
		cfg   config.HTTP
		host  string
		known bool
	}{
		{loopback, "localhost:8080", true},
		{loopback, "app.localhost", true},
		{loopback, "[::1]:8080", true},
		{loopback, "evil.example", false}, // its owner had the name lead to 127.0.0.1
		{public, "evil.example", true},
		{named, "SHOP.example.", true},
		{named, "shop.example:9", true},
		{named, "localhost", false},
		{config.HTTP{Addr: "127.0.0.1:1", Hosts: []string{"*"}}, "evil.example", true},
	} {
		require.Equal(t, tc.known, newGate(t, tc.cfg).Knows(tc.host), "%+v", tc)
	}
	require.True(t, newGate(t, public).AnswersAnyHost())
	require.False(t, newGate(t, named).AnswersAnyHost())
}

func TestPagesOfOtherSites(t *testing.T) {
	t.Parallel()
	post := func(origin, cookie string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "http://shop.example/x", http.NoBody)
		r.Header.Set("Origin", origin)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if cookie != "" {
			r.Header.Set("Cookie", cookie)
		}
		return r
	}
	closed := newGate(t, config.HTTP{CORSOrigins: []string{"https://friend.example"}})
	require.NoError(t, closed.Admits(post("https://friend.example", "s=1")))
	require.Equal(t, app.Forbidden, app.CodeOf(closed.Admits(post("https://evil.example", ""))))
	open := newGate(t, config.HTTP{CORSOrigins: []string{"*"}})
	require.NoError(t, open.Admits(post("https://evil.example", "")))
	require.Equal(t, app.Forbidden, app.CodeOf(open.Admits(post("https://evil.example", "s=1"))), "it acts for somebody")
	_, err := gate.New(config.HTTP{CORSOrigins: []string{"no origin"}})
	require.Error(t, err)
}

func TestOriginHeaders(t *testing.T) {
	t.Parallel()
	headers := func(cfg config.HTTP, origin string) http.Header {
		h, r := http.Header{}, httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("Origin", origin)
		newGate(t, cfg).SetOrigin(h, r)
		return h
	}
	require.Empty(t, headers(config.HTTP{}, "https://a.example"))
	require.Equal(t, "*", headers(config.HTTP{CORSOrigins: []string{"*"}}, "https://a.example").Get("Access-Control-Allow-Origin"))
	named := config.HTTP{CORSOrigins: []string{"https://a.example"}, CORSCredentials: true, CORSMaxAge: time.Minute}
	h := headers(named, "https://a.example")
	require.Equal(t, []string{"https://a.example", "true", "Origin"}, []string{h.Get("Access-Control-Allow-Origin"), h.Get("Access-Control-Allow-Credentials"), h.Get("Vary")})
	require.Equal(t, http.Header{"Vary": {"Origin"}}, headers(named, "https://b.example"))
	require.Equal(t, "60", newGate(t, named).MaxAge)

	preflight := httptest.NewRequest(http.MethodOptions, "/", http.NoBody)
	preflight.Header.Set("Access-Control-Request-Method", "PUT")
	preflight.Header.Set("Origin", "https://a.example")
	require.True(t, newGate(t, named).IsPreflight(preflight))
	preflight.Header.Set("Origin", "https://b.example")
	require.False(t, newGate(t, named).IsPreflight(preflight))
}
