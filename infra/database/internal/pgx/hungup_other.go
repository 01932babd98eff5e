//go:build !unix

package pgx

import "net"

// hungUp reports whether the other end has closed conn; here nobody can tell.
func hungUp(net.Conn) bool { return false }
