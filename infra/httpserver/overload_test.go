package httpserver_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/httpserver"
	"plugboard/infra/memory"
)

const (
	mib      = 1 << 20
	noMemory = `{"success":false,"data":null,"error":"the service has no memory left for this now, try again later","code":"unavailable"}`
	tooMany  = `{"success":false,"data":null,"error":"too many requests at once, try again later","code":"unavailable"}`
)

type fileForm struct {
	Image *app.File `form:"image" json:"-" binding:"required"`
}

// budgeted has the server work with a budget of so many bytes.
func budgeted(t *testing.T, size int64) (*memory.Budget, func(*httpserver.Params)) {
	t.Helper()
	budget, err := memory.New(config.Size(size), nil)
	require.NoError(t, err)
	return budget, func(p *httpserver.Params) { p.Memory = budget }
}

// uploads takes forms and JSON.
func uploads(b *app.Boot) {
	b.POST("/files", app.Handle(accept[fileForm]), app.BodyLimit(8*mib))
	b.POST("/json", app.Handle(accept[jsonBody]))
}

// formWith is a form with a file of n bytes.
func formWith(n int) string {
	return multipartBody("Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n" + strings.Repeat("x", n))
}

// answers reads one answer off conn.
func answers(t *testing.T, conn net.Conn) (status int, body string, h http.Header) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(content), res.Header
}

func send(t *testing.T, conn net.Conn, raw string) {
	t.Helper()
	_, err := io.WriteString(conn, raw)
	require.NoError(t, err)
}

// A hundred uploads of 8 MiB at once ended the process. What there is no room for is now refused when its length is known, and
// without a length when it has grown too large.
func TestABodyWithoutRoomIsRefused(t *testing.T) {
	t.Parallel()
	budget, small := budgeted(t, 16*mib)
	k := serve(t, uploads, small)
	addr := k.listening(t)
	require.NoError(t, budget.Reserve(13*mib))

	conn := dial(t, addr)
	send(t, conn, request("POST /files", "", asMultipart, fmt.Sprintf("Content-Length: %d", 4*mib))) // and nothing of it
	status, body, h := answers(t, conn)
	require.Equal(t, 503, status)
	require.Equal(t, noMemory, body)
	require.Equal(t, "1", h.Get("Retry-After"))
	require.Empty(t, ends(t, conn))

	status, body, h = exchangeRaw(t, addr, chunked("/files", formWith(4*mib), asMultipart))
	require.Equal(t, 503, status)
	require.Equal(t, noMemory, body)
	require.Equal(t, "1", h.Get("Retry-After"))

	status, _, _ = exchangeRaw(t, addr, jsonPost("/json", `{"name":"a"}`))
	require.Equal(t, 200, status, "a small body has room")
	budget.Release(13 * mib)
	for _, raw := range []string{request("POST /files", formWith(4*mib), asMultipart), chunked("/files", formWith(4*mib), asMultipart)} {
		status, body, _ = exchangeRaw(t, addr, raw)
		require.Equal(t, 200, status, body)
	}
	status, body, _ = exchangeRaw(t, addr, request("POST /files", formWith(8*mib-1000), asMultipart))
	require.Equal(t, 413, status, "it never could have: "+body)
	require.Eventually(t, func() bool { return budget.Reserved() == 0 }, 10*time.Second, time.Millisecond)
}

// Clients that stand still just before the end of an upload hold what they have sent; small requests have room beside them, and
// after the stall timeout so has the next upload.
func TestStalledUploadsDoNotLockOutOthers(t *testing.T) {
	t.Parallel()
	budget, small := budgeted(t, 16*mib)
	k := serve(t, uploads, small, func(p *httpserver.Params) { p.HTTP.StallTimeout = 2 * time.Second })
	addr := k.listening(t)
	form := formWith(3 * mib)
	var stalled []net.Conn
	for range 6 {
		conn := dial(t, addr)
		send(t, conn, request("POST /files", form[:len(form)-1], asMultipart, fmt.Sprintf("Content-Length: %d", len(form))))
		stalled = append(stalled, conn)
	}
	for range 20 {
		status, body, _ := exchangeRaw(t, addr, jsonPost("/json", `{"name":"a"}`))
		require.Equal(t, 200, status, body)
	}
	cut := map[int]int{}
	for _, conn := range stalled {
		status, _, _ := answers(t, conn)
		cut[status]++
	}
	require.Positive(t, cut[408])
	require.Equal(t, 6, cut[408]+cut[503])
	require.Eventually(t, func() bool { return budget.Reserved() == 0 }, 10*time.Second, time.Millisecond)
	status, body, _ := exchangeRaw(t, addr, request("POST /files", form, asMultipart))
	require.Equal(t, 200, status, body)
}

// A client that announces much and sends nothing takes no more than a first step.
func TestAnnouncedBytesAreNotReserved(t *testing.T) {
	t.Parallel()
	budget, small := budgeted(t, 16*mib)
	k := serve(t, uploads, small)
	conn := dial(t, k.listening(t))
	send(t, conn, request("POST /files", "", asMultipart, fmt.Sprintf("Content-Length: %d", 6*mib)))
	require.Eventually(t, func() bool { return budget.Reserved() > 0 }, 10*time.Second, time.Millisecond)
	require.LessOrEqual(t, budget.Reserved(), int64(64<<10))
	require.NoError(t, conn.Close())
	require.Eventually(t, func() bool { return budget.Reserved() == 0 }, 10*time.Second, time.Millisecond)
}

// A stall timeout that has run out while a large body arrived must not end the handler that works on it.
func TestTheStallTimeoutDoesNotEndHandlers(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		b.POST("/x", app.Handle(func(ctx context.Context, _ fileForm) (app.Empty, error) {
			select {
			case <-ctx.Done():
				return app.Empty{}, ctx.Err()
			case <-time.After(time.Second):
				return app.Empty{}, nil
			}
		}))
	}, func(p *httpserver.Params) { p.HTTP.StallTimeout = 500 * time.Millisecond })
	status, body, _ := exchangeRaw(t, k.listening(t), request("POST /x", formWith(mib/2), asMultipart))
	require.Equal(t, 200, status, body)
}

// What a JSON body becomes takes more than the body: [0,0,…] eight bytes for two. It is reserved before it is decoded.
func TestDecodedJSONIsReserved(t *testing.T) {
	t.Parallel()
	type numbers struct {
		All []int64 `json:"all"`
	}
	budget, small := budgeted(t, 64*mib)
	var within int64
	k := serve(t, func(b *app.Boot) {
		b.POST("/x", app.Handle(func(context.Context, numbers) (app.Empty, error) {
			within = budget.Reserved()
			return app.Empty{}, nil
		}))
	}, small)
	body := `{"all":[` + strings.Repeat("0,", 200_000) + `0]}`
	require.Equal(t, 200, k.do("POST", "/x", body, asJSON).Code)
	require.EqualValues(t, 8*len(body), within)
	require.Zero(t, budget.Reserved())
	require.NoError(t, budget.Reserve(54*mib))
	require.Equal(t, noMemory, k.do("POST", "/x", body, asJSON).Body.String())
}

// What a handler reserves, and the bytes of a binary answer, are given back when the answer is sent.
func TestHandlersReserve(t *testing.T) {
	t.Parallel()
	budget, small := budgeted(t, 16*mib)
	k := serve(t, func(b *app.Boot) {
		b.GET("/work", app.Handle(func(ctx context.Context, _ nothing) (app.Empty, error) {
			return app.Empty{}, app.Reserve(ctx, 8*mib)
		}))
		b.GET("/binary", app.Handle(func(context.Context, nothing) (app.Binary, error) {
			return app.Binary{ContentType: "image/png", ETag: "v", Bytes: make([]byte, 8*mib)}, nil
		}))
		b.GET("/panic", app.Handle(func(ctx context.Context, _ nothing) (app.Empty, error) {
			panic(app.Reserve(ctx, 8*mib))
		}))
	}, small)
	for path, status := range map[string]int{"/work": 200, "/binary": 200, "/panic": 500} {
		require.Equal(t, status, k.do("GET", path, "").Code, path)
		require.Zero(t, budget.Reserved(), path)
	}
	require.NoError(t, budget.Reserve(8*mib))
	for _, path := range []string{"/work", "/binary"} {
		w := k.do("GET", path, "")
		require.Equal(t, noMemory, w.Body.String(), path)
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	}
	require.Equal(t, 304, k.do("GET", "/binary", "", `If-None-Match: "v"`).Code, "it needs no content")
}

// A client that takes nothing of a download for the stall timeout is let go; one that takes it slowly gets all of it, though
// that takes longer than any deadline of the request.
func TestDownloadsGoOnAsLongAsTheyAreTaken(t *testing.T) {
	t.Parallel()
	const size = 16 * mib // more than the kernel keeps for a connection
	ended := make(chan struct{}, 2)
	k := serve(t, func(b *app.Boot) {
		b.GET("/x", app.Handle(func(context.Context, nothing) (app.Binary, error) {
			content := &noted{Reader: io.LimitReader(zeros{}, size), ended: ended}
			return app.Binary{ContentType: "image/png", Stream: content}, nil
		}))
	}, func(p *httpserver.Params) {
		p.HTTP.StallTimeout, p.HTTP.RequestTimeout, p.HTTP.WriteTimeout = 2*time.Second, 50*time.Millisecond, 50*time.Millisecond
	})
	addr := k.listening(t)
	never := dial(t, addr)
	require.NoError(t, never.(*net.TCPConn).SetReadBuffer(4096))
	send(t, never, request("GET /x", ""))
	<-ended

	slow := dial(t, addr)
	send(t, slow, request("GET /x", ""))
	res, err := http.ReadResponse(bufio.NewReader(slow), nil)
	require.NoError(t, err)
	defer res.Body.Close()
	var got int64
	for pause := time.After(300 * time.Millisecond); ; pause = time.After(300 * time.Millisecond) {
		n, err := io.CopyN(io.Discard, res.Body, 4*mib)
		got += n
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
		<-pause
	}
	require.EqualValues(t, size, got)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// noted tells when it is closed.
type noted struct {
	io.Reader
	ended chan<- struct{}
}

func (n *noted) Close() error { n.ended <- struct{}{}; return nil }

// seekable is a stream of which any part can be read.
type seekable struct {
	io.ReadSeeker
	reads int
}

func (s *seekable) Read(p []byte) (int, error) { s.reads++; return s.ReadSeeker.Read(p) }

// A client that has the content must not have it read out of the database again to be told so.
func TestSeekableStreams(t *testing.T) {
	t.Parallel()
	var last *seekable
	k := answering(t, func(context.Context) (app.Binary, error) {
		last = &seekable{ReadSeeker: strings.NewReader("0123456789")}
		return app.Binary{ContentType: "text/plain", Stream: last, ETag: "v"}, nil
	})
	w := k.do("GET", "/x", "")
	require.Equal(t, "0123456789", w.Body.String())
	require.Equal(t, "10", w.Header().Get("Content-Length"))
	w = k.do("GET", "/x", "", "Range: bytes=2-4")
	require.Equal(t, 206, w.Code)
	require.Equal(t, "234", w.Body.String())
	w = k.do("GET", "/x", "", "Range: bytes=20-")
	require.Equal(t, 416, w.Code)
	require.Equal(t, "bytes */10", w.Header().Get("Content-Range"))
	require.Equal(t, 304, k.do("GET", "/x", "", `If-None-Match: "v"`).Code)
	require.Zero(t, last.reads)
	require.Equal(t, "10", k.do("HEAD", "/x", "").Header().Get("Content-Length"))
	require.Zero(t, last.reads)
}

func TestSeekableStreamsThatFail(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		for path, good := range map[string]string{"/first": "", "/later": strings.Repeat("x", 100_000)} {
			b.GET(path, app.Handle(func(context.Context, nothing) (app.Binary, error) {
				content := io.MultiReader(strings.NewReader(good), iotest.ErrReader(errInternal))
				return app.Binary{ContentType: "text/plain", Stream: struct {
					io.Reader
					io.Seeker
				}{content, strings.NewReader(good + "1")}}, nil
			}))
		}
	})
	require.Equal(t, `{"success":false,"data":null,"error":"internal error","code":"internal"}`, k.do("GET", "/first", "").Body.String())
	server := httptest.NewServer(k.Handler())
	defer server.Close()
	res, err := http.Get(server.URL + "/later")
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.ReadAll(res.Body)
	require.Error(t, err)
	require.Equal(t, 1, k.logs.FilterMessage("reading the stream of an answer failed").Len())
}

// blocking serves /block, which tells when it was entered and then waits.
func blocking(entered chan<- struct{}, release <-chan struct{}) func(*app.Boot) {
	return func(b *app.Boot) {
		b.GET("/block", app.Handle(func(context.Context, nothing) (app.Empty, error) {
			entered <- struct{}{}
			<-release
			return app.Empty{}, nil
		}))
		uploads(b)
	}
}

func TestTooManyRequestsInFlight(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}, 2), make(chan struct{})
	registry := prometheus.NewRegistry()
	k := serve(t, blocking(entered, release), func(p *httpserver.Params) { p.HTTP.MaxInFlight, p.Registerer = 2, registry })
	addr := k.listening(t)
	leave := sync.OnceFunc(func() { close(release) })
	defer leave()
	for range 2 {
		send(t, dial(t, addr), request("GET /block", ""))
		<-entered
	}
	conn := dial(t, addr)
	send(t, conn, request("POST /json", "", asJSON, "Content-Length: 100")) // its body never comes
	status, body, h := answers(t, conn)
	require.Equal(t, 503, status)
	require.Equal(t, tooMany, body)
	require.Equal(t, "1", h.Get("Retry-After"))
	status, _, _ = exchangeRaw(t, addr, request("GET /livez", ""))
	require.Equal(t, 200, status, "a probe is never too many")
	require.InDelta(t, 1, metric(t, registry, "plugboard_http_requests_refused_total", "in_flight"), 0)
	leave()
	require.Eventually(t, func() bool {
		status, _, _ := exchangeRaw(t, addr, jsonPost("/json", `{"name":"a"}`))
		return status == 200
	}, 10*time.Second, 10*time.Millisecond)
}

// With all connections taken, a probe must still get through: an idle one makes room, and when all are busy there are some to spare.
func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, w wire) {
		entered, release := make(chan struct{}, 2), make(chan struct{})
		registry := prometheus.NewRegistry()
		k := serve(t, blocking(entered, release), func(p *httpserver.Params) { p.HTTP.MaxConnections, p.Registerer = 2, registry }, w.apply)
		addr := k.listening(t)
		idle := w.dial(t, addr)
		send(t, idle, request("GET /livez", ""))
		status, _, _ := answers(t, idle)
		require.Equal(t, 200, status)
		defer close(release)
		for range 2 {
			for in := false; !in; { // net/http may not have noticed yet that the first connection is idle
				conn, refused := w.dial(t, addr), make(chan struct{})
				send(t, conn, request("GET /block", ""))
				go func() {
					defer close(refused)
					_, _ = conn.Read(make([]byte, 1)) // it is refused, or ends with the test
				}()
				select {
				case <-entered:
					in = true
				case <-refused:
				}
			}
		}
		require.Empty(t, ends(t, idle), "it was idle, and made room")

		other := w.dial(t, addr)
		send(t, other, jsonPost("/json", `{"name":"a"}`))
		status, body, h := answers(t, other)
		require.Equal(t, 503, status)
		require.Equal(t, tooMany, body)
		require.Equal(t, "1", h.Get("Retry-After"))
		for range 2 {
			probe := w.dial(t, addr)
			send(t, probe, request("GET /livez", ""))
			require.Contains(t, ends(t, probe), "200 OK", "and the connection is closed for the next")
		}
		require.Positive(t, metric(t, registry, "plugboard_http_requests_refused_total", "connections"))
	})
}

// Connections that send nothing must not keep out those that do.
func TestSilentConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, w wire) {
		registry := prometheus.NewRegistry()
		k := serve(t, uploads, func(p *httpserver.Params) {
			p.HTTP.MaxConnections, p.HTTP.HeaderTimeout, p.Registerer = 4, time.Minute, registry
		}, w.apply)
		addr := k.listening(t)
		var silent []net.Conn
		for range 60 { // far more than there are to spare
			silent = append(silent, w.dial(t, addr))
		}
		require.Eventually(t, func() bool {
			conn := w.dial(t, addr)
			defer conn.Close()
			_, _ = io.WriteString(conn, jsonPost("/json", `{"name":"a"}`)) // it may be closed by now
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			return err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK
		}, 15*time.Second, 50*time.Millisecond)
		require.Positive(t, metric(t, registry, "plugboard_http_connections_refused_total", ""))
		for _, conn := range silent {
			require.NoError(t, conn.Close())
		}
		require.Eventually(t, func() bool { return metric(t, registry, "plugboard_http_connections", "") == 0 }, 10*time.Second, 10*time.Millisecond)
	})
}

// metric returns a metric's value, of the series with the label's value where that is given.
func metric(t *testing.T, registry *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
