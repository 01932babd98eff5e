//go:build unix

package pgx

import (
	"errors"
	"net"
	"syscall"
)

// hungUp reports whether the other end has closed conn and nothing is left to read. It does not wait, and reads without removing.
func hungUp(conn net.Conn) bool {
	sys, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sys.SyscallConn()
	if err != nil {
		return false
	}
	hung := false
	err = raw.Control(func(fd uintptr) {
		var next [1]byte
		n, _, err := syscall.Recvfrom(int(fd), next[:], syscall.MSG_PEEK) // Go's sockets never block
		hung = err == nil && n == 0 || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	})
	return hung && err == nil
}
