package httpserver_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"plugboard/infra/httpserver"
)

// listening starts a server on a free port.
func listening(t *testing.T, change func(*httpserver.Params)) (addr string, registry *prometheus.Registry) {
	t.Helper()
	registry = prometheus.NewRegistry()
	p := httpserver.Params{HTTP: benchSettings(), Registerer: registry}
	p.HTTP.Addr = "127.0.0.1:0"
	change(&p)
	s := httpserver.New(p)
	require.Empty(t, s.Check(nil))
	require.NoError(t, s.Mount(nil))
	require.NoError(t, s.Listen(t.Context()))
	s.Serve()
	t.Cleanup(func() { _ = s.Close() })
	return s.Addr(), registry
}

// Whoever sent garbage left no trace: net/http answers it, or not, before any handler, and logs nothing. Each head that
// never became a request is counted, and nothing else is.
func TestHeadsThatBecomeNoRequestAreCounted(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	const good = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, tt := range map[string]struct {
		send  []string
		count float64
	}{
		"garbage":                      {[]string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"}, 1},
		"no host":                      {[]string{"GET / HTTP/1.1\r\n\r\n"}, 1},
		"a header too long":            {[]string{"GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 100_000)}, 1},
		"a version of its own":         {[]string{"GET / HTTP/9.9\r\nHost: x\r\n\r\n"}, 1},
		"too slow":                     {[]string{"GET / HT"}, 1},
		"a request and then garbage":   {[]string{good, "garbage\r\n\r\n"}, 1},
		"a request":                    {[]string{good}, 0},
		"two requests":                 {[]string{good, good}, 0},
		"a request that is the last":   {[]string{"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"}, 0},
		"a body that a handler leaves": {[]string{"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"}, 0},
		"nothing":                      {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overBoth(t, func(t *testing.T, w wire) {
				count := tt.count
				if w.certFile != "" && name == "a request and then garbage" {
					count = 0 // of a later head that arrives at once, net/http does not tell over TLS
				}
				addr, registry := listening(t, func(p *httpserver.Params) {
					p.Logger = zap.New(core)
					p.HTTP.HeaderTimeout = time.Second
					w.apply(p)
				})
				conn := w.dial(t, addr)
				reader := bufio.NewReader(conn)
				for i, text := range tt.send {
					_, _ = io.WriteString(conn, text) // it may be refused half-way
					if i+1 < len(tt.send) {
						answer, err := http.ReadResponse(reader, nil)
						require.NoError(t, err)
						_, _ = io.Copy(io.Discard, answer.Body)
					}
				}
				if tt.count == 0 { // the client ends it
					if len(tt.send) > 0 {
						answer, err := http.ReadResponse(reader, nil)
						require.NoError(t, err)
						_, _ = io.Copy(io.Discard, answer.Body)
					}
					require.NoError(t, conn.Close())
				} else { // the server does
					_, _ = io.Copy(io.Discard, reader)
				}
				require.Eventually(t, func() bool { return metric(t, registry, "plugboard_http_connections", "") == 0 }, 30*time.Second, 5*time.Millisecond)
				require.Eventually(t, func() bool { return metric(t, registry, "plugboard_http_heads_refused_total", "") == count }, 30*time.Second, 5*time.Millisecond)
				_ = conn.Close()
				for _, entry := range logs.All() {
					require.Equal(t, "request", entry.Message)
				}
			})
		})
	}
}
