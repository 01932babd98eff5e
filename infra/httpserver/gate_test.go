package httpserver_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/httpserver"
)

type tokenRequest struct {
	Token string `header:"X-Token"`
}

// crossed serves one endpoint of each kind with the settings that change makes.
func crossed(t *testing.T, change func(*config.HTTP)) kit {
	t.Helper()
	return serve(t, func(b *app.Boot) {
		b.GET("/x/:id", app.Handle(func(context.Context, struct {
			tokenRequest
			ID int `uri:"id"`
		}) (app.Empty, error) {
			return app.Empty{}, nil
		}))
		b.POST("/x/:id", app.Handle(func(context.Context, struct {
			ID int `uri:"id"`
		}) (app.Empty, error) {
			return app.Empty{}, nil
		}), app.Guard(func(context.Context, *http.Request) (context.Context, error) {
			return nil, app.Errorf(app.Unauthorized, "no")
		}))
		b.GET("/x/me", app.Handle(accept[tokenRequest]))
		b.POST("/once", app.Handle(accept[tokenRequest]), app.Idempotent())
		b.Raw("PUT", "/files/*path", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	}, func(p *httpserver.Params) { change(&p.HTTP) })
}

// A page of another site could have its own name lead to 127.0.0.1, and read and change what it liked.
func TestOnlyKnownHostsAreAnsweredFor(t *testing.T) {
	t.Parallel()
	status := func(k kit, host, path string) int {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Host = host
		w := httptest.NewRecorder()
		k.Handler().ServeHTTP(w, r)
		if w.Code == 421 {
			require.Contains(t, w.Body.String(), `"code":"misdirected"`)
			require.Contains(t, w.Body.String(), "APP_HTTP_HOSTS")
		}
		return w.Code
	}
	loopback := crossed(t, func(c *config.HTTP) { c.Hosts = nil })
	for _, host := range []string{"localhost", "LOCALHOST:8080", "shop.localhost", "127.0.0.1", "127.8.8.8:1", "[::1]:80", "[::1]", "localhost."} {
		require.Equal(t, 200, status(loopback, host, "/x/1"), host)
	}
	for _, host := range []string{"rebind.example", "127.0.0.1.example", "localhost.example:80", "10.0.0.1", "", "example", "127.0.0.1@x", "xlocalhost"} {
		require.Equal(t, 421, status(loopback, host, "/x/1"), host)
		require.NotEqual(t, 421, status(loopback, host, "/livez"), host)
		require.NotEqual(t, 421, status(loopback, host, "/readyz"), host)
	}
	public := crossed(t, func(c *config.HTTP) { c.Hosts, c.Addr = nil, "0.0.0.0:80" })
	require.Equal(t, 200, status(public, "any.example", "/x/1"))
	named := crossed(t, func(c *config.HTTP) { c.Hosts, c.Addr = []string{"Shop.example", "10.0.0.7:8080"}, "0.0.0.0:80" })
	for host, want := range map[string]int{"shop.example": 200, "SHOP.example.:443": 200, "10.0.0.7:8080": 200, "10.0.0.7": 421, "localhost": 421, "x.shop.example": 421} {
		require.Equal(t, want, status(named, host, "/x/1"), host)
	}
}

// Browsers tell where a request comes from. A form or a script of another site must not act with the user's cookies.
func TestPagesOfOtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	k := crossed(t, func(c *config.HTTP) { c.CORSOrigins = []string{"https://shop.example"} })
	for headers, want := range map[string]int{
		"":                            401, // no browser: curl, services
		"Sec-Fetch-Site: same-origin": 401,
		"Sec-Fetch-Site: none":        401,
		"Sec-Fetch-Site: cross-site":  403,
		"Sec-Fetch-Site: same-site":   403,
		"Sec-Fetch-Site: cross-site|Origin: https://shop.example":   401,
		"Sec-Fetch-Site: cross-site|Origin: https://evil.example":   403,
		"Origin: https://evil.example":                              403,
		"Origin: http://example.com":                                401,
		"Origin: null":                                              403,
		"Origin: https://shop.example.evil.example":                 403,
		"Sec-Fetch-Site: cross-site|Origin: https://shop.example:1": 403,
	} {
		var lines []string
		if headers != "" {
			lines = strings.Split(headers, "|")
		}
		w := k.do("POST", "/x/1", "", lines...)
		require.Equal(t, want, w.Code, headers)
		if want == 403 {
			require.Equal(t, `{"success":false,"data":null,"error":"a page of another site made this request; the setting APP_HTTP_CORS_ORIGINS names the sites that may","code":"forbidden"}`, w.Body.String())
		}
		require.Equal(t, 200, k.do("GET", "/x/1", "", lines...).Code, headers)
	}
	open := crossed(t, func(c *config.HTTP) { c.CORSOrigins = []string{"*"} })
	require.Equal(t, 401, open.do("POST", "/x/1", "", "Sec-Fetch-Site: cross-site", "Origin: https://any.example").Code)
	require.Equal(t, 403, open.do("POST", "/x/1", "", "Sec-Fetch-Site: cross-site", "Origin: https://any.example", "Cookie: a=b").Code)
}

func TestPagesOfNamedSitesReadAnswers(t *testing.T) {
	t.Parallel()
	k := crossed(t, func(c *config.HTTP) {
		c.CORSOrigins, c.CORSCredentials, c.CORSMaxAge = []string{"https://shop.example"}, true, 10*time.Minute
	})
	for _, path := range []string{"/x/1", "/x/word", "/nowhere"} { // 200, 422, 404
		h := k.do("GET", path, "", "Origin: https://shop.example").Header()
		require.Equal(t, "https://shop.example", h.Get("Access-Control-Allow-Origin"), path)
		require.Equal(t, "true", h.Get("Access-Control-Allow-Credentials"), path)
		require.Equal(t, "Origin", h.Get("Vary"), path)
		require.Subset(t, strings.Split(h.Get("Access-Control-Expose-Headers"), ", "), []string{"Idempotency-Replayed", "WWW-Authenticate"})
		h = k.do("GET", path, "", "Origin: https://evil.example").Header()
		require.Empty(t, h.Get("Access-Control-Allow-Origin"), path)
		require.Equal(t, "Origin", h.Get("Vary"), path)
	}
	ask := func(path, method string) http.Header {
		w := k.do("OPTIONS", path, "", "Origin: https://shop.example", "Access-Control-Request-Method: "+method, "Access-Control-Request-Headers: x-other")
		require.Equal(t, 204, w.Code, "%s %s", method, path)
		require.Equal(t, "600", w.Header().Get("Access-Control-Max-Age"))
		return w.Header()
	}
	const usual = "Accept, Authorization, Content-Type, If-Match, If-None-Match, Range, Traceparent, X-Request-Id"
	require.Equal(t, "GET, HEAD, POST", ask("/x/1", "GET").Get("Access-Control-Allow-Methods"))
	require.Equal(t, usual+", X-Token", ask("/x/1", "GET").Get("Access-Control-Allow-Headers"))
	require.Equal(t, usual, ask("/x/1", "POST").Get("Access-Control-Allow-Headers"))
	require.Equal(t, usual+", X-Token, Idempotency-Key", ask("/once", "POST").Get("Access-Control-Allow-Headers"))
	require.Equal(t, usual+", x-other", ask("/files/a/b", "PUT").Get("Access-Control-Allow-Headers"))
	require.Equal(t, "PUT", ask("/files/a/b", "PUT").Get("Access-Control-Allow-Methods"))
	require.Equal(t, "GET, HEAD, POST", ask("/x/me", "GET").Get("Access-Control-Allow-Methods"))
	require.Empty(t, ask("/x/1/2", "GET").Get("Access-Control-Allow-Methods"))

	foreign := k.do("OPTIONS", "/x/1", "", "Origin: https://evil.example", "Access-Control-Request-Method: GET")
	require.Empty(t, foreign.Header().Get("Access-Control-Allow-Methods"))
	require.Equal(t, "GET, HEAD, OPTIONS, POST", foreign.Header().Get("Allow"))
	closed := crossed(t, func(*config.HTTP) {})
	h := closed.do("OPTIONS", "/x/1", "", "Origin: https://shop.example", "Access-Control-Request-Method: GET").Header()
	require.Empty(t, h.Get("Access-Control-Allow-Origin")+h.Get("Access-Control-Allow-Methods")+h.Get("Vary"))
	open := crossed(t, func(c *config.HTTP) { c.CORSOrigins = []string{"*"} }).do("GET", "/x/1", "", "Origin: https://any.example").Header()
	require.Equal(t, "*", open.Get("Access-Control-Allow-Origin"))
	require.Empty(t, open.Get("Access-Control-Allow-Credentials"))
}

func TestAnswersAreKeptFromBrowsersAndCaches(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.GET("/x", app.Handle(func(ctx context.Context, _ struct{}) (app.Empty, error) {
			app.SetHeader(ctx, "Cache-Control", "max-age=60")
			return app.Empty{}, nil
		}))
		b.GET("/fail", app.Handle(func(context.Context, struct{}) (app.Binary, error) {
			return app.Binary{ContentType: "text/plain", MaxAge: time.Hour, Stream: brokenReader{}}, nil
		}))
	})
	for path, control := range map[string]string{"/x": "max-age=60", "/nowhere": "no-store", "/fail": "no-store", "/livez": "no-store"} {
		h := k.do("GET", path, "").Header()
		require.Equal(t, "default-src 'none'; frame-ancestors 'none'", h.Get("Content-Security-Policy"), path)
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), path)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, control, h.Get("Cache-Control"), path)
	}
}

// brokenReader fails at once.
type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestOperationsListener(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	start := func(cfg config.Ops) (*httpserver.Server, error) {
		s := httpserver.New(httpserver.Params{
			HTTP: func() config.HTTP { c := benchSettings(); c.Addr = "127.0.0.1:0"; return c }(), Ops: cfg, Logger: zap.NewNop(),
			Gatherer: registry,
		})
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		err := s.Listen(t.Context())
		s.Serve()
		return s, err
	}
	get := func(addr, path, host string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
		require.NoError(t, err)
		r.Host = host
		answer, err := (&http.Client{Timeout: time.Minute}).Do(r)
		require.NoError(t, err)
		defer func() { require.NoError(t, answer.Body.Close()) }()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(body)
	}
	status := func(addr, path, host string) int { code, _ := get(addr, path, host); return code }

	s, err := start(config.Ops{Addr: "127.0.0.1:0"})
	require.NoError(t, err)
	require.Equal(t, 200, status(s.OpsAddr(), "/metrics", ""))
	require.Equal(t, 404, status(s.Addr(), "/metrics", ""))
	require.Equal(t, 421, status(s.OpsAddr(), "/metrics", "rebind.example"))
	require.Equal(t, 200, status(s.OpsAddr(), "/livez", "rebind.example"))
	require.Equal(t, 503, status(s.OpsAddr(), "/readyz", ""))
	require.Equal(t, 404, status(s.OpsAddr(), "/debug/pprof/cmdline", ""))
	_, body := get(s.OpsAddr(), "/x", "")
	require.Equal(t, `{"success":false,"data":null,"error":"there is nothing at this path","code":"not_found"}`, body)
	s.SetReady(func(context.Context) error { return nil })
	require.Equal(t, 200, status(s.OpsAddr(), "/readyz", ""))
	s.Drain()
	require.Equal(t, 503, status(s.OpsAddr(), "/readyz", ""))
	require.NoError(t, s.Shutdown(t.Context()))
	require.Equal(t, 200, status(s.OpsAddr(), "/metrics", ""), "it lives until the server is closed")

	profiled, err := start(config.Ops{Addr: "127.0.0.1:0", Pprof: true})
	require.NoError(t, err)
	require.Equal(t, 200, status(profiled.OpsAddr(), "/debug/pprof/cmdline", ""))
	off, err := start(config.Ops{Addr: "off"})
	require.NoError(t, err)
	require.Empty(t, off.OpsAddr())
	_, err = start(config.Ops{Addr: s.OpsAddr()})
	require.ErrorContains(t, err, "another process uses this address; stop it, or set APP_OPS_ADDR")
	one, err := start(config.Ops{Addr: "auto"}) // whoever has the usual port, both start
	require.NoError(t, err)
	two, err := start(config.Ops{Addr: "auto"})
	require.NoError(t, err)
	require.NotEqual(t, one.OpsAddr(), two.OpsAddr())
	require.Equal(t, 200, status(two.OpsAddr(), "/livez", ""))
}

// selfSigned writes a certificate with the name to the files.
func selfSigned(t *testing.T, certFile, keyFile, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
}

func TestCertificatesAreReadAnewWhenTheyChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cfg := benchSettings()
	cfg.Addr, cfg.TLSCert, cfg.TLSKey = "127.0.0.1:0", certFile, keyFile
	missing := httpserver.New(httpserver.Params{HTTP: cfg})
	require.ErrorContains(t, missing.Listen(t.Context()), "read the certificate (APP_HTTP_TLS_CERT, APP_HTTP_TLS_KEY)")
	require.NoError(t, missing.Close())

	selfSigned(t, certFile, keyFile, "first")
	s := httpserver.New(httpserver.Params{HTTP: cfg})
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Listen(t.Context()))
	s.Serve()
	name := func() string {
		conn, err := tls.Dial("tcp", s.Addr(), &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close()) }()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	require.Equal(t, "first", name())
	selfSigned(t, certFile, keyFile, "second")
	require.Eventually(t, func() bool { return name() == "second" }, 20*time.Second, 100*time.Millisecond)
	require.NoError(t, os.WriteFile(certFile, []byte("nonsense"), 0o600))
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range 15 { // in this goroutine: one that require.Never left behind would end the process
		<-tick.C
		require.Equal(t, "second", name())
	}
}
