package httpserver_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

// A tool may answer before the router does: with an answer of its own, with a failure, or not at all. It is not asked about requests that
// the server refuses.
func TestSomebodyElseAnswersFirst(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.GET("/here", app.Handle(func(context.Context, app.Empty) (string, error) { return "the plugin's", nil }))
	}, func(p *httpserver.Params) { p.HTTP.Hosts = []string{"example.com"} })
	k.AnswerFirst(func(w http.ResponseWriter, r *http.Request) (bool, error) {
		switch r.URL.Path {
		case "/page":
			w.Header().Set("Cache-Control", "private")
			w.WriteHeader(http.StatusTeapot)
			_, err := io.WriteString(w, "the tool's")
			return true, err
		case "/broken", "/livez":
			return false, app.Errorf(app.Unavailable, "the build failed")
		}
		return false, nil
	})
	w := k.do(http.MethodGet, "/page", "")
	require.Equal(t, http.StatusTeapot, w.Code)
	require.Equal(t, "the tool's", w.Body.String())
	require.Equal(t, "private", w.Header().Get("Cache-Control"))
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	for _, path := range []string{"/broken", "/livez"} {
		w = k.do(http.MethodGet, path, "")
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, "1", w.Header().Get("Retry-After"))
		require.Equal(t, `{"success":false,"data":null,"error":"the build failed","code":"unavailable"}`, w.Body.String())
	}
	require.Equal(t, `{"success":true,"data":"the plugin's","error":null}`, k.do(http.MethodGet, "/here", "").Body.String())
	require.Equal(t, http.StatusMisdirectedRequest, k.do(http.MethodGet, "http://evil.example/page", "").Code)
}

// The server listens on a listener that it is given, and closes it.
func TestTheServerTakesAListener(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	k := serve(t, func(*app.Boot) {}, func(p *httpserver.Params) { p.HTTP.Addr = "nonsense" })
	k.ListenOn(listener)
	require.Equal(t, listener.Addr().String(), k.listening(t))
	conn := dial(t, k.Addr())
	_, err = io.WriteString(conn, request("GET /livez", "", "Connection: close"))
	require.NoError(t, err)
	require.Contains(t, ends(t, conn), `"alive"`)
	require.NoError(t, k.Shutdown(t.Context()))
	require.ErrorIs(t, listener.Close(), net.ErrClosed)
}
