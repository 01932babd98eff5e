package httpserver_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver"
	"plugboard/infra/memory"
)

// longRead is the read timeout of the servers here. Who waits for the rest of a body waits so long.
const longRead = 60 * time.Second

// refusing serves an endpoint for each code that a guard may refuse with, and some that refuse by themselves.
func refusing(b *app.Boot) {
	for _, code := range refusals() {
		refuse := app.Guard(func(ctx context.Context, _ *http.Request) (context.Context, error) {
			return ctx, app.Errorf(code, "no")
		})
		b.POST("/guards/"+string(code), app.Handle(accept[jsonBody]), refuse)
		b.Raw("POST", "/raws/"+string(code), func(c *gin.Context) { c.String(code.Status(), "no") })
	}
	b.POST("/x", app.Handle(accept[jsonBody]), app.BodyLimit(50_000))
	b.POST("/pool", app.HandleCPU(func(app.Job, jsonBody) (app.Empty, error) { return app.Empty{}, nil }))
	b.POST("/ids/:id", app.Handle(accept[struct {
		ID   int64  `uri:"id"`
		Name string `json:"name"`
	}]))
	b.POST("/forms", app.Handle(accept[hostileForm]))
	b.GET("/none", app.Handle(accept[nothing]))
}

// refusals are the codes of refusals that need no body.
func refusals() []app.Code {
	return []app.Code{
		app.Malformed, app.Unauthorized, app.PaymentRequired, app.Forbidden, app.NotFound, app.Conflict, app.Gone, app.PreconditionFailed,
		app.TooLarge, app.UnsupportedType, app.Misdirected, app.Invalid, app.Locked, app.PreconditionRequired, app.TooMany, app.Legal,
		app.Internal, app.Unavailable, app.TimedOut, app.StorageFull,
	}
}

// refusal is the head of a request that is refused whatever its body is.
type refusal struct {
	line    string
	headers []string
	status  int
}

func refusedHeads() map[string]refusal {
	heads := map[string]refusal{
		"no route":          {"POST /nothing", nil, 404},
		"no method":         {"PUT /x", []string{asJSON}, 405},
		"no type":           {"POST /x", nil, 415},
		"wrong type":        {"POST /x", []string{"Content-Type: text/plain"}, 415},
		"encoded":           {"POST /x", []string{asJSON, "Content-Encoding: gzip"}, 415},
		"JSON for a form":   {"POST /forms", []string{asJSON}, 415},
		"takes no body":     {"GET /none", []string{asJSON}, 415},
		"malformed query":   {"POST /x?%", []string{asJSON}, 400},
		"page of elsewhere": {"POST /x", []string{asJSON, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, 403},
		"full pool":         {"POST /pool", []string{asJSON}, 503},
		"probe":             {"GET /livez", nil, 200},
	}
	for _, code := range refusals() {
		heads["guard "+string(code)] = refusal{"POST /guards/" + string(code), []string{asJSON}, code.Status()}
		heads["raw "+string(code)] = refusal{"POST /raws/" + string(code), []string{asJSON}, code.Status()}
	}
	return heads
}

// framings are how the client says how long its body is.
func framings() map[string][]string {
	return map[string][]string{
		"small":            {"Content-Length: 100"},
		"large":            {"Content-Length: 40000"},
		"chunked":          {"Transfer-Encoding: chunked"},
		"expects":          {"Content-Length: 100", "Expect: 100-continue"},
		"chunked, expects": {"Transfer-Encoding: chunked", "Expect: 100-continue"},
	}
}

// A guard refused, half of the body had been sent, and the 401 came when the read timeout had passed. A refusal that needs no
// body must be sent at once, on a connection that is closed then, and must not ask for the body.
func TestRefusalsDoNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	k := serve(t, refusing, func(p *httpserver.Params) {
		p.HTTP.ReadTimeout, p.Pool = longRead, forewarning{}
	})
	addr := k.listening(t)
	for name, head := range refusedHeads() {
		for framing, framed := range framings() {
			t.Run(name+", "+framing, func(t *testing.T) {
				t.Parallel()
				half := ""
				if framing == "chunked" {
					half = "20\r\n{\"name\":"
				} else if !strings.Contains(framing, "expects") {
					half = `{"name":`
				}
				requireRefused(t, addr, request(head.line, half, append(framed, head.headers...)...), head.status)
			})
		}
	}
}

// requireRefused sends a request whose body does not end, and wants the answer and the end of the connection long before the
// read timeout.
func requireRefused(t *testing.T, addr, raw string, status int) {
	t.Helper()
	conn := dial(t, addr)
	require.NoError(t, conn.SetDeadline(time.Now().Add(longRead/10)))
	send(t, conn, raw)
	answer := ends(t, conn)
	require.True(t, strings.HasPrefix(answer, fmt.Sprintf("HTTP/1.1 %d ", status)), answer)
	require.Contains(t, answer, "Connection: close")
	require.NotContains(t, answer, "100 Continue")
}

// The same for what the server refuses by its limits.
func TestRefusalsByLimitsDoNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*httpserver.Params)
		raw    string
		status int
	}{
		"length over the limit": {func(*httpserver.Params) {}, request("POST /x", "{", asJSON, "Content-Length: 50001"), 413},
		"length far over it":    {func(*httpserver.Params) {}, request("POST /x", "{", asJSON, "Content-Length: 5000000"), 413},
		"waits, over the limit": {func(*httpserver.Params) {}, request("POST /x", "", asJSON, "Content-Length: 50001", "Expect: 100-continue"), 413},
		"host":                  {func(p *httpserver.Params) { p.HTTP.Hosts = []string{"here.example"} }, request("POST /x", "{", asJSON, "Content-Length: 90"), 421},
		"memory": {func(p *httpserver.Params) {
			p.Memory, _ = memory.New(10_000, nil)
			_ = p.Memory.Reserve(9_000)
		}, request("POST /x", "{", asJSON, "Content-Length: 900"), 503},
		"bad id, waits": {func(*httpserver.Params) {}, request("POST /ids/x", "", asJSON, "Content-Length: 90", "Expect: 100-continue"), 422},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := serve(t, refusing, func(p *httpserver.Params) { p.HTTP.ReadTimeout = longRead; c.change(p) })
			requireRefused(t, k.listening(t), c.raw, c.status)
		})
	}
}

// A client that has sent all of a small body with the request keeps its connection, and what it sent after it is answered.
func TestRefusalsOfCompleteRequestsKeepTheConnection(t *testing.T) {
	t.Parallel()
	k := serve(t, refusing, func(p *httpserver.Params) { p.HTTP.ReadTimeout, p.Pool = longRead, forewarning{} })
	addr := k.listening(t)
	for name, head := range refusedHeads() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, addr)
			send(t, conn, strings.Repeat(request(head.line, `{"name":"a"}`, head.headers...), 2)+request("POST /x", `{"name":"a"}`, asJSON, "Connection: close"))
			answer := ends(t, conn)
			require.Equal(t, 3, strings.Count(answer, "HTTP/1.1 "), answer)
			require.GreaterOrEqual(t, strings.Count(answer, fmt.Sprintf("HTTP/1.1 %d ", head.status)), 2, answer)
			require.Contains(t, answer, `{"success":true,"data":{},"error":null}`)
		})
	}
}

// A plugin's own handler may answer while it reads, and one that took all of the body keeps its connection whatever it answers.
func TestRawHandlersReadAsTheyLike(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.Raw("POST", "/echo", func(c *gin.Context) {
			if err := http.NewResponseController(c.Writer).EnableFullDuplex(); err != nil {
				panic(err)
			}
			lines := bufio.NewScanner(c.Request.Body)
			for lines.Scan() {
				c.String(200, lines.Text()+"\n")
				c.Writer.Flush()
			}
		})
		b.Raw("POST", "/refuse", func(c *gin.Context) {
			_, _ = io.Copy(io.Discard, c.Request.Body)
			c.String(409, "no")
		})
	}, func(p *httpserver.Params) { p.HTTP.ReadTimeout = longRead })
	conn := dial(t, k.listening(t))
	send(t, conn, strings.Repeat(request("POST /refuse", "abc"), 2)+request("POST /echo", "one\n", "Content-Length: 8"))
	in := bufio.NewReader(conn)
	for range 2 {
		res, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, 409, res.StatusCode)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
	}
	res, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "one\n", line)
	send(t, conn, "two\n")
	line, err = lines.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "two\n", line)
}
