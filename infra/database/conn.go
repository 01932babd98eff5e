package database

import (
	"context"
	"database/sql"
)

// Conn takes a connection out of the pool of writers, for a session that must be the caller's alone, such as one that
// holds an advisory lock. The caller closes it. It is for Postgres: SQLite has only one writer.
func (db *DB) Conn(ctx context.Context) (*sql.Conn, error) {
	conns, err := db.open()
	if err != nil {
		return nil, err
	}
	conn, err := db.takeConn(ctx, conns.writer)
	return conn, MapError(err)
}

// WithoutTx returns a context that carries no transaction: its statements run by themselves.
func WithoutTx(ctx context.Context) context.Context {
	return context.WithValue(ctx, txKey{}, (*Tx)(nil))
}
