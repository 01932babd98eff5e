package httpserver_test

import (
	"context"
	"net/http"
	"os"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

// The files of a form that a raw handler, or a guard, had parsed are removed after it, however it ends.
func TestRawUploadsLeaveNoFiles(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	files := func() int {
		left, err := os.ReadDir(folder)
		require.NoError(t, err)
		return len(left)
	}
	parse := func(r *http.Request) {
		require.NoError(t, r.ParseMultipartForm(0))
		require.Equal(t, 1, files(), "the file is on disk")
	}
	handlers := map[string]gin.HandlerFunc{
		"/returns": func(c *gin.Context) { parse(c.Request); c.Status(204) },
		"/panics":  func(c *gin.Context) { parse(c.Request); panic("broken") },
		"/copies": func(c *gin.Context) {
			c.Request = c.Request.WithContext(context.WithoutCancel(c.Request.Context()))
			parse(c.Request)
		},
	}
	k := serve(t, func(b *app.Boot) {
		for path, h := range handlers {
			b.Raw("POST", path, h)
		}
		b.Raw("POST", "/refuses", func(*gin.Context) {}, app.Guard(func(ctx context.Context, r *http.Request) (context.Context, error) {
			parse(r)
			return ctx, app.Errorf(app.Forbidden, "no")
		}))
	}, func(p *httpserver.Params) { p.Tracing = sdktrace.NewTracerProvider() })
	for path, status := range map[string]int{"/returns": 204, "/panics": 500, "/copies": 200, "/refuses": 403} {
		w := k.do("POST", path, multipartBody(filePart("f", "a", "content")), asMultipart)
		require.Equal(t, status, w.Code, path)
		require.Zero(t, files(), path)
	}
}

// A guard's headers are in the answers of raw endpoints too; in the handler itself they are Gin's to set.
func TestRawAnswersHaveTheHeadersOfTheirGuards(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		guard := app.Guard(func(ctx context.Context, _ *http.Request) (context.Context, error) {
			app.SetHeader(ctx, "RateLimit-Remaining", "3")
			app.SetHeader(ctx, "X-Request-Id", "forged")
			app.SetHeader(ctx, "Content-Type", "image/png")
			app.SetHeader(ctx, "Content-Length", "1")
			return ctx, nil
		})
		b.Raw("GET", "/raw", func(c *gin.Context) { c.String(200, "hi") }, guard)
		b.Raw("GET", "/panics", func(*gin.Context) { panic("broken") }, guard)
	})
	w := k.do("GET", "/raw", "", "X-Request-Id: r1")
	require.Equal(t, "hi", w.Body.String())
	require.Equal(t, "3", w.Header().Get("RateLimit-Remaining"))
	require.Equal(t, "r1", w.Header().Get("X-Request-Id"))
	require.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
	require.Empty(t, w.Header().Get("Content-Length"))
	require.Empty(t, k.do("GET", "/panics", "").Header().Get("RateLimit-Remaining"))
}
