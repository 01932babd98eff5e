package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/database/internal/once"
	"plugboard/infra/database/internal/orm"
	"plugboard/infra/database/internal/sqlite"
)

// ErrNotOpen is the error of every statement before [DB.Open] and after [DB.Close].
var ErrNotOpen = errors.New("the database is not open; it is open between the application's start and stop")

// DB is the service's database. It is safe for concurrent use.
type DB struct {
	cfg    config.Database
	source source
	logger *zap.Logger
	pool   *pool
	gorm   *gorm.DB
	tracer trace.Tracer // nil: no spans

	health *health
	// searches bounds how many searches run at a time; see pool.Search.
	searches chan struct{}
	answers  once.Store

	opening sync.Mutex // serialises Open and Close
	conns   atomic.Pointer[connections]
}

// connections are the open connections. On Postgres writer and reader are the same pool.
type connections struct {
	writer *sql.DB
	reader *sql.DB
	// lock orders the transactions and statements that write on SQLite. It is nil on Postgres.
	lock *writerLock
	// sqlite is nil on Postgres.
	sqlite *sqlite.Database
	// foreign is true if another process owns the SQLite file.
	foreign bool
	close   func(ctx context.Context) error
}

// New parses cfg.URL and prepares the handle. It opens nothing: statements before [DB.Open] fail with
// [ErrNotOpen].
func New(cfg config.Database, logger *zap.Logger) (*DB, error) {
	src, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	db := &DB{cfg: cfg, source: src, logger: logger, searches: make(chan struct{}, max(1, cfg.MaxConns/searchShare))}
	db.health = &health{logger: logger}
	db.pool = &pool{db: db}
	db.answers.Postgres, db.answers.MapError = db.Dialect() == Postgres, MapError
	dialector := orm.SQLite
	if db.Dialect() == Postgres {
		dialector = orm.Postgres
	}
	db.gorm, err = gorm.Open(dialector(db.pool), &gorm.Config{
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		TranslateError:         true,
		Logger:                 orm.NewLogger(logger, cfg.SlowQuery),
		NowFunc:                now,
	})
	if err != nil {
		return nil, fmt.Errorf("prepare database handle: %w", err)
	}
	return db, nil
}

// now is the time as both databases store it: in UTC, to the microsecond.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Gorm returns the handle that plugins get. Before Open it can be passed around; statements fail. Every statement needs a context,
// given with WithContext.
func (db *DB) Gorm() *gorm.DB { return db.gorm }

// Dialect returns the kind of database.
func (db *DB) Dialect() Dialect { return db.source.dialect }

// Close closes all connections. On SQLite it first waits for the running transaction, until ctx ends, and moves the write-ahead
// log into the file. Closing a database that is not open does nothing.
func (db *DB) Close(ctx context.Context) error {
	db.opening.Lock()
	defer db.opening.Unlock()
	conns := db.conns.Swap(nil)
	if conns == nil {
		return nil
	}
	return conns.close(ctx)
}

// Ping returns nil if the database answers and, on SQLite, its files are in their place. Its error carries a code.
func (db *DB) Ping(ctx context.Context) error {
	conns, err := db.connections()
	if err != nil {
		return err
	}
	if conns.sqlite != nil {
		if err := conns.sqlite.Check(); err != nil {
			return app.Errorf(app.Unavailable, "a file of the database is not in its place").Because(err)
		}
	}
	var one int
	rows, err := db.queryPool(ctx, conns, conns.reader, "SELECT 1")
	if err == nil {
		defer func() { _ = rows.Close() }()
		if rows.Next() {
			return rows.Scan(&one)
		}
		err = rows.Err()
	}
	return fmt.Errorf("ping database: %w", MapError(err))
}

// Stats returns the state of the connection pools by name: "writer" and "reader" on SQLite, "pool" on
// Postgres. It is empty while the database is not open.
func (db *DB) Stats() map[string]sql.DBStats {
	conns := db.conns.Load()
	switch {
	case conns == nil:
		return nil
	case conns.writer == conns.reader:
		return map[string]sql.DBStats{"pool": conns.writer.Stats()}
	default:
		return map[string]sql.DBStats{"writer": conns.writer.Stats(), "reader": conns.reader.Stats()}
	}
}

func (db *DB) connections() (*connections, error) {
	if conns := db.conns.Load(); conns != nil {
		return conns, nil
	}
	return nil, ErrNotOpen
}

// KeepAnswers deletes, until ctx ends, the answers of [app.Once] that are older than keep. It looks for them at once, and then again after a
// 24th of keep, but at least every hour. Several processes may do so. A failure is logged and tried again at the next turn.
func (db *DB) KeepAnswers(ctx context.Context, keep time.Duration) {
	for {
		if err := db.answers.Prune(ctx, db, time.Now().Add(-keep)); err != nil && ctx.Err() == nil {
			db.logger.Warn("deletion of old answers of app.Once failed", zap.Error(err))
		}
		if !app.Sleep(ctx, min(keep/24, time.Hour)) {
			return
		}
	}
}

// Conn takes a connection out of the pool of writers, for a session that the caller must not share, such as one with an advisory
// lock. The caller closes it. It is meant for Postgres, since SQLite has only one writer.
func (db *DB) Conn(ctx context.Context) (*sql.Conn, error) {
	conns, err := db.connections()
	if err != nil {
		return nil, err
	}
	conn, err := db.takeConn(ctx, conns.writer)
	return conn, MapError(err)
}
