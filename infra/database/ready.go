package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/zap"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"plugboard/app"
)

const (
	// examineEvery is how often the database is examined at most, and how long a commit proves that it can be written.
	examineEvery = 5 * time.Second
	// examineLimit is how long an examination may take, writeWait how long it waits for the one writer on SQLite.
	examineLimit = 1500 * time.Millisecond
	writeWait    = 500 * time.Millisecond
	// failuresInARow make the database unfit: one alone may be a moment's.
	failuresInARow = 2
)

// vitals are the signs of life that connections give, and what examinations have found.
type vitals struct {
	// committed is when a write was last committed; nil before the first one.
	committed atomic.Pointer[time.Time]
	// failed is the last failure of a write that lies with the storage, until a write is committed again.
	failed atomic.Pointer[error]
	// damaged tells that a statement found damage on Postgres, until the tables are looked at and found whole.
	damaged atomic.Bool

	mu       sync.Mutex // guards what follows, and is held during an examination
	examined time.Time
	failures int
	// tables are those that could be read and written when they were first seen: the ones of this service.
	tables  map[string]bool
	verdict atomic.Pointer[error]
}

// commit notes that a write was committed.
func (v *vitals) commit() {
	now := time.Now()
	v.committed.Store(&now)
	if v.failed.Load() != nil {
		v.failed.Store(nil)
	}
}

// note notes an error that lies with the storage.
func (v *vitals) note(err error, logger *zap.Logger) {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code {
		case "XX001", "XX002": // data and index corrupted
			if !v.damaged.Swap(true) {
				logger.Error("the database is damaged: some of what it holds cannot be read; restore it from a backup, or have it mended", zap.Error(err))
			}
		case "25006", "53100", "58030": // read-only, disk full, I/O error
			v.failed.Store(&err)
		}
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
			v.failed.Store(&err)
		}
	}
}

// recent reports whether a write was committed a moment ago, and none has failed since.
func (v *vitals) recent() bool {
	last := v.committed.Load()
	return last != nil && time.Since(*last) < examineEvery && v.failed.Load() == nil
}

// Ready reports whether the database is fit for requests: it answers, it can be written, and the service's tables can be
// reached. That it answers is asked each time. The rest is examined every five seconds at most, and must fail twice in a row;
// the error says what it is that fails.
//
// That it can be written is known from a recent commit, else from a write that is rolled back; after a write that failed, as
// when the disk is full, from one that is committed.
func (db *DB) Ready(ctx context.Context) error {
	if err := db.Ping(ctx); err != nil {
		return err
	}
	v := &db.vitals
	if v.mu.TryLock() { // else somebody else examines, and the last verdict stands
		if time.Since(v.examined) >= examineEvery {
			db.judge(ctx)
		}
		v.mu.Unlock()
	}
	if verdict := v.verdict.Load(); verdict != nil {
		return *verdict
	}
	return nil
}

// judge examines the database and updates the verdict. Its caller holds the mutex.
func (db *DB) judge(ctx context.Context) {
	v := &db.vitals
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), examineLimit)
	defer cancel()
	err := db.examine(ctx)
	v.examined = time.Now()
	if err == nil {
		v.failures = 0
		v.verdict.Store(nil)
		return
	}
	db.logger.Debug("the database was found unfit", zap.Error(err))
	if v.failures++; v.failures >= failuresInARow {
		v.verdict.Store(&err)
	}
}

func (db *DB) examine(ctx context.Context) error {
	conns, err := db.open()
	if err != nil {
		return err
	}
	write, look := db.writeSQLite, db.lookAtSQLite
	if db.Dialect() == Postgres {
		write, look = db.writePostgres, db.lookAtPostgres
	}
	if !db.vitals.recent() {
		if err := write(ctx, conns); err != nil {
			return app.Errorf(app.Unavailable, "the database cannot be written").Because(err)
		}
	}
	if err := look(ctx, conns); err != nil {
		return app.Errorf(app.Unavailable, "tables of the database cannot be reached").Because(err)
	}
	return nil
}

// writeSQLite writes the number that a file has for the use of its application, as it is. It waits a moment for the one
// writer; whoever has held that up for so long, with nothing committed since the last examination, holds up everybody.
func (db *DB) writeSQLite(ctx context.Context, conns *connections) error {
	if _, err := conns.slot.take(ctx, writeWait, false); err != nil {
		if db.vitals.recent() {
			return nil
		}
		return err
	}
	defer conns.slot.release()
	tx, err := conns.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	var number int64
	err = tx.QueryRowContext(ctx, "SELECT user_version FROM pragma_user_version").Scan(&number)
	if err == nil {
		_, err = tx.ExecContext(ctx, fmt.Sprint("PRAGMA user_version = ", number))
	}
	if err == nil && db.vitals.failed.Load() != nil {
		return tx.Commit()
	}
	return errors.Join(err, tx.Rollback())
}

// lookAtSQLite looks at the first page of each table and index.
func (db *DB) lookAtSQLite(ctx context.Context, conns *connections) error {
	return checkRoots(ctx, conns.reader)
}

// writePostgres asks whether transactions may write. A write would leave a dead row behind even when it is rolled back, and
// find no more: those of the event bus are committed all the time.
func (db *DB) writePostgres(ctx context.Context, conns *connections) error {
	var readOnly bool
	row := conns.writer.QueryRowContext(ctx, "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean")
	if err := row.Scan(&readOnly); err != nil {
		return err
	}
	if readOnly {
		return errors.New("the server takes no writes: it is a standby, or default_transaction_read_only is on")
	}
	if failed := db.vitals.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}

// lookAtPostgres asks whether the tables that could be read and written still can, and, once a statement has found damage,
// reads the first page of each.
func (db *DB) lookAtPostgres(ctx context.Context, conns *connections) error {
	rows, err := conns.reader.QueryContext(ctx, `SELECT relname, has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE')
		FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' ORDER BY relname`)
	if err != nil {
		return err
	}
	all, err := scanTables(rows)
	if err != nil {
		return err
	}
	v := &db.vitals
	if v.tables == nil {
		v.tables = map[string]bool{}
	}
	var ours []string
	for _, t := range all {
		switch {
		case t.open:
			v.tables[t.name] = true
			ours = append(ours, t.name)
		case v.tables[t.name]:
			return fmt.Errorf("the right to read or to write the table %s was taken from this user", t.name)
		}
	}
	if !v.damaged.Load() || len(ours) == 0 {
		return nil
	}
	if err := readFirstPages(ctx, conns.reader, ours); err != nil {
		return err
	}
	v.damaged.Store(false)
	return nil
}

// tableRight says whether a table can be read, and written in some way.
type tableRight struct {
	name string
	open bool
}

func scanTables(rows *sql.Rows) (all []tableRight, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var t tableRight
		if err := rows.Scan(&t.name, &t.open); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, rows.Err()
}

// readFirstPages reads the page of each table that holds its first rows, and no other.
func readFirstPages(ctx context.Context, pool *sql.DB, tables []string) error {
	queries := make([]string, len(tables))
	for i, name := range tables {
		queries[i] = "SELECT 1 FROM " + pgx.Identifier{name}.Sanitize() + " WHERE ctid = '(0,1)'"
	}
	_, err := pool.ExecContext(ctx, strings.Join(queries, " UNION ALL "))
	return err
}
