package httpclient_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/httpclient"
)

// hostile listens on this machine and treats each connection as behave does, once it has read the head of a request.
func hostile(t *testing.T, behave func(conn net.Conn, head string)) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	var conns []net.Conn
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns = append(conns, conn)
			go func() {
				head := ""
				for lines := bufio.NewScanner(conn); lines.Scan() && lines.Text() != ""; {
					head += lines.Text() + "\n"
				}
				behave(conn, head)
			}()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
		for _, conn := range conns {
			_ = conn.Close()
		}
	})
	return "http://" + listener.Addr().String()
}

// connecting is a client with real connections and short waits.
func connecting(t *testing.T, change func(*config.Outgoing)) *http.Client {
	t.Helper()
	settings := config.Default().Outgoing
	settings.Timeout = 500 * time.Millisecond
	if change != nil {
		change(&settings)
	}
	c, err := httpclient.New(httpclient.Params{Settings: settings, Pace: httpclient.Pace{First: time.Millisecond, Longest: time.Millisecond, CoolDown: time.Hour}})
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func read(c *http.Client, r *http.Request) (string, error) {
	res, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

// Whatever a server does, a call ends by its deadline and takes a bounded amount of memory.
func TestHostileServers(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	trickle := func(conn net.Conn, first, again string) {
		_, err := io.WriteString(conn, first)
		for err == nil {
			app.Sleep(t.Context(), 10*time.Millisecond)
			_, err = io.WriteString(conn, again)
		}
	}
	flood := func(conn net.Conn, first, again string) {
		_, err := io.WriteString(conn, first)
		for err == nil {
			_, err = io.WriteString(conn, again)
		}
	}
	for name, c := range map[string]struct {
		behave func(net.Conn, string)
		want   string
	}{
		"says nothing": {func(net.Conn, string) {}, "deadline exceeded"},
		"slow head":    {func(c net.Conn, _ string) { trickle(c, ok, "X-A: b\r\n") }, "deadline exceeded"},
		"slow body":    {func(c net.Conn, _ string) { trickle(c, ok+"Content-Length: 100000\r\n\r\n", "x") }, "deadline exceeded"},
		"reset":        {func(c net.Conn, _ string) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() }, "reset by peer"},
		"closed":       {func(c net.Conn, _ string) { _ = c.Close() }, "EOF"},
		"cut body": {func(c net.Conn, _ string) {
			_, _ = io.WriteString(c, ok+"Content-Length: 10\r\n\r\nhalf")
			_ = c.Close()
		}, "unexpected EOF"},
		"endless head": {func(c net.Conn, _ string) { flood(c, ok, "X-"+strings.Repeat("a", 1000)+": b\r\n") }, "exceeded"},
		"endless body": {func(c net.Conn, _ string) { flood(c, ok+"\r\n", strings.Repeat("x", 1<<16)) }, "the answer is larger than 1048576 bytes (APP_OUTGOING_BODY_LIMIT)"},
		"no HTTP":      {func(c net.Conn, _ string) { _, _ = io.WriteString(c, "220 smtp ready\r\n"); _ = c.Close() }, "malformed HTTP"},
		"endless redirect": {func(c net.Conn, _ string) {
			_, _ = io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			_ = c.Close()
		}, "stopped after 10 redirects"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := hostile(t, c.behave)
			client := connecting(t, func(s *config.Outgoing) { s.BodyLimit = 1 << 20; s.Timeout = 2 * time.Second })
			begin := time.Now()
			_, err := read(client, request(t.Context(), http.MethodGet, url+"/x", ""))
			require.ErrorContains(t, err, c.want)
			require.Less(t, time.Since(begin), 30*time.Second)
		})
	}
}

// A storm of 503 is answered by no more than a tenth of requests beyond the calls and the reserve, and then by none at all while the
// breaker is open. When the server heals, calls succeed again.
func TestAStormOfFailures(t *testing.T) {
	t.Parallel()
	got, well := 0, false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		got++ // calls are made one by one
		if !well {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	settings := config.Default().Outgoing
	c, err := httpclient.New(httpclient.Params{Settings: settings, Pace: httpclient.Pace{First: 1, Longest: 1, CoolDown: 200 * time.Millisecond}})
	require.NoError(t, err)
	defer c.CloseIdleConnections()
	const calls = 300
	begin := time.Now()
	for range calls {
		_, _ = read(c, request(t.Context(), http.MethodGet, server.URL, ""))
	}
	probes := int(time.Since(begin)/(200*time.Millisecond)) + 1
	t.Logf("%d calls sent %d requests", calls, got)
	require.LessOrEqual(t, got, 10+3+3*probes, "the breaker opened after 10 failures")
	well = true
	require.Eventually(t, func() bool {
		_, err := read(c, request(t.Context(), http.MethodGet, server.URL, ""))
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
}

// A redirect keeps the key and the body, loses the credentials at another host, and never leads from https to http.
func TestRedirects(t *testing.T) {
	t.Parallel()
	second := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s [%s] %s", r.Method, r.Header.Get("Idempotency-Key"), r.Header.Get("Authorization"), body)
	}))
	defer second.Close()
	to := strings.Replace(second.URL, "127.0.0.1", "localhost", 1) + "/there"
	first := httptest.NewServer(http.RedirectHandler(to, http.StatusTemporaryRedirect))
	defer first.Close()
	c := connecting(t, nil)
	text, err := read(c, request(t.Context(), http.MethodPost, first.URL, "x", "Idempotency-Key", "k", "Authorization", "Bearer hunter2"))
	require.NoError(t, err)
	require.Equal(t, "POST k [] x", text)

	secure := httptest.NewTLSServer(http.RedirectHandler(to, http.StatusFound))
	defer secure.Close()
	_, err = read(c, request(t.Context(), http.MethodGet, secure.URL, ""))
	require.ErrorContains(t, err, "certificate")
	trusting := client(t, func(r *http.Request) (*http.Response, error) {
		return answer(http.StatusFound, "Location", "http://pay.example/"), nil
	})
	_, err = read(trusting, request(t.Context(), http.MethodGet, "https://pay.example/", ""))
	require.ErrorContains(t, err, "a redirect leads from https to http")
}

// A connection that was upgraded can be written to.
func TestAnUpgradedConnection(t *testing.T) {
	t.Parallel()
	url := hostile(t, func(conn net.Conn, _ string) {
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(conn, conn)
	})
	res, err := connecting(t, func(s *config.Outgoing) { s.Timeout = 20 * time.Second }).
		Do(request(t.Context(), http.MethodGet, url, "", "Connection", "Upgrade", "Upgrade", "echo"))
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
	rw, ok := res.Body.(io.ReadWriteCloser)
	require.True(t, ok)
	_, err = io.WriteString(rw, "ping")
	require.NoError(t, err)
	got := make([]byte, 4)
	_, err = io.ReadFull(rw, got)
	require.NoError(t, err)
	require.Equal(t, "ping", string(got))
	require.NoError(t, rw.Close())
}

// FuzzRetryAfter has a server answer any Retry-After: no call waits beyond its deadline.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"1", "-1", "1e9", "9223372036854775808", "Fri, 31 Dec 1999 23:59:59 GMT", "", "\x00", " 5 "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, asked string) {
		c := client(t, func(*http.Request) (*http.Response, error) {
			a := answer(503)
			a.Header["Retry-After"] = []string{asked}
			return a, nil
		}, func(p *httpclient.Params) { p.Pace = httpclient.Pace{First: 1, Longest: 1} })
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, _ = send(c, request(ctx, http.MethodGet, "https://pay.example/", ""))
		require.Less(t, time.Since(begin), 10*time.Second)
	})
}

func BenchmarkCall(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	defer server.Close()
	ours, err := httpclient.New(httpclient.Params{Settings: config.Default().Outgoing})
	require.NoError(b, err)
	for name, c := range map[string]*http.Client{"ours": ours, "plain": {Transport: &http.Transport{}}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := read(c, request(b.Context(), http.MethodGet, server.URL, "")); err != nil {
					b.Fatal(err)
				}
			}
			c.CloseIdleConnections()
		})
	}
}
