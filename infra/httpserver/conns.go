package httpserver

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// spareConns is how many connections are accepted beyond the limit. On them only the probes are served; other
	// requests get 503, which says more than a closed connection.
	spareConns = 16
	// freshGrace is how long a new connection has to send its request's head before it may have to make room.
	freshGrace = time.Second
)

// conns are the open connections. When there are as many as may be, a further one takes the place of the one that has been
// idle the longest, or else of the one that has kept us waiting the longest for its first request.
type conns struct {
	limit   int // 0: none
	spare   int // how many beyond it
	open    atomic.Int64
	spares  atomic.Int64
	refused atomic.Int64 // closed, or closed to make room
	heads   atomic.Int64 // closed on a head that never became a request

	mu    sync.Mutex // guards the lists, and their members' links
	idle  connList   // those between two requests
	fresh connList   // those on which no request has arrived in full
}

// conn is an accepted connection.
type conn struct {
	net.Conn
	set    *conns
	spare  bool
	closed atomic.Bool
	head   head

	list       *connList // the one it is in, or nil
	prev, next *conn
	since      time.Time // when it came into the list
}

// limitedListener accepts connections into set.
type limitedListener struct {
	net.Listener
	set *conns
}

// Accept implements net.Listener.
func (l limitedListener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.set.admit(accepted); c != nil {
			return c, nil
		}
		_ = accepted.Close() // it is one too many
	}
}

// admit takes a connection in, or returns nil when there is no place for it.
func (s *conns) admit(accepted net.Conn) *conn {
	c := &conn{Conn: accepted, set: s}
	if s.limit > 0 && s.open.Load() >= int64(s.limit) && !s.makeRoom() {
		if s.spares.Load() >= int64(s.spare) {
			s.refused.Add(1)
			return nil
		}
		c.spare = true
		s.spares.Add(1)
	}
	s.open.Add(1)
	return c
}

// makeRoom closes a connection that does nothing, if there is one.
func (s *conns) makeRoom() bool {
	s.mu.Lock()
	victim := s.idle.first
	if victim == nil && s.fresh.first != nil && time.Since(s.fresh.first.since) > freshGrace {
		victim = s.fresh.first
	}
	victim.leave()
	s.mu.Unlock()
	if victim == nil {
		return false
	}
	s.refused.Add(1)
	_ = victim.Close() // net/http notices, and closes it once more
	return true
}

// changed is net/http's hook for the state of a connection. One becomes active with its first complete head.
func (s *conns) changed(of net.Conn, state http.ConnState) {
	c, ok := of.(*conn)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.leave()
	switch state {
	case http.StateNew:
		s.fresh.add(c)
	case http.StateIdle:
		c.head.await()
		s.idle.add(c)
	case http.StateClosed:
		if c.head.isOpen() {
			s.heads.Add(1)
		}
	}
}

// closeFresh closes the connections on which no request has arrived.
func (s *conns) closeFresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := s.fresh.first; c != nil; c = c.next {
		_ = c.Close() // net/http closes it once more
	}
}

// Close implements net.Conn. The first call gives the connection's place back.
func (c *conn) Close() error {
	if !c.closed.Swap(true) {
		c.set.open.Add(-1)
		if c.spare {
			c.set.spares.Add(-1)
		}
	}
	return c.Conn.Close()
}

// CloseWrite lets net/http end its side first, so that the client can still read the answer.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// connKey is where the contexts of a connection's requests have it.
type connKey struct{}

// connContext puts the connection into the contexts of its requests.
func connContext(ctx context.Context, of net.Conn) context.Context {
	if c, ok := of.(*conn); ok {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}

// connOf returns the connection of a request; nil when the request did not come by one of ours.
func connOf(r *http.Request) *conn {
	c, _ := r.Context().Value(connKey{}).(*conn)
	return c
}

// LimitConnections lowers the most connections that are open at a time to most, with those beyond the limit that are kept
// for the probes. It returns how many that leaves, and 0 when the settings ask for no more. It is called before [Server.Serve].
func (s *Server) LimitConnections(most int) (left int) {
	if s.conns.limit > 0 && s.conns.limit+spareConns <= most {
		return 0
	}
	s.conns.spare = min(spareConns, most/4)
	s.conns.limit = most - s.conns.spare
	return s.conns.limit
}

// connList is a list of connections, the oldest first.
type connList struct{ first, last *conn }

func (l *connList) add(c *conn) {
	c.list, c.since, c.prev, c.next = l, time.Now(), l.last, nil
	if l.last == nil {
		l.first = c
	} else {
		l.last.next = c
	}
	l.last = c
}

// leave takes c, which may be nil, out of the list it is in.
func (c *conn) leave() {
	if c == nil || c.list == nil {
		return
	}
	if c.prev == nil {
		c.list.first = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		c.list.last = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.list = nil
}
