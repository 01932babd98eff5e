package httpserver_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

// An endpoint said app.Timeout(20*time.Second), and a body that took 6 seconds was refused with 408, since the service's
// own read timeout was shorter. An endpoint's timeout must cover the reading of its body, be it longer or shorter.
func TestAnEndpointsTimeoutCoversItsBody(t *testing.T) {
	t.Parallel()
	const short, long = 300 * time.Millisecond, time.Minute
	boot := func(own time.Duration) func(b *app.Boot) {
		return func(b *app.Boot) {
			b.POST("/own", app.Handle(accept[jsonBody]), app.Timeout(own))
			b.POST("/usual", app.Handle(accept[jsonBody]))
			b.Raw("POST", "/raw", func(c *gin.Context) {
				if _, err := io.Copy(io.Discard, c.Request.Body); err != nil {
					c.String(http.StatusRequestTimeout, "late")
				}
			}, app.Timeout(own))
		}
	}
	late := `{"success":false,"data":null,"error":"the body did not arrive in time","code":"timeout"}`
	read := func(global time.Duration) func(*httpserver.Params) {
		return func(p *httpserver.Params) { p.HTTP.ReadTimeout, p.HTTP.StallTimeout = global, 0 }
	}

	// A body that never ends tells that the service's own read timeout has passed, for those whose timeout is longer.
	longer := serve(t, boot(long), read(short)).listening(t)
	for _, path := range []string{"/own", "/raw"} {
		conn := dial(t, longer)
		send(t, conn, request("POST "+path, `{"name":`, asJSON, "Content-Length: 12"))
		status, body, _ := exchangeRaw(t, longer, request("POST /usual", `{"name":`, asJSON, "Content-Length: 12"))
		require.Equal(t, 408, status)
		require.Equal(t, late, body)
		send(t, conn, `"a"}`+request("GET /livez", "", "Connection: close"))
		require.Contains(t, ends(t, conn), "HTTP/1.1 200 OK", path)
	}

	shorter := serve(t, boot(short), read(long)).listening(t)
	for _, path := range []string{"/own", "/raw"} {
		status, _, _ := exchangeRaw(t, shorter, request("POST "+path, `{"name":`, asJSON, "Content-Length: 12"))
		require.Equal(t, 408, status, path)
	}

	// A body that is large has a pace of its own, within the endpoint's timeout.
	paced := serve(t, boot(short), read(long), func(p *httpserver.Params) { p.HTTP.StallTimeout = long }).listening(t)
	status, body, _ := exchangeRaw(t, paced, request("POST /own", `{"name":`, asJSON, "Content-Length: 90000"))
	require.Equal(t, 408, status)
	require.Equal(t, late, body)
}

// The timeout covers the body also where it is as long as the service's, and the read timeout is shorter.
func TestATimeoutThatIsTheUsualOneCoversTheBody(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.POST("/own", app.Handle(accept[jsonBody]), app.Timeout(time.Minute))
		b.POST("/usual", app.Handle(accept[jsonBody]))
	}, func(p *httpserver.Params) {
		p.HTTP.ReadTimeout, p.HTTP.RequestTimeout = 300*time.Millisecond, time.Minute
	})
	addr := k.listening(t)
	conn := dial(t, addr)
	send(t, conn, request("POST /own", `{"name":`, asJSON, "Content-Length: 12", "Connection: close"))
	status, _, _ := exchangeRaw(t, addr, request("POST /usual", `{"name":`, asJSON, "Content-Length: 12"))
	require.Equal(t, 408, status)
	send(t, conn, `"a"}`)
	require.Contains(t, ends(t, conn), "HTTP/1.1 200 OK")
}
