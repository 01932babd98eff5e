//go:build unix && !linux

package dev

import "net"

// deferAccept does nothing: this system gives out connections at once. When a version of the service ends it closes those on which no
// request has arrived; clients open others.
func deferAccept(*net.TCPListener) error { return nil }
