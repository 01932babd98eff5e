// Package activation takes over a listening socket from the process that started this one.
//
// It speaks the protocol of systemd's socket units, sd_listen_fds(3): LISTEN_FDS says how many file descriptors are passed, from 3 on,
// and LISTEN_PID for which process they are.
package activation

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

// first is the file descriptor of the first socket that is passed.
const first = 3

// The variables of the protocol.
const (
	variableCount = "LISTEN_FDS"
	variablePID   = "LISTEN_PID"
	variableNames = "LISTEN_FDNAMES"
)

// Listener returns the socket that environ, as in os.Environ, passes to this process, and nil when it passes none: without LISTEN_FDS,
// and when LISTEN_PID is absent or that of another process, to which the variables then belong. The error names LISTEN_FDS: more than
// one socket is passed, or something that is no listening TCP socket.
//
// Programs that this process starts get neither the socket nor the variables. A second call in a process fails. Closing the listener
// closes no other copy of the socket, so connections wait there as long as another process holds it.
func Listener(environ []string) (net.Listener, error) {
	count := value(environ, variableCount)
	if count == "" {
		return nil, nil //nolint:nilnil // no socket is no error
	}
	for _, name := range []string{variableCount, variablePID, variableNames} {
		if err := os.Unsetenv(name); err != nil {
			return nil, fmt.Errorf("unset %s: %w", name, err)
		}
	}
	if value(environ, variablePID) != strconv.Itoa(os.Getpid()) {
		return nil, nil //nolint:nilnil // as above
	}
	switch n, err := strconv.Atoi(count); {
	case err != nil || n < 0:
		return nil, fmt.Errorf("%s is %q; it must be the number of passed sockets, 1", variableCount, count)
	case n == 0:
		return nil, nil //nolint:nilnil // as above
	case n > 1:
		return nil, fmt.Errorf("%s is %d, and the service listens on one socket; pass one (a .socket unit has one ListenStream=)", variableCount, n)
	}
	listener, err := take(first)
	if err != nil {
		return nil, fmt.Errorf("%s is 1, but file descriptor %d cannot be listened on: %w", variableCount, first, err)
	}
	return listener, nil
}

// value returns what environ has under name. As in a process's own environment, the last entry counts.
func value(environ []string, name string) string {
	for _, entry := range slices.Backward(environ) {
		if text, ok := strings.CutPrefix(entry, name+"="); ok {
			return text
		}
	}
	return ""
}
