package httpserver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

func TestMain(m *testing.M) {
	// net/http keeps a connection that it refuses for half a second more, so that the client gets the answer.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// listening starts k and returns its address.
func (k kit) listening(t testing.TB) string {
	t.Helper()
	require.NoError(t, k.Listen(context.Background()))
	k.Serve()
	return k.Addr()
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ends reads conn until the other side closes it.
func ends(t testing.TB, conn net.Conn) string {
	t.Helper()
	rest, err := io.ReadAll(conn)
	var timeout net.Error
	require.False(t, errors.As(err, &timeout) && timeout.Timeout(), "the connection was not closed")
	return string(rest)
}

func TestListenSaysWhichAddressIsTaken(t *testing.T) {
	t.Parallel()
	first := serve(t, func(*app.Boot) {})
	addr := first.listening(t)
	second := serve(t, func(*app.Boot) {}, func(p *httpserver.Params) { p.HTTP.Addr = addr })
	err := second.Listen(t.Context())
	require.ErrorContains(t, err, "listen on "+addr+": another process uses this address; stop it, or set APP_HTTP_ADDR")
	require.ErrorContains(t, first.Listen(t.Context()), "already listening")
	bad := serve(t, func(*app.Boot) {}, func(p *httpserver.Params) { p.HTTP.Addr = "nonsense" })
	require.ErrorContains(t, bad.Listen(t.Context()), "listen on nonsense (APP_HTTP_ADDR)")
	require.Empty(t, bad.Addr())
}

func TestListenBindsAndServeAnswers(t *testing.T) {
	t.Parallel()
	k := serve(t, func(*app.Boot) {})
	require.NoError(t, k.Listen(t.Context()))
	conn := dial(t, k.Addr())
	_, err := io.WriteString(conn, request("GET /livez", "", "Connection: close"))
	require.NoError(t, err)
	k.Serve()
	k.Serve()
	require.Contains(t, ends(t, conn), `{"success":true,"data":{"status":"alive"},"error":null}`)
}

func TestStopWithoutStartAndTwice(t *testing.T) {
	t.Parallel()
	for _, start := range []func(kit){
		func(kit) {},
		func(k kit) { require.NoError(t, k.Listen(t.Context())) },
		func(k kit) { k.listening(t) },
	} {
		k := serve(t, func(*app.Boot) {})
		start(k)
		addr := k.Addr()
		for range 2 {
			k.Drain()
			require.NoError(t, k.Shutdown(t.Context()))
			require.NoError(t, k.Close())
		}
		if addr != "" {
			_, err := net.Dial("tcp", addr)
			require.Error(t, err)
		}
		k.Serve()
	}
}

func TestShutdownWaitsForAcceptedRequestsAndForNothingElse(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, w wire) {
		entered, release := make(chan struct{}), make(chan struct{})
		k := serve(t, func(b *app.Boot) {
			b.POST("/slow", app.Handle(func(context.Context, jsonBody) (app.Empty, error) {
				close(entered)
				<-release
				return app.Empty{}, nil
			}))
		}, w.apply)
		addr := k.listening(t)
		accepted, silent, partial, idle := w.dial(t, addr), w.dial(t, addr), w.dial(t, addr), w.dial(t, addr)
		_, err := io.WriteString(accepted, jsonPost("/slow", `{"name":"a"}`))
		require.NoError(t, err)
		_, err = io.WriteString(partial, "POST /slow HTTP/1.1\r\nHost:")
		require.NoError(t, err)
		_, err = io.WriteString(idle, request("GET /livez", ""))
		require.NoError(t, err)
		idleReader := bufio.NewReader(idle)
		res, err := http.ReadResponse(idleReader, nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		<-entered

		done := make(chan error, 1)
		begun := time.Now()
		go func() { done <- k.Shutdown(context.Background()) }()
		require.Empty(t, ends(t, silent))
		require.Empty(t, ends(t, partial))
		require.Empty(t, ends(t, idle))
		require.Less(t, time.Since(begun), 4*time.Second)
		select {
		case err := <-done:
			t.Fatalf("shutdown did not wait: %v", err)
		default:
		}
		close(release)
		answer := ends(t, accepted)
		require.Contains(t, answer, `{"success":true,"data":{},"error":null}`)
		require.Contains(t, answer, "Connection: close")
		require.NoError(t, <-done)
	})
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	k := serve(t, func(b *app.Boot) {
		b.GET("/stuck", app.Handle(func(ctx context.Context, _ nothing) (app.Empty, error) {
			close(entered)
			<-ctx.Done()
			return app.Empty{}, ctx.Err()
		}))
	})
	conn := dial(t, k.listening(t))
	_, err := io.WriteString(conn, request("GET /stuck", ""))
	require.NoError(t, err)
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, k.Shutdown(ctx), "shut down http server: 1 requests were not finished: context deadline exceeded")
	require.NoError(t, k.Close())
	require.NoError(t, k.Shutdown(t.Context()), "closing ended the request")
}

func TestStreamsEndWhenTheServiceDrains(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 1)
	var cause atomic.Value
	k := serve(t, func(b *app.Boot) {
		b.Raw("GET", "/stream", func(c *gin.Context) {
			_, hasDeadline := c.Request.Context().Deadline()
			c.String(200, "deadline %v\n", hasDeadline)
			c.Writer.Flush()
			entered <- struct{}{}
			<-c.Request.Context().Done()
			cause.Store(context.Cause(c.Request.Context()).Error())
			c.String(200, "bye")
		}, app.Timeout(0))
	}, func(p *httpserver.Params) {
		p.HTTP.RequestTimeout, p.HTTP.WriteTimeout = time.Millisecond, time.Millisecond
	})
	addr := k.listening(t)
	conn := dial(t, addr)
	_, err := io.WriteString(conn, request("GET /stream", ""))
	require.NoError(t, err)
	<-entered
	<-time.After(20 * time.Millisecond) // well past the deadlines that do not hold for streams
	k.Drain()
	require.NoError(t, k.Shutdown(t.Context()))
	answer := ends(t, conn)
	require.Contains(t, answer, "deadline false")
	require.Contains(t, answer, "bye")
	require.Equal(t, "the service is stopping", cause.Load())

	late := k.do("GET", "/stream", "")
	<-entered
	require.Contains(t, late.Body.String(), "bye", "a stream that begins while draining ends at once")
}

func TestHijackedConnectionsAreWaitedFor(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	k := serve(t, func(b *app.Boot) {
		b.Raw("GET", "/own", func(c *gin.Context) {
			conn, rw, err := c.Writer.Hijack()
			if err != nil {
				panic(err)
			}
			defer conn.Close()
			close(entered)
			<-release
			_, _ = rw.WriteString("raw bytes")
			_ = rw.Flush()
		}, app.Timeout(0))
	})
	conn := dial(t, k.listening(t))
	_, err := io.WriteString(conn, request("GET /own", ""))
	require.NoError(t, err)
	<-entered
	done := make(chan error, 1)
	go func() { done <- k.Shutdown(context.Background()) }()
	select {
	case err := <-done:
		t.Fatalf("shutdown did not wait: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	close(release)
	require.Equal(t, "raw bytes", ends(t, conn))
	require.NoError(t, <-done)
}

// A deadline for reading the request must not end the context of a handler that works on it.
func TestReadTimeoutDoesNotEndHandlers(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) {
		work := func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(150 * time.Millisecond):
				return nil
			}
		}
		b.POST("/typed", app.Handle(func(ctx context.Context, _ jsonBody) (app.Empty, error) { return app.Empty{}, work(ctx) }))
		b.Raw("POST", "/raw", func(c *gin.Context) {
			_, _ = io.Copy(io.Discard, c.Request.Body)
			if err := work(c.Request.Context()); err != nil {
				c.Status(500)
			}
		})
	}, func(p *httpserver.Params) { p.HTTP.ReadTimeout = 30 * time.Millisecond })
	addr := k.listening(t)
	for _, path := range []string{"/typed", "/raw"} {
		status, body, _ := exchangeRaw(t, addr, jsonPost(path, `{"name":"a"}`))
		require.Equal(t, 200, status, path+body)
	}
}

func TestConnectionsAreClosedWhereTheirStateIsInDoubt(t *testing.T) {
	t.Parallel()
	k := serve(t, func(b *app.Boot) { b.POST("/x", app.Handle(accept[jsonBody]), app.BodyLimit(20)) })
	addr := k.listening(t)
	for name, raw := range map[string]string{
		"chunked":         chunked("/x", `{"name":"a"}`, asJSON),
		"chunked, length": request("POST /x", "c\r\n{\"name\":\"a\"}\r\n0\r\n\r\n", asJSON, "Content-Length: 3", "Transfer-Encoding: chunked"),
		"too large":       jsonPost("/x", strings.Repeat(" ", 21)),
	} {
		conn := dial(t, addr)
		_, err := io.WriteString(conn, raw+request("GET /livez", ""))
		require.NoError(t, err)
		answer := ends(t, conn)
		require.Equal(t, 1, strings.Count(answer, "HTTP/1.1 "), name+answer)
		require.Contains(t, answer, "Connection: close", name)
	}
}

func TestHeadLimitIsTheSetting(t *testing.T) {
	t.Parallel()
	k := serve(t, func(*app.Boot) {}, func(p *httpserver.Params) { p.HTTP.HeaderLimit = 16 << 10 })
	addr := k.listening(t)
	fits := request("GET /livez", "", "X-Big: "+strings.Repeat("a", 15<<10))
	status, _, _ := exchangeRaw(t, addr, fits)
	require.Equal(t, 200, status)
	status, _, _ = exchangeRaw(t, addr, request("GET /livez", "", "X-Big: "+strings.Repeat("a", 17<<10)))
	require.Equal(t, 431, status)
}

// Under load, every request whose handler was entered is answered in full, whenever the stop comes.
func TestStopUnderLoadLosesNoAcceptedRequest(t *testing.T) {
	t.Parallel()
	for round := range 10 {
		var entered, answered atomic.Int64
		busy := make(chan struct{})
		k := serve(t, func(b *app.Boot) {
			b.POST("/x", app.Handle(func(context.Context, jsonBody) (jsonBody, error) {
				if entered.Add(1) == int64(20+5*round) {
					close(busy)
				}
				<-time.After(2 * time.Millisecond) // the work
				return jsonBody{strings.Repeat("a", 3000)}, nil
			}))
		})
		url := "http://" + k.listening(t) + "/x"
		var clients sync.WaitGroup
		stop := make(chan struct{})
		for range 8 {
			clients.Go(func() { load(url, stop, &answered) })
		}
		<-busy
		require.NoError(t, k.Shutdown(t.Context()))
		close(stop)
		clients.Wait()
		require.Equal(t, entered.Load(), answered.Load(), fmt.Sprint("round ", round))
	}
}

// load sends requests until stop, and counts the complete answers.
func load(url string, stop <-chan struct{}, answered *atomic.Int64) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for {
		select {
		case <-stop:
			return
		default:
		}
		// A request without GetBody is not sent again on another connection.
		r, _ := http.NewRequest(http.MethodPost, url, io.MultiReader(strings.NewReader(`{"name":"a"}`)))
		r.ContentLength = 12
		r.Header.Set("Content-Type", "application/json")
		res, err := client.Do(r)
		if err != nil {
			continue
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err == nil && len(body) > 3000 {
			answered.Add(1)
		}
	}
}
