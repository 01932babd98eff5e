package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"plugboard/infra/database/internal/pgx"
)

// commitTimeout bounds a commit or a rollback. The end of the caller's context does not stop them.
const commitTimeout = 30 * time.Second

// own is a transaction of the database that nobody shares.
type own struct{ opts *sql.TxOptions }

// txConn is an open transaction of the database, with its connection. The members of a group share one.
type txConn struct {
	sql    *sql.Tx
	conn   *sql.Conn
	cancel context.CancelFunc // rolls back unless the transaction has ended
	free   func()             // gives back the connection and the writer lock; a second call does nothing

	mu         sync.Mutex
	withCommit []pgx.FinalStatement // on Postgres; guarded by mu
}

func (o own) begin(ctx context.Context, t *Tx) error {
	conns, err := t.db.connections()
	if err != nil {
		return err
	}
	release, err := t.db.takeLock(ctx, conns)
	if err != nil {
		return MapError(err)
	}
	t.root, err = t.db.openTxConn(ctx, conns, release, o.opts)
	return err
}

// openTxConn begins a transaction. Its caller has taken the writer lock of SQLite; free releases the lock.
func (db *DB) openTxConn(ctx context.Context, conns *connections, release func(), opts *sql.TxOptions) (*root, error) {
	conn, err := db.takeConn(ctx, conns.writer)
	if err != nil {
		release()
		return nil, MapError(err)
	}
	s := &txConn{conn: conn}
	s.free = sync.OnceFunc(func() {
		_ = conn.Close()
		release()
	})
	// The end of the caller's context rolls back, but not in the middle of a commit, whose outcome nobody would know. So the transaction
	// has a context of its own, and stop ends the watch over the caller's.
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	stop := context.AfterFunc(ctx, func() {
		cancel()
		s.free()
	})
	if s.sql, err = conn.BeginTx(inner, opts); err != nil {
		stop()
		cancel()
		s.free()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, MapError(err)
	}
	return &root{txConn: s, stop: stop}, nil
}

func (o own) commit(t *Tx) error {
	defer t.root.free()
	if !t.root.stop() { // the context has ended, and its rollback has begun
		_ = t.rollback(nil)
		return MapError(context.Cause(t.ctx))
	}
	t.end()
	err := t.root.finish(t.root.commit)
	t.root.leave()
	t.tell(err)
	return commitError(err)
}

func (o own) rollback(t *Tx, cause error) error {
	if !t.end() {
		return cause
	}
	defer t.root.free()
	t.root.stop()
	err := t.root.finish(t.root.sql.Rollback)
	t.root.leave()
	t.afterRollback(t.participants)
	if err == nil || errors.Is(err, sql.ErrTxDone) || t.ctx.Err() != nil {
		return cause
	}
	return errors.Join(cause, fmt.Errorf("roll back: %w", MapError(err)))
}

// commit sends COMMIT, together with the statements of ExecLast.
func (s *txConn) commit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.withCommit) > 0 {
		if err := pgx.AddToCommit(s.conn, s.withCommit); err != nil {
			return errors.Join(err, s.sql.Rollback())
		}
	}
	return s.sql.Commit()
}

// finish runs statement, which is the commit or the rollback, and gives the connection back.
func (s *txConn) finish(statement func() error) error {
	timer := time.AfterFunc(commitTimeout, s.cancel)
	err := statement()
	timer.Stop()
	s.cancel()
	_ = s.conn.Close()
	return err
}
