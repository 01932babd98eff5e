package application

import (
	"strings"

	"go.uber.org/zap"
)

// These parts of the limit of open files are kept from connections.
const (
	// otherFiles are for the standard files, the port, the queues of the kernel, an exporter of traces, and files of
	// plugins.
	otherFiles = 16
	// A SQLite connection has filesOfReader: the file and its log. All connections together have filesOfSQLite more.
	filesOfReader, filesOfSQLite = 2, 8
	// fewestConns is the least number of connections, however low the limit is.
	fewestConns = 8
)

// leaveDescriptors limits the connections, so that the database and the probes have descriptors left. Without one, the
// server accepts no connection, and a statement that needs a new database connection fails.
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

// databaseFiles is the greatest number of descriptors that the database needs.
func (a *App) databaseFiles() int {
	if strings.HasPrefix(a.cfg.Database.URL, "sqlite:") {
		return filesOfSQLite + filesOfReader*a.cfg.Database.MaxConns
	}
	const ownSession = 2 // one for the lock that says "this replica lives", one to listen on
	return a.cfg.Database.MaxConns + ownSession
}
