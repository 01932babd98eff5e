// Package dev runs a service while somebody works on it.
//
// It holds the listening socket, so that no request is refused while one version of the service takes over from another. When a file
// changes it builds a new version; only one that builds, and that passes the service's own check, takes over. The old version is told to
// stop and finishes its requests, and then the new one starts: a SQLite file belongs to one process, so there are never two. Meanwhile
// new connections wait in the socket. The socket is passed as systemd does it (LISTEN_FDS).
//
// When a version does not build, does not pass or ends at its start, the last good one serves, and the error is shown in the terminal
// and to browsers (see devpage). When there is no good one, this process answers requests with the error.
package dev

import "io"

// Options says what [Run] runs.
type Options struct {
	// Dir is the folder of the service's module. Its main package is there.
	Dir string
	// Environ is the environment of the service, and of the go command, as in os.Environ. A relative APP_CONFIG is one from the working
	// directory.
	Environ []string
	// Stdout and Stderr get what the service writes, Stdout also what Run has to say. They are written to concurrently.
	Stdout, Stderr io.Writer
}
