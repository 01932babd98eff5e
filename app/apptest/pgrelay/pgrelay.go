// Package pgrelay is a relay in front of a test's Postgres.
//
// It counts what the service sends, changes it, loses the server's answers, breaks connections: as the test asks.
package pgrelay

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// Relay forwards connections. It is safe for concurrent use.
type Relay struct {
	listener net.Listener
	// network and backend are the server's address.
	network, backend string

	mu    sync.Mutex
	conns []net.Conn
	all   sync.WaitGroup

	// Sent counts the writes of the service. The service waits for the answer to each.
	Sent atomic.Int64
	// Rewrite changes the bytes that the service sends; nil changes nothing.
	Rewrite atomic.Pointer[func([]byte) []byte]
	// Lose reports whether an answer is to be lost, and its connection with it; nil loses nothing.
	Lose atomic.Pointer[func([]byte) bool]
}

// port is Postgres's.
const port = "5432"

// Through starts a relay on a port of the loopback and returns it with the URL that leads through it to the server of
// database, without TLS.
func Through(database string) (*Relay, string, error) {
	u, err := url.Parse(database)
	if err != nil {
		return nil, "", fmt.Errorf("read the database's URL: %w", err)
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", fmt.Errorf("listen: %w", err)
	}
	r := &Relay{listener: listener, network: "tcp", backend: u.Host}
	q := u.Query()
	switch folder := q.Get("host"); {
	case folder != "":
		r.network, r.backend = "unix", filepath.Join(folder, ".s.PGSQL."+port)
		q.Del("host")
	case u.Port() == "":
		r.backend = net.JoinHostPort(u.Hostname(), port)
	}
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = listener.Addr().String(), q.Encode()
	r.all.Go(r.serve)
	return r, u.String(), nil
}

// Close breaks all connections and takes no further ones.
func (r *Relay) Close() {
	_ = r.listener.Close()
	r.Cut()
	r.all.Wait()
}

// Cut breaks all connections.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.conns = nil
}

func (r *Relay) serve() {
	for {
		front, err := r.listener.Accept()
		if err != nil {
			return
		}
		var dialer net.Dialer
		back, err := dialer.DialContext(context.Background(), r.network, r.backend)
		if err != nil {
			_ = front.Close()
			continue
		}
		r.mu.Lock()
		r.conns = append(r.conns, front, back)
		r.mu.Unlock()
		r.all.Go(func() { forward(back, front, r.ask) })
		r.all.Go(func() { forward(front, back, r.answer) })
	}
}

func (r *Relay) ask(p []byte) ([]byte, bool) {
	r.Sent.Add(1)
	if rewrite := r.Rewrite.Load(); rewrite != nil {
		p = (*rewrite)(p)
	}
	return p, true
}

func (r *Relay) answer(p []byte) ([]byte, bool) {
	lose := r.Lose.Load()
	return p, lose == nil || !(*lose)(p)
}

// forward copies the bytes from one connection to the other, as changed by pass. It ends when a connection ends or pass
// says so, and closes to.
func forward(to, from net.Conn, pass func([]byte) ([]byte, bool)) {
	defer func() { _ = to.Close() }()
	p := make([]byte, 64<<10)
	for {
		n, err := from.Read(p)
		if err != nil {
			return
		}
		out, ok := pass(p[:n])
		if !ok {
			return
		}
		if _, err := to.Write(out); err != nil {
			return
		}
	}
}
