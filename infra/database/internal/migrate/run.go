package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	goosedb "github.com/pressly/goose/v3/database"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/infra/internal/retry"
)

// setRun applies the files of one set. It is also goose's store of the history: goose calls Insert in the transaction of each file, after
// the file's statements.
type setRun struct {
	goosedb.StoreExtender
	m        *Migrator
	set      Set
	files    map[int64]migrationFile
	provider *goose.Provider
	last     *lastStatement
	// orphans are, on SQLite, the rows that refer to missing rows before the next file runs; nil until prepare has looked.
	orphans orphans
}

func (m *Migrator) newSetRun(set Set) (*setRun, error) {
	files, err := m.migrationFiles(set)
	if err != nil {
		return nil, err
	}
	folder, err := fs.Sub(set.FS, m.Dialect)
	if err != nil {
		return nil, err
	}
	dialect := goosedb.DialectSQLite3
	if m.Dialect == Postgres {
		dialect = goosedb.DialectPostgres
	}
	history, err := goosedb.NewStore(dialect, set.table())
	if err != nil {
		return nil, err
	}
	store, ok := history.(goosedb.StoreExtender)
	if !ok {
		return nil, fmt.Errorf("goose has changed: its history of type %T cannot tell whether its table exists", history)
	}
	run := &setRun{StoreExtender: store, m: m, set: set, files: files, last: &lastStatement{}}
	run.provider, err = goose.NewProvider(goose.DialectCustom, m.Pool, folder, goose.WithStore(run),
		goose.WithDisableGlobalRegistry(true), goose.WithVerbose(true), goose.WithSlog(slog.New(run.last)))
	return run, err
}

// prepare looks, on SQLite and before the first file runs, for rows that refer to missing rows.
func (r *setRun) prepare(ctx context.Context) error {
	if r.m.Dialect != SQLite || r.orphans != nil {
		return nil
	}
	if pending, err := r.provider.HasPending(ctx); err != nil || !pending {
		return err
	}
	conn, err := r.m.Pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if r.orphans, err = findOrphans(ctx, conn); err != nil {
		return err
	}
	if len(r.orphans) > 0 {
		r.m.Logger.Warn("the database has rows that refer to missing ones; the migrations leave them as they are",
			zap.String("domain", r.set.Domain), zap.String("rows", r.orphans.String()))
	}
	return nil
}

// firstWait and longestWait bound the wait between two attempts to apply a file.
const (
	firstWait   = 10 * time.Millisecond
	longestWait = 160 * time.Millisecond
)

// next applies the next file. A file that changes several tables and a transaction of another replica may wait for each other. Then
// Postgres ends the file and stores nothing of it, and next applies it again.
func (r *setRun) next(ctx context.Context) (*goose.MigrationResult, error) {
	begin := time.Now()
	for attempt := 1; ; attempt++ {
		result, err := r.provider.UpByOne(ctx)
		failed, ok := errors.AsType[*goose.PartialError](err)
		if !ok || !deadlocked(err) || !r.files[failed.Failed.Source.Version].inTransaction || time.Since(begin) > LockTimeout {
			return result, err
		}
		r.m.Logger.Info("a migration and another replica waited for each other; the migration is applied again",
			zap.String("domain", r.set.Domain), zap.String("file", path.Base(failed.Failed.Source.Path)), zap.Int("attempt", attempt))
		if !app.Sleep(ctx, retry.Backoff(attempt, firstWait, longestWait)) {
			return result, err
		}
	}
}

// deadlocked reports whether Postgres ended a transaction because it and another one waited for each other.
func deadlocked(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "40P01"
}

// Insert implements goose's store. It records that a file was applied, in the transaction of the file if there is one.
func (r *setRun) Insert(ctx context.Context, tx goosedb.DBTxConn, req goosedb.InsertRequest) error {
	if file, ok := r.files[req.Version]; ok {
		if err := r.checkOrphans(ctx, tx); err != nil {
			return err
		}
		if err := r.m.recordChecksum(ctx, tx, r.set.Domain, req.Version, file); err != nil {
			return err
		}
	}
	return r.StoreExtender.Insert(ctx, tx, req)
}

// checkOrphans fails if a file leaves more rows that refer to missing rows than there were before.
func (r *setRun) checkOrphans(ctx context.Context, tx goosedb.DBTxConn) error {
	if r.m.Dialect != SQLite {
		return nil
	}
	after, err := findOrphans(ctx, tx)
	if err != nil {
		return err
	}
	if added := after.beyond(r.orphans); len(added) > 0 {
		return &orphansError{added: added, before: r.orphans}
	}
	r.orphans = after
	return nil
}

// verify checks that the history has the file that was applied. If a file begins a transaction itself and never commits, its work and its
// entry in the history are lost with the connection.
func (r *setRun) verify(ctx context.Context, version int64) error {
	applied, err := r.m.appliedMigrations(ctx, r.m.Pool, r.set)
	if err != nil {
		return err
	}
	if _, ok := applied[version]; !ok {
		return errors.New("it began a transaction without committing it, so that nothing of it is stored")
	}
	return nil
}

// failedStatement is the part of the error's text that names the failed statement; "" if no statement failed.
func (r *setRun) failedStatement(err error) string {
	if _, ok := errors.AsType[*orphansError](err); ok || r.last.text == "" {
		return ""
	}
	return "\nin the statement: " + r.last.text
}

// lastStatement is a log handler that remembers the last statement that goose began. The errors of goose do not name it.
type lastStatement struct{ text string }

// Enabled implements slog.Handler.
func (l *lastStatement) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (l *lastStatement) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "statement" {
			l.text = strings.TrimSpace(a.Value.String())
		}
		return true
	})
	return nil
}

// WithAttrs implements slog.Handler.
func (l *lastStatement) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l *lastStatement) WithGroup(string) slog.Handler { return l }
