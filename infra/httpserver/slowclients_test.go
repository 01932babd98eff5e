package httpserver_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest/observer"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

const large = 16 * mib // more than the kernel keeps for a connection

// largeAnswers serves large answers of each kind, with deadlines that none of them meets as a whole.
func largeAnswers(t *testing.T, stall time.Duration) kit {
	t.Helper()
	text := strings.Repeat("x", large)
	return serve(t, func(b *app.Boot) {
		b.GET("/json", app.Handle(func(context.Context, nothing) (jsonBody, error) { return jsonBody{text}, nil }))
		b.GET("/bytes", app.Handle(func(context.Context, nothing) (app.Binary, error) {
			return app.Binary{ContentType: "text/plain", Bytes: []byte(text)}, nil
		}))
		b.GET("/stream", app.Handle(func(context.Context, nothing) (app.Binary, error) {
			return app.Binary{ContentType: "text/plain", Stream: io.LimitReader(zeros{}, large)}, nil
		}))
		b.Raw("GET", "/raw", func(c *gin.Context) { _, _ = c.Writer.WriteString(text) })
		b.Raw("GET", "/endless", func(c *gin.Context) {
			piece := []byte(strings.Repeat("x", 1000))
			for range large / len(piece) {
				if _, err := c.Writer.Write(piece); err != nil {
					return
				}
				c.Writer.Flush()
			}
		}, app.Timeout(0))
		b.Raw("GET", "/own", func(c *gin.Context) {
			_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(time.Minute))
			_, _ = c.Writer.WriteString(text)
		})
	}, func(p *httpserver.Params) {
		p.HTTP.StallTimeout, p.HTTP.RequestTimeout, p.HTTP.WriteTimeout = stall, 50*time.Millisecond, 50*time.Millisecond
		p.HTTP.Memory = 1 << 30
	})
}

// A download that our own deadline cut was logged and counted as if the client had left, or as a success. A client that takes
// nothing for the stall timeout is let go, which is 408.
func TestAnswersThatNobodyTakesAreCut(t *testing.T) {
	t.Parallel()
	k := largeAnswers(t, time.Second)
	addr := k.listening(t)
	paths := []string{"/json", "/bytes", "/stream", "/raw", "/endless"}
	for _, path := range paths {
		conn := dial(t, addr)
		require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4096))
		send(t, conn, request("GET "+path, ""))
	}
	logged := func() []observer.LoggedEntry { return k.logs.FilterMessage("request").All() }
	require.Eventually(t, func() bool { return len(logged()) == len(paths) }, time.Minute, 10*time.Millisecond)
	for _, entry := range logged() {
		require.EqualValues(t, http.StatusRequestTimeout, entry.ContextMap()["status"], entry.ContextMap()["route"])
	}
}

// One that takes some of it all the time gets all of it, however long that takes.
func TestAnswersThatAreTakenSlowlyAreSentWhole(t *testing.T) {
	t.Parallel()
	k := largeAnswers(t, 10*time.Second)
	addr := k.listening(t)
	for _, path := range []string{"/json", "/bytes", "/stream", "/raw", "/endless", "/own"} {
		conn := dial(t, addr)
		send(t, conn, request("GET "+path, ""))
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err, path)
		var got int64
		for range 4 {
			n, err := io.CopyN(io.Discard, answer.Body, large/8)
			require.NoError(t, err, path)
			got += n
			<-time.After(50 * time.Millisecond) // longer than the deadlines in all
		}
		rest, err := io.Copy(io.Discard, answer.Body)
		require.NoError(t, err, path)
		require.GreaterOrEqual(t, got+rest, int64(large-1000), path)
		require.NoError(t, answer.Body.Close())
	}
}

// slowStart is a stream whose first byte takes longer than answers have.
type slowStart struct {
	io.Reader
	wait time.Duration
}

// Read implements io.Reader.
func (s *slowStart) Read(p []byte) (int, error) {
	<-time.After(s.wait)
	s.wait = 0
	return s.Reader.Read(p)
}

// A stream whose first part took longer to read than the deadlines of answers was cut off before its first byte.
func TestAStreamThatBeginsLateIsSentWhole(t *testing.T) {
	t.Parallel()
	const late = 300 * time.Millisecond
	k := serve(t, func(b *app.Boot) {
		b.GET("/stream", app.Handle(func(context.Context, nothing) (app.Binary, error) {
			return app.Binary{ContentType: "text/plain", Stream: &slowStart{io.LimitReader(zeros{}, large), late}}, nil
		}))
		b.GET("/bytes", app.Handle(func(context.Context, nothing) (app.Binary, error) {
			<-time.After(late)
			return app.Binary{ContentType: "text/plain", Bytes: make([]byte, large)}, nil
		}))
	}, func(p *httpserver.Params) {
		p.HTTP.StallTimeout, p.HTTP.RequestTimeout, p.HTTP.WriteTimeout = time.Minute, late/6, late/6
		p.HTTP.Memory = 1 << 30
	})
	addr := k.listening(t)
	for _, path := range []string{"/stream", "/bytes"} {
		conn := dial(t, addr)
		send(t, conn, request("GET "+path, ""))
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err, path)
		n, err := io.Copy(io.Discard, answer.Body)
		require.NoError(t, err, path)
		require.EqualValues(t, large, n, path)
		require.NoError(t, answer.Body.Close())
	}
}
