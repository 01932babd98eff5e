package httpserver_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

type hostilePatch struct {
	ID    int64                `uri:"id"`
	Name  app.Optional[string] `json:"name" binding:"min=1,max=5"`
	Price *float64             `json:"price" binding:"gt=0"`
}

type hostileList struct {
	app.PageQuery
	Q      string    `form:"q" binding:"max=5"`
	Sort   string    `form:"sort" binding:"omitempty,oneof=name -name"`
	IDs    []uint8   `form:"id"`
	Active *bool     `form:"active"`
	Ratio  float64   `form:"ratio"`
	From   time.Time `form:"from"`
	Count  uint      `header:"X-Count"`
}

type hostileTree struct {
	Note  *string `json:"note"`
	Items []struct {
		Price int8           `json:"price" binding:"required,gt=0"`
		Tags  map[string]int `json:"tags"`
	} `json:"items" binding:"required,max=3,dive"`
}

type hostileUpload struct {
	Title string    `form:"title" binding:"required"`
	Image *app.File `form:"image" binding:"required"`
}

type hostileForm struct {
	Name string `form:"name" binding:"required"`
	N    int    `form:"n"`
}

type strictBody struct {
	Name string `json:"name"`
}

type strictQuery struct {
	Name string `form:"name"`
}

func accept[Req any](context.Context, Req) (app.Empty, error) { return app.Empty{}, nil }

// hostileServer listens with small limits on endpoints of every kind.
func hostileServer(t testing.TB) kit {
	k := serve(t, hostileEndpoints, func(p *httpserver.Params) {
		p.HTTP.BodyLimit, p.HTTP.HeaderLimit = 4096, 8192
		p.HTTP.ReadTimeout = 300 * time.Millisecond
	})
	require.NoError(t, k.Listen(t.Context()))
	k.Serve()
	return k
}

func hostileEndpoints(b *app.Boot) {
	b.POST("/products", app.Handle(accept[productRequest]), app.Status(201))
	b.GET("/products", app.Handle(accept[hostileList]))
	b.GET("/products/:id", app.Handle(accept[idRequest]))
	b.PATCH("/products/:id", app.Handle(accept[hostilePatch]))
	b.DELETE("/products/:id", app.Handle(accept[idRequest]), app.Status(204))
	b.POST("/trees", app.Handle(accept[hostileTree]))
	b.POST("/uploads", app.Handle(accept[hostileUpload]))
	b.POST("/forms", app.Handle(accept[hostileForm]))
	b.POST("/strict", app.Handle(accept[strictBody]), app.Strict())
	b.GET("/strict", app.Handle(accept[strictQuery]), app.Strict())
	b.POST("/guarded", app.Handle(accept[productRequest]), app.Guard(func(ctx context.Context, _ *http.Request) (context.Context, error) {
		return ctx, app.Errorf(app.Unauthorized, "who are you?")
	}))
	b.GET("/names/:name", app.Handle(accept[struct {
		Name string `uri:"name"`
	}]))
	b.GET("/panic", app.Handle(func(context.Context, nothing) (app.Empty, error) { panic("secret") }))
	b.GET("/exit", app.Handle(func(context.Context, nothing) (app.Empty, error) { runtime.Goexit(); return app.Empty{}, nil }))
	b.Raw("POST", "/raw", func(c *gin.Context) {
		if _, err := io.Copy(io.Discard, c.Request.Body); err != nil {
			c.Status(http.StatusRequestEntityTooLarge)
		}
	})
}

// request builds the bytes of a request. Content-Length is added for a body unless the head has its own framing.
func request(line, body string, headers ...string) string {
	head := line + " HTTP/1.1\r\nHost: x\r\n"
	framed := false
	for _, h := range headers {
		head += h + "\r\n"
		framed = framed || strings.HasPrefix(h, "Content-Length") || strings.HasPrefix(h, "Transfer-Encoding")
	}
	if body != "" && !framed {
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return head + "\r\n" + body
}

func jsonPost(path, body string) string { return request("POST "+path, body, asJSON) }

func chunked(path, body string, headers ...string) string {
	return request("POST "+path, fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body), append(headers, "Transfer-Encoding: chunked")...)
}

// multipartBody has the parts as they are, between boundaries.
func multipartBody(parts ...string) string {
	body := ""
	for _, p := range parts {
		body += "--B\r\n" + p + "\r\n"
	}
	return body + "--B--\r\n"
}

const (
	asMultipart = "Content-Type: multipart/form-data; boundary=B"
	asForm      = "Content-Type: application/x-www-form-urlencoded"
	titlePart   = "Content-Disposition: form-data; name=\"title\"\r\n\r\nhello"
	imagePart   = "Content-Disposition: form-data; name=\"image\"; filename=\"../a.png\"\r\nContent-Type: image/png\r\n\r\nPNG"
)

const goodProduct = `{"name":"lamp","price":1}`

// exchangeRaw sends bytes and reads one answer.
func exchangeRaw(t *testing.T, addr, raw string) (status int, body string, h http.Header) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	go func() { _, _ = io.WriteString(conn, raw) }()
	method, _, _ := strings.Cut(raw, " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	require.NoError(t, err)
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(content), res.Header
}

type hostileCase struct {
	name   string
	raw    string
	status int
	body   string
}

func TestHostileRequests(t *testing.T) {
	t.Parallel()
	k := hostileServer(t)
	cases := hostileCases()
	require.GreaterOrEqual(t, len(cases), 80)
	seen := map[string]bool{}
	for _, c := range cases {
		require.False(t, seen[c.name], c.name)
		seen[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			status, body, h := exchangeRaw(t, k.Addr(), c.raw)
			require.Equal(t, c.status, status, body)
			require.Equal(t, c.body, body)
			if strings.HasPrefix(body, "{") {
				require.Equal(t, "application/json", h.Get("Content-Type"))
				require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
				require.NotEmpty(t, h.Get("X-Request-Id"))
			}
		})
	}
}
