package database

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/database/internal/contract"
	"plugboard/infra/database/internal/pgx"
)

const (
	// examineEvery is the shortest time between two examinations. For as long, a commit counts as proof that the database can be written.
	examineEvery = 5 * time.Second
	// examineLimit bounds an examination. writeWait bounds the wait for the writer lock of SQLite in it.
	examineLimit = 1500 * time.Millisecond
	writeWait    = 500 * time.Millisecond
	// failuresInARow is how many examinations must fail one after the other before the database counts as unfit.
	failuresInARow = 2
)

// health keeps what the connections report about the database and what the examinations find.
type health struct {
	logger *zap.Logger
	// committed is when a write was last committed; nil before the first one.
	committed atomic.Pointer[time.Time]
	// failed is the error of the last write that the storage refused; nil again once a write is committed.
	failed atomic.Pointer[error]
	// damaged is true if a statement found damage. On Postgres it becomes false once an examination finds no damage in the tables.
	damaged atomic.Bool

	mu       sync.Mutex // guards what follows, and is held during an examination
	examined time.Time
	failures int
	tables   pgx.Tables
	verdict  atomic.Pointer[error]
}

var _ contract.Health = (*health)(nil)

// Committed implements contract.Health.
func (h *health) Committed() {
	now := time.Now()
	h.committed.Store(&now)
	if h.failed.Load() != nil {
		h.failed.Store(nil)
	}
}

// Failed implements contract.Health.
func (h *health) Failed(err error) {
	fault, _ := faultOf(err)
	if fault.Damage && !h.damaged.Swap(true) {
		h.logger.Error("the database is damaged: some of what it holds cannot be read; restore it from a backup, or have it repaired", zap.Error(err))
	}
	if fault.Storage {
		h.failed.Store(&err)
	}
}

// recent reports whether a write was committed within the last examineEvery, and none has failed since.
func (h *health) recent() bool {
	last := h.committed.Load()
	return last != nil && time.Since(*last) < examineEvery && h.failed.Load() == nil
}

// Ready returns nil if the database is fit for requests: it answers, it can be written, and the service's tables can be reached. Each
// call asks whether it answers. The rest is examined every five seconds at most, and counts as failed after two failures in a row. The
// error says what fails.
//
// A recent commit proves that the database can be written. Without one, an examination tries. On SQLite it writes and rolls back; after a
// write that the storage refused, as on a full disk, it commits. On Postgres it asks the server whether transactions may write.
func (db *DB) Ready(ctx context.Context) error {
	if err := db.Ping(ctx); err != nil {
		return err
	}
	v := db.health
	if v.mu.TryLock() { // otherwise another call examines, and the last verdict stands
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
	v := db.health
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), examineLimit)
	defer cancel()
	err := db.examine(ctx)
	v.examined = time.Now()
	if err == nil {
		v.failures = 0
		v.verdict.Store(nil)
		return
	}
	db.logger.Debug("health check of the database failed", zap.Error(err))
	if v.failures++; v.failures >= failuresInARow {
		v.verdict.Store(&err)
	}
}

func (db *DB) examine(ctx context.Context) error {
	conns, err := db.connections()
	if err != nil {
		return err
	}
	write, look := db.writeSQLite, db.lookAtSQLite
	if db.Dialect() == Postgres {
		write, look = db.writePostgres, db.lookAtPostgres
	}
	if !db.health.recent() {
		if err := write(ctx, conns); err != nil {
			return app.Errorf(app.Unavailable, "the database cannot be written").Because(err)
		}
	}
	if err := look(ctx, conns); err != nil {
		return app.Errorf(app.Unavailable, "tables of the database cannot be reached").Because(err)
	}
	return nil
}

// writeSQLite tries a write. It waits a moment for the writer lock. If the lock does not come and nothing was committed meanwhile, that
// counts as a failure: a transaction holds up everybody.
func (db *DB) writeSQLite(ctx context.Context, conns *connections) error {
	if _, err := conns.lock.take(ctx, writeWait, false); err != nil {
		if db.health.recent() {
			return nil
		}
		return err
	}
	defer conns.lock.release()
	return conns.sqlite.ProbeWrite(ctx, db.health.failed.Load() != nil)
}

// lookAtSQLite looks at the first page of each table and index.
func (db *DB) lookAtSQLite(ctx context.Context, conns *connections) error {
	return conns.sqlite.CheckRoots(ctx)
}

// writePostgres asks whether transactions may write, and reports the last write that the storage refused. It does not write itself: on
// Postgres even a write that is rolled back leaves a dead row. The event bus writes all the time and would find a failure.
func (db *DB) writePostgres(ctx context.Context, conns *connections) error {
	if err := pgx.Writable(ctx, conns.writer); err != nil {
		return err
	}
	if failed := db.health.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}

// lookAtPostgres checks the rights on the service's tables. After a statement has found damage, it also reads the first page of each.
func (db *DB) lookAtPostgres(ctx context.Context, conns *connections) error {
	damaged := db.health.damaged.Load()
	err := db.health.tables.Check(ctx, conns.reader, damaged)
	if err == nil && damaged {
		db.health.damaged.Store(false)
	}
	return err
}
