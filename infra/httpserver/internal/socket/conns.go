// Package socket accepts the connections of the HTTP server.
//
// It bounds their number, knows which are idle, presents the certificate, and logs what net/http says about them. It knows nothing
// of requests, but for the moment at which a handler is entered. All of it is safe for concurrent use.
package socket

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// spareConnections is how many connections are accepted beyond the limit. On them only probes are served. Other requests get 503,
	// which tells the client more than a closed connection.
	spareConnections = 16
	// freshGrace is how long a new connection has to send the head of its request. After that it may be closed to make room.
	freshGrace = time.Second
)

// Connections are the open connections of a server. When there are as many as allowed, a new one takes the place of the connection that
// has been idle for longest, or else of the one that has sent no request for longest.
type Connections struct {
	limit   int // 0: none
	spare   int // how many beyond it
	open    atomic.Int64
	spares  atomic.Int64
	refused atomic.Int64 // closed because there were too many
	heads   atomic.Int64 // closed on a head that never became a request

	mu    sync.Mutex // guards the lists, and their members' links
	idle  connList   // those between two requests
	fresh connList   // those on which no head has arrived in full
}

// Conn is an accepted connection.
type Conn struct {
	net.Conn
	set    *Connections
	spare  bool
	secure bool // net/http speaks TLS on it
	closed atomic.Bool
	head   head

	list       *connList // the one it is in, or nil
	prev, next *Conn
	since      time.Time // when it came into the list
	warned     bool      // a call of CloseFresh has seen it
}

// New returns the connections of a server that may have limit at a time; 0 is no limit.
func New(limit int) *Connections { return &Connections{limit: limit, spare: spareConnections} }

// Open returns how many connections there are.
func (s *Connections) Open() int64 { return s.open.Load() }

// Refused returns how many were closed because there were too many.
func (s *Connections) Refused() int64 { return s.refused.Load() }

// Heads returns how many were closed on a head that never became a request.
func (s *Connections) Heads() int64 { return s.heads.Load() }

// HasSpares reports whether there are connections beyond the limit.
func (s *Connections) HasSpares() bool { return s.spares.Load() > 0 }

// Listen returns a listener that accepts l's connections as s has room for them.
func (s *Connections) Listen(l net.Listener) net.Listener { return limitedListener{l, s} }

// limitedListener accepts connections into set.
type limitedListener struct {
	net.Listener
	set *Connections
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
		_ = accepted.Close() // there are too many
	}
}

// admit takes a connection in, or returns nil when there is no place for it.
func (s *Connections) admit(accepted net.Conn) *Conn {
	c := &Conn{Conn: accepted, set: s}
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

// makeRoom closes a connection on which there is no request, if there is one.
func (s *Connections) makeRoom() bool {
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
	_ = victim.Close() // net/http notices that and closes it too
	return true
}

// Changed is net/http's hook for the state of a connection. A connection becomes active when a head has arrived in full.
func (s *Connections) Changed(of net.Conn, state http.ConnState) {
	c := accepted(of)
	if c == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.leave()
	switch state {
	case http.StateNew:
		c.secure = of != net.Conn(c)
		s.fresh.add(c)
	case http.StateActive:
		if c.secure {
			c.head.arrive()
		}
	case http.StateIdle:
		c.head.await()
		s.idle.add(c)
	case http.StateClosed:
		if c.head.isIncomplete() {
			s.heads.Add(1)
		}
	}
}

// CloseFresh closes the connections that were there at the call before, and on which no request has arrived by now. One call alone would
// close connections whose request waits to be read, since this process was not given a processor for a while: between two calls it was.
func (s *Connections) CloseFresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := s.fresh.first; c != nil; c = c.next {
		if c.warned {
			_ = c.Close() // net/http closes it once more
		}
		c.warned = true
	}
}

// Close implements net.Conn. The first call gives the connection's place back.
func (c *Conn) Close() error {
	if !c.closed.Swap(true) {
		c.set.open.Add(-1)
		if c.spare {
			c.set.spares.Add(-1)
		}
	}
	return c.Conn.Close()
}

// CloseWrite lets net/http end its side first, so that the client can still read the answer.
func (c *Conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// accepted returns the connection of this package behind of, which net/http gives its hooks: of itself, or over TLS the one below the
// encryption. It returns nil for a connection of another listener.
func accepted(of net.Conn) *Conn {
	if encrypted, ok := of.(interface{ NetConn() net.Conn }); ok {
		of = encrypted.NetConn()
	}
	c, _ := of.(*Conn)
	return c
}

// connKey is the key of a connection in the contexts of its requests.
type connKey struct{}

// Enter notes that a handler is entered for a request that came by c, which may be nil.
func (c *Conn) Enter() {
	if c != nil {
		c.head.enter()
	}
}

// IsSpare reports whether c, which may be nil, is beyond the limit.
func (c *Conn) IsSpare() bool { return c != nil && c.spare }

// Context puts the connection into the contexts of its requests.
func Context(ctx context.Context, of net.Conn) context.Context {
	if c := accepted(of); c != nil {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}

// Of returns the connection of a request; nil for a request that did not come by a listener of this package.
func Of(r *http.Request) *Conn {
	c, _ := r.Context().Value(connKey{}).(*Conn)
	return c
}

// Lower has s keep at most so many connections open, including the spare ones for probes. It returns the limit that is left for other
// requests, and 0 when the limit of s is lower already. Call it before connections are accepted.
func (s *Connections) Lower(most int) (left int) {
	if s.limit > 0 && s.limit+spareConnections <= most {
		return 0
	}
	s.spare = min(spareConnections, most/4)
	s.limit = most - s.spare
	return s.limit
}

// connList is a list of connections, the oldest first.
type connList struct{ first, last *Conn }

func (l *connList) add(c *Conn) {
	c.list, c.since, c.prev, c.next = l, time.Now(), l.last, nil
	if l.last == nil {
		l.first = c
	} else {
		l.last.next = c
	}
	l.last = c
}

// leave takes c, which may be nil, out of the list it is in.
func (c *Conn) leave() {
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

// head notes what arrives on a connection, to count connections that are closed on a head that never became a request. Net/http answers
// or drops a head that is malformed, too large, incomplete or too slow before it enters a handler, and logs nothing.
//
// Over TLS the bytes that arrive may be a handshake or a farewell, so there the state of the connection tells that a head has begun. Of the
// second and later heads of a connection it tells that only when they arrive in several parts: others are not counted.
type head struct {
	begun   atomic.Bool // bytes have arrived for which no handler was entered
	entered atomic.Bool // a handler was entered since the connection was idle
}

// arrive notes that bytes have arrived.
func (h *head) arrive() {
	if !h.entered.Load() && !h.begun.Load() {
		h.begun.Store(true)
	}
}

// enter notes that a handler is entered: the bytes that have arrived are its request, and so are those that follow.
func (h *head) enter() {
	h.entered.Store(true)
	h.begun.Store(false)
}

// await notes that the connection waits for the next request.
func (h *head) await() {
	h.entered.Store(false)
	h.begun.Store(false)
}

// isIncomplete reports whether a head has begun that no handler was entered for.
func (h *head) isIncomplete() bool { return h.begun.Load() }

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.secure {
		c.head.arrive()
	}
	return n, err
}
