//go:build unix

package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"plugboard/config"
)

// socket is the listening socket. It is held as a file, since a process that it is passed to may change how it is waited for, which a
// listener of this process would not survive; whoever accepts here makes a listener of the file first.
type socket struct {
	file   *os.File
	addr   net.Addr
	scheme string
}

// hold binds the service's address.
func hold(ctx context.Context, cfg config.HTTP) (*socket, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", cfg.Addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: another process uses this address; stop it, or set APP_HTTP_ADDR", cfg.Addr)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s (APP_HTTP_ADDR): %w", cfg.Addr, err)
	}
	defer func() { _ = listener.Close() }() // the file is another copy of the socket
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("listen on %s: this is no TCP address", cfg.Addr)
	}
	file, err := tcp.File()
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", cfg.Addr, err)
	}
	if err := deferAccept(tcp); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", cfg.Addr, err)
	}
	s := &socket{file: file, addr: listener.Addr(), scheme: "http://"}
	if cfg.TLSCert != "" {
		s.scheme = "https://"
	}
	return s, nil
}

// url is where the service is reached from this machine.
func (s *socket) url() string {
	host, port, err := net.SplitHostPort(s.addr.String())
	if err != nil {
		return s.scheme + s.addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return s.scheme + net.JoinHostPort(host, port)
}

func (s *socket) close() { _ = s.file.Close() } // nothing is written to it
