//go:build unix

package activation

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// errNoListener says that the descriptor is of another kind. A Unix socket is refused as well: its clients have no address, by which
// trusted proxies and the log go.
var errNoListener = errors.New("it is no listening TCP socket (in a .socket unit: ListenStream= with a port)")

// take makes a listener of a file descriptor, which it closes. What is no listening socket is left alone: without a socket the
// descriptor may belong to Go's runtime.
func take(fd int) (net.Listener, error) {
	listens, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	switch {
	case errors.Is(err, syscall.ENOPROTOOPT): // a system that does not tell
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errNoListener, err)
	case listens == 0:
		return nil, errNoListener
	}
	syscall.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), variableCount)
	defer func() { _ = file.Close() }() // the listener has a copy
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	if _, ok := listener.(*net.TCPListener); !ok {
		_ = listener.Close() // it is not used
		return nil, errNoListener
	}
	return listener, nil
}
