package host

import (
	"strings"

	"go.uber.org/zap"
)

// What of the limit of open files is not for connections.
const (
	// otherFiles are the standard files, the port, the kernel's queues, an exporter, and plugins' own.
	otherFiles = 16
	// filesOfReader and filesOfSQLite are those of one SQLite connection, the file and its log, and those of all together.
	filesOfReader, filesOfSQLite = 2, 8
	// fewestConns are accepted however low the limit is.
	fewestConns = 8
)

// leaveDescriptors keeps connections from taking the descriptors that the database and the probes need: with none left
// nothing can be accepted, and a statement that needs a new connection fails.
func (a *App) leaveDescriptors() {
	limit, known := openFiles()
	if !known {
		return
	}
	need := otherFiles + a.databaseFiles()
	left := a.parts.Server.LimitConnections(max(limit-need, fewestConns))
	if wanted := a.cfg.HTTP.MaxConnections; left > 0 && wanted > 0 {
		a.parts.Logger.Warn("the limit of open files is too low for http.max_connections, so that fewer connections are accepted; raise it (ulimit -n)",
			zap.Int("open_files", limit), zap.Int("max_connections", wanted), zap.Int("accepted", left))
	}
}

// databaseFiles is how many descriptors the database needs at its most.
func (a *App) databaseFiles() int {
	if strings.HasPrefix(a.cfg.Database.URL, "sqlite:") {
		return filesOfSQLite + filesOfReader*a.cfg.Database.MaxConns
	}
	const ownSession = 2 // the lock by which others see that this replica lives, and one to listen on
	return a.cfg.Database.MaxConns + ownSession
}
