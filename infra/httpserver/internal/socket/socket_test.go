package socket_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"plugboard/infra/httpserver/internal/socket"
)

// listener gives the connections of pipes. Their other ends are in clients.
type listener struct {
	net.Listener
	clients []net.Conn
}

func (l *listener) Accept() (net.Conn, error) {
	if len(l.clients) == cap(l.clients) {
		return nil, net.ErrClosed
	}
	client, server := net.Pipe()
	l.clients = append(l.clients, client)
	return server, nil
}

// accept returns the next connection that connections accepts of at most n.
func accept(t *testing.T, connections *socket.Connections, n int) net.Conn {
	t.Helper()
	c, err := connections.Listen(&listener{clients: make([]net.Conn, 0, n)}).Accept()
	if err != nil {
		return nil
	}
	connections.Changed(c, http.StateNew)
	return c
}

func isSpare(c net.Conn) bool {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	return socket.Of(r.WithContext(socket.Context(context.Background(), c))).IsSpare()
}

// isClosed reports whether c was closed.
func isClosed(c net.Conn) bool { return c.SetDeadline(time.Time{}) != nil }

func TestANewConnectionTakesThePlaceOfAnIdleOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := socket.New(100)
		require.Zero(t, s.Lower(200), "the limit is lower")
		require.Equal(t, 3, s.Lower(4))
		first, second, third := accept(t, s, 1), accept(t, s, 1), accept(t, s, 1)
		s.Changed(first, http.StateActive)
		s.Changed(second, http.StateActive)
		s.Changed(second, http.StateIdle)
		require.False(t, isSpare(accept(t, s, 1)))
		require.True(t, isClosed(second))
		require.EqualValues(t, 3, s.Open())
		require.EqualValues(t, 1, s.Refused())

		require.False(t, s.HasSpares())
		spare := accept(t, s, 1) // the third has not had its time to send a head
		require.True(t, isSpare(spare) && s.HasSpares())
		require.Nil(t, accept(t, s, 1), "one beyond the limit is the most")
		require.EqualValues(t, 2, s.Refused())

		time.Sleep(1100 * time.Millisecond) //nolint:forbidigo // in a bubble
		require.False(t, isSpare(accept(t, s, 1)))
		require.True(t, isClosed(third))
		require.False(t, isClosed(first), "there is a request on it")
		require.NoError(t, spare.Close())
		require.NoError(t, spare.Close())
		require.EqualValues(t, 3, s.Open(), "a connection counts once")
		require.False(t, s.HasSpares())
	})
}

func TestHeadsThatNeverBecomeRequestsAreCounted(t *testing.T) {
	t.Parallel()
	s := socket.New(0)
	l := &listener{clients: make([]net.Conn, 0, 2)}
	for _, entered := range []bool{true, false} {
		c, err := s.Listen(l).Accept()
		require.NoError(t, err)
		client := l.clients[len(l.clients)-1]
		go func() { _, _ = client.Write([]byte("G")) }()
		_, err = c.Read(make([]byte, 1))
		require.NoError(t, err)
		if entered {
			r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			socket.Of(r.WithContext(socket.Context(t.Context(), c))).Enter()
		}
		s.Changed(c, http.StateClosed)
		require.NoError(t, c.Close())
	}
	require.EqualValues(t, 1, s.Heads())
	require.Zero(t, s.Open())
}

// A connection on which no request has arrived is closed at the second call: at the first its request may have arrived, and this process
// may not have had the time to read it.
func TestSilentConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	s := socket.New(0)
	silent, slow, asking := accept(t, s, 1), accept(t, s, 1), accept(t, s, 1)
	s.Changed(asking, http.StateActive)
	s.CloseFresh()
	require.False(t, isClosed(silent) || isClosed(slow) || isClosed(asking))
	s.Changed(slow, http.StateActive)
	late := accept(t, s, 1)
	s.CloseFresh()
	require.True(t, isClosed(silent))
	require.False(t, isClosed(slow) || isClosed(asking) || isClosed(late))
}

func TestRequestsOfOtherListenersHaveNoConnection(t *testing.T) {
	t.Parallel()
	c := socket.Of(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	c.Enter()
	require.False(t, c.IsSpare())
}

// A client can make net/http complain as often as it likes; that no connection can be accepted is worth a warning.
func TestComplaintsAreWarningsNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.DebugLevel)
		complain := socket.ErrorLog(zap.New(core))
		for range 3 {
			complain.Print("http: Accept error: too many open files; retrying in 5ms")
		}
		complain.Print("http: TLS handshake error from 127.0.0.1: EOF")
		time.Sleep(10 * time.Second) //nolint:forbidigo // in a bubble
		complain.Print("http: Accept error: too many open files; retrying in 5ms")
		require.Len(t, logs.FilterLevelExact(zapcore.WarnLevel).FilterMessage("accepting connections failed").All(), 2)
		require.Len(t, logs.FilterLevelExact(zapcore.DebugLevel).FilterMessage("connection failed").All(), 3)
	})
}
