package socket

import "sync/atomic"

// head follows what arrives on a connection, so that one which is closed on a head that never became a request is counted:
// net/http answers or drops what is malformed, too large, incomplete or too slow before any handler knows of it, and
// logs nothing. A handler that was entered has answered for its request.
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

// enter notes that a handler is entered: what has arrived is its request, and so is what follows.
func (h *head) enter() {
	h.entered.Store(true)
	h.begun.Store(false)
}

// await notes that the connection waits for the next request.
func (h *head) await() {
	h.entered.Store(false)
	h.begun.Store(false)
}

// isOpen reports whether a head has begun that no handler was entered for.
func (h *head) isOpen() bool { return h.begun.Load() }

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.head.arrive()
	}
	return n, err
}
