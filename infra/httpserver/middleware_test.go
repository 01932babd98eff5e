package httpserver_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

// withMiddleware gives k the middleware, as Fx would.
func withMiddleware(k kit, options ...fx.Option) error {
	return fx.New(fx.NopLogger, fx.Supply(k.Server, zap.NewNop()), fx.Options(options...)).Err()
}

// marks returns middleware that adds its name to a header of the answer, on the way in.
func marks(name string) httpserver.MiddlewareFunc {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Way", name)
			next.ServeHTTP(w, r)
		})
	}
}

func TestMiddlewareIsOutermostInTheOrderOfTheList(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.GET("/here", app.Handle(func(ctx context.Context, _ app.Empty) (string, error) { return app.RequestID(ctx), nil }))
	}, func(p *httpserver.Params) {
		p.HTTP.Hosts = []string{"example.com"}
		p.Spec = func() string { return "{}" }
	})
	identify := func(*zap.Logger) (httpserver.MiddlewareFunc, error) {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/closed" {
					w.WriteHeader(http.StatusTeapot)
					return
				}
				r.Header.Set("X-Request-Id", "from-the-middleware")
				next.ServeHTTP(w, r)
			})
		}, nil
	}
	require.NoError(t, withMiddleware(k, httpserver.Middleware(marks("one")), httpserver.Middleware(identify), httpserver.Middleware(marks("two"))))
	for target, status := range map[string]int{
		"/here": 200, "/livez": 200, "/openapi.json": 200, "/nowhere": 404, "http://evil.example/here": http.StatusMisdirectedRequest,
	} {
		w := k.do(http.MethodGet, target, "")
		require.Equal(t, status, w.Code, target)
		require.Equal(t, []string{"one", "two"}, w.Header().Values("Way"), target)
		require.Equal(t, "from-the-middleware", w.Header().Get("X-Request-Id"), target)
	}
	w := k.do(http.MethodGet, "/closed", "")
	require.Equal(t, http.StatusTeapot, w.Code)
	require.Equal(t, []string{"one"}, w.Header().Values("Way"))
}

func TestWhatIsNoMiddlewareIsAStartError(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]any{
		"nothing": nil, "a nil function": httpserver.MiddlewareFunc(nil), "a text": "x", "another function": func() {},
		"two results": func() (httpserver.MiddlewareFunc, string) { return nil, "" },
	} {
		k := serve(t, func(*app.Boot) {})
		err := withMiddleware(k, httpserver.Middleware(with))
		require.ErrorContains(t, err, "middleware_test.go:", name)
		require.ErrorContains(t, err, "takes a func(http.Handler) http.Handler, or a constructor that returns one", name)
	}
	k := serve(t, func(*app.Boot) {})
	require.ErrorContains(t, withMiddleware(k, httpserver.Middleware(func() (httpserver.MiddlewareFunc, error) { return nil, errors.New("no key") })), "no key")
	require.ErrorContains(t, withMiddleware(k, httpserver.Middleware(func() httpserver.MiddlewareFunc { return nil })), "returned nil")
	require.ErrorContains(t, withMiddleware(k, httpserver.Middleware(func(*strings.Builder) httpserver.MiddlewareFunc { return nil })), "*strings.Builder")

	none := httpserver.New(httpserver.Params{HTTP: benchSettings()})
	require.NoError(t, withMiddleware(kit{Server: none}, httpserver.Middleware(func(http.Handler) http.Handler { return nil })))
	require.ErrorContains(t, none.Mount(nil), "a middleware returned no handler")
}

func TestAPanicOfMiddlewareIsAnsweredAndLogged(t *testing.T) {
	t.Parallel()
	k := serve(t, func(*app.Boot) {})
	require.NoError(t, withMiddleware(k, httpserver.Middleware(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/late" {
				_, _ = io.WriteString(w, "half")
			}
			if r.URL.Path == "/abort" {
				panic(http.ErrAbortHandler)
			}
			panic("out of keys")
		})
	})))
	w := k.do(http.MethodGet, "/early", "")
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.Equal(t, `{"success":false,"data":null,"error":"internal error","code":"internal"}`, w.Body.String())
	require.Len(t, k.logs.FilterMessage("request panicked").All(), 1)
	require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { k.do(http.MethodGet, "/late", "") })
	require.Len(t, k.logs.FilterMessage("middleware panicked").All(), 1)
	require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { k.do(http.MethodGet, "/abort", "") })
	require.Len(t, k.logs.FilterMessage("middleware panicked").All(), 1)
}

// plainWriter hides the connection, honestWriter does not.
type plainWriter struct{ http.ResponseWriter }

type honestWriter struct{ http.ResponseWriter }

func (w honestWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Behind middleware with a writer of its own, endpoints stream, have deadlines and take the connection over, if the writer has Unwrap.
// Otherwise the log says so, once.
func TestMiddlewareThatReplacesTheWriter(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string]func(http.ResponseWriter) http.ResponseWriter{
		"honest": func(w http.ResponseWriter) http.ResponseWriter { return honestWriter{w} },
		"plain":  func(w http.ResponseWriter) http.ResponseWriter { return plainWriter{w} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			released := make(chan struct{})
			k := serve(t, func(b *app.Boot) {
				b.Raw(http.MethodGet, "/stream", func(c *gin.Context) {
					_, _ = io.WriteString(c.Writer, "first\n")
					c.Writer.Flush()
					<-released
				}, app.Timeout(0), app.Hidden())
				b.Raw(http.MethodGet, "/upgrade", func(c *gin.Context) {
					conn, _, err := http.NewResponseController(c.Writer).Hijack()
					if err == nil {
						_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
						_ = conn.Close()
					}
				}, app.Hidden())
			})
			require.NoError(t, withMiddleware(k, httpserver.Middleware(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(replace(w), r) })
			})))
			require.NoError(t, k.Listen(t.Context()))
			k.Serve()
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", k.Addr())
			require.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
			require.NoError(t, err)
			if name == "plain" {
				close(released)
			}
			got := make(chan string, 1)
			go func() {
				lines := bufio.NewScanner(conn)
				for lines.Scan() && lines.Text() != "first" {
				}
				got <- lines.Text()
			}()
			select {
			case line := <-got:
				require.Equal(t, "first", line)
			case <-time.After(20 * time.Second):
				t.Fatal("the first part did not come")
			}
			logged := k.logs.FilterMessageSnippet("a middleware hides the connection").Len()
			if name == "plain" {
				require.Equal(t, 1, logged)
				return
			}
			close(released)
			require.Zero(t, logged)
			up, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", k.Addr())
			require.NoError(t, err)
			defer up.Close()
			_, err = io.WriteString(up, "GET /upgrade HTTP/1.1\r\nHost: x\r\n\r\n")
			require.NoError(t, err)
			line, err := bufio.NewReader(up).ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "HTTP/1.1 101 Switching Protocols\r\n", line)
		})
	}
}
