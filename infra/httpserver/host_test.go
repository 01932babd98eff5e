package httpserver_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/httpserver"
)

func TestProbes(t *testing.T) {
	t.Parallel()
	const notReady = `{"success":false,"data":null,"error":"not ready","code":"unavailable"}`
	k := serve(t, func(*app.Boot) {})
	require.Equal(t, `{"success":true,"data":{"status":"alive"},"error":null}`, k.do("GET", "/livez", "").Body.String())
	require.Equal(t, 503, k.do("GET", "/readyz", "").Code, "not started")

	var broken error
	k.SetReady(func(context.Context) error { return broken })
	require.Equal(t, `{"success":true,"data":{"status":"ready"},"error":null}`, k.do("GET", "/readyz", "").Body.String())
	broken = errors.New("the database at 10.0.0.1 is gone")
	w := k.do("GET", "/readyz", "")
	require.Equal(t, notReady, w.Body.String())
	require.Equal(t, "1", w.Header().Get("Retry-After"))

	broken = nil
	k.Drain()
	require.Equal(t, notReady, k.do("GET", "/readyz", "").Body.String())
	w = k.do("GET", "/livez", "")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "close", w.Header().Get("Connection"))
}

func TestDocsAreServedFromTheBinary(t *testing.T) {
	t.Parallel()
	spec := func(p *httpserver.Params) { p.Spec = func() string { return `{"openapi":"3.0.3"}` } }
	k := serve(t, func(*app.Boot) {}, spec)
	w := k.do("GET", "/openapi.json", "")
	require.Equal(t, `{"openapi":"3.0.3"}`, w.Body.String())
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))

	w = k.do("GET", "/docs", "")
	require.Equal(t, 301, w.Code)
	require.Equal(t, "docs/", w.Header().Get("Location"))

	page := k.do("GET", "/docs/", "")
	require.Equal(t, 200, page.Code)
	require.Contains(t, page.Header().Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'")
	require.NotRegexp(t, `(src|href)="(https?:)?//`, page.Body.String())
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.Body.String(), -1) {
		asset := k.do("GET", "/docs/"+m[1], "")
		require.Equal(t, 200, asset.Code, m[1])
		require.NotEmpty(t, asset.Header().Get("Content-Type"))
		require.NotEmpty(t, asset.Body.Len())
	}
	plain := k.do("GET", "/docs/swagger-ui.css", "")
	require.Empty(t, plain.Header().Get("Content-Encoding"))
	for accepted, packed := range map[string]bool{"br, GZIP": true, "gzip;q=0.1": true, "gzip; q=0.0": false, "br": false} {
		asset := k.do("GET", "/docs/swagger-ui.css", "", "Accept-Encoding: "+accepted)
		require.Equal(t, "Accept-Encoding", asset.Header().Get("Vary"))
		body := io.Reader(asset.Body)
		if packed {
			require.Equal(t, "gzip", asset.Header().Get("Content-Encoding"), accepted)
			require.Less(t, asset.Body.Len(), plain.Body.Len()/4)
			var err error
			body, err = gzip.NewReader(body)
			require.NoError(t, err)
		}
		text, err := io.ReadAll(body)
		require.NoError(t, err)
		require.Equal(t, plain.Body.String(), string(text), accepted)
	}
	require.Equal(t, 404, k.do("GET", "/docs/swagger-ui.js", "").Code)
	require.Equal(t, 404, k.do("GET", "/docs/swagger-ui.css.gz", "").Code)
	require.Equal(t, 404, k.do("GET", "/docs/../openapi.json", "").Code)

	off := serve(t, func(*app.Boot) {}, spec, func(p *httpserver.Params) { p.HTTP.Docs = "off" })
	require.Equal(t, 404, off.do("GET", "/docs/", "").Code)
	require.Equal(t, 404, off.do("GET", "/openapi.json", "").Code)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	k := serve(t, func(b *app.Boot) { b.GET("/x/:id", app.Handle(accept[idRequest])) }, func(p *httpserver.Params) {
		p.Registerer = registry
		p.Gatherer = registry
	})
	for _, target := range []string{"/x/1", "/x/2", "/x/y", "/no", "/nope"} {
		k.do("GET", target, "")
	}
	k.do("BREW", "/no", "")
	k.do("HEAD", "/x/1", "")
	text := k.metrics()
	for _, want := range []string{
		`plugboard_http_requests_total{method="GET",route="/x/:id",status="200"} 2`,
		`plugboard_http_requests_total{method="GET",route="/x/:id",status="422"} 1`,
		`plugboard_http_requests_total{method="HEAD",route="/x/:id",status="200"} 1`,
		`plugboard_http_requests_total{method="GET",route="unknown",status="404"} 2`,
		`plugboard_http_requests_total{method="other",route="unknown",status="404"} 1`,
		`plugboard_http_request_duration_seconds_count{method="GET",route="/x/:id"} 3`,
		`plugboard_ready 0`,
		`plugboard_http_requests_in_flight 0`,
	} {
		require.Contains(t, text, want)
	}
	again := httpserver.New(httpserver.Params{HTTP: benchSettings(), Registerer: registry})
	require.ErrorContains(t, errors.Join(again.Check(nil)...), "set up http server: duplicate metrics")
}

func TestModuleProvidesTheServer(t *testing.T) {
	t.Parallel()
	var s *httpserver.Server
	cfg := benchSettings()
	cfg.Docs = "on"
	registry := prometheus.NewRegistry()
	err := fx.New(fx.NopLogger, httpserver.Module, httpserver.Spec(func() string { return "{}" }),
		fx.Supply(cfg, config.App{}, config.Ops{Addr: "off"}, config.Log{Access: true}, zap.NewNop()),
		fx.Provide(func() (prometheus.Registerer, prometheus.Gatherer, app.Pool) { return registry, registry, inlinePool{} }),
		fx.Populate(&s)).Err()
	require.NoError(t, err)
	k := kit{Server: s}
	require.Equal(t, "{}", k.do("GET", "/openapi.json", "").Body.String())
	require.Contains(t, k.metrics(), "plugboard_http")
	require.Equal(t, http.StatusNotFound, k.do("GET", "/x", "").Code)
}
