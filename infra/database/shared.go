package database

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// errShared refuses what the owner of a SQLite file alone may do.
var errShared = errors.New("the database was opened beside the process it belongs to")

// OpenShared opens the database for an operator's command that works beside the running service. On Postgres it is
// [DB.Open]. On SQLite it takes no lock on the file and does not create it: the two processes' transactions take turns
// by SQLite's own locks, each waiting for as long as the BusyTimeout setting says. [DB.Migrate] is refused then, and
// what the file's owner keeps in memory does not notice what is written: only tables that are meant for it may be
// written to.
func (db *DB) OpenShared(ctx context.Context) error { return db.openWith(ctx, db.openSharedSQLite) }

func (db *DB) openSharedSQLite(ctx context.Context) (*connections, error) {
	file, err := filepath.EvalSymlinks(db.source.file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open database %s: there is no such file; the service makes it when it first starts", db.source.file)
	}
	if err == nil {
		file, err = filepath.Abs(file)
	}
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", db.source.file, bare(err))
	}
	if info, err := os.Stat(file); err == nil && info.Size() == 0 {
		return nil, fmt.Errorf("open database %s: the file is empty; the service fills it when it first starts", db.source.file)
	}
	conns, err := db.connectSQLite(ctx, &sqliteFile{named: db.source.file, path: file})
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", db.source.file, explainOpen(err))
	}
	conns.shared = true
	conns.close = func(ctx context.Context) error { return closeShared(ctx, conns) }
	return conns, nil
}

// closeShared waits for the running transaction. The log is left to the file's owner; when there is none, SQLite moves
// it into the file with the last connection.
func closeShared(ctx context.Context, conns *connections) error {
	return errors.Join(conns.turn(ctx), conns.reader.Close(), conns.writer.Close())
}
