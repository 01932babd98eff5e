package dev

import (
	"net"
	"os"
	"syscall"
)

// deferAccept keeps connections in the socket until their first bytes arrive. A connection that a version of the service has accepted
// cannot be handed to the next one; one that is silent, such as those that browsers open in advance, need not be accepted yet.
func deferAccept(l *net.TCPListener) error {
	const seconds = 30
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	if err := raw.Control(func(fd uintptr) {
		set = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_DEFER_ACCEPT, seconds)
	}); err != nil {
		return err
	}
	return os.NewSyscallError("setsockopt", set)
}
