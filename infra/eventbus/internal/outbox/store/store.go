// Package store runs the SQL statements of the durable event bus.
//
// It serves the outbox, its replicas, the scheduler and the operators' side. Most statements are written once for SQLite and
// Postgres, and [Store.Text] fills in the differences; Insert, CompleteAll and KeyHeads have a form for each database. A method
// takes part in the transaction of its context. Without one, its statement is a transaction by itself. Methods that need a
// transaction say so. Times are compared with the clock of the database, since the clock of a process may be wrong; the time at
// which an event was published comes from the publisher. The package retries nothing, logs nothing and keeps no state, so all
// methods may be called concurrently.
//
// A statement for a claimed delivery names the token of the claim. When another process has claimed the delivery since, the
// statement changes nothing, and the method reports this.
package store

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"plugboard/infra/database"
)

// Store runs statements on one database. Each type that embeds Store has the statements of one part of the bus.
type Store struct {
	DB       *database.DB
	Postgres bool
	// texts keeps the results of Text.
	texts *sync.Map
}

// New returns the Store of db. The caller opens and migrates db before the first statement.
func New(db *database.DB) Store {
	return Store{DB: db, Postgres: db.Dialect() == database.Postgres, texts: &sync.Map{}}
}

// Events returns the statements of stored events.
func (s Store) Events() Events { return Events{s} }

// Deliveries returns the statements of stored deliveries.
func (s Store) Deliveries() Deliveries { return Deliveries{s} }

// Replicas returns the statements of the processes that share the database.
func (s Store) Replicas() Replicas { return Replicas{s} }

// Subscriptions returns the statements of registered subscriptions.
func (s Store) Subscriptions() Subscriptions { return Subscriptions{s} }

// Schedules returns the statements of schedules.
func (s Store) Schedules() Schedules { return Schedules{s} }

// Retention returns the statements that delete finished events.
func (s Store) Retention() Retention { return Retention{s} }

// Operations returns the statements of operators.
func (s Store) Operations() Operations { return Operations{s} }

var (
	inSQLite = strings.NewReplacer("{now}", "CAST(unixepoch('subsec') * 1000 AS INTEGER)", "{greatest}", "MAX", "{least}", "MIN",
		"{in list}", "IN (SELECT value FROM json_each(?))", "{each}", "json_each(?) k",
		"{lock}", "", "{lock free}", "", "{lock free d}", "")
	inPostgres = strings.NewReplacer("{now}", "(extract(epoch FROM clock_timestamp()) * 1000)::bigint", "{greatest}", "GREATEST", "{least}", "LEAST",
		"{in list}", "= ANY (ARRAY(SELECT jsonb_array_elements_text(?::jsonb)))", "{each}", "jsonb_array_elements_text(?::jsonb) k(value)",
		"{lock}", "FOR UPDATE", "{lock free}", "FOR UPDATE SKIP LOCKED", "{lock free d}", "FOR UPDATE OF d SKIP LOCKED")
)

// Text fills in a statement:
//   - ? becomes $1, $2, … on Postgres.
//   - {now} is the database's time in Unix milliseconds.
//   - {greatest} and {least} are the functions that return the greatest and the least of their arguments.
//   - {in list} is true for the strings of a [JSONList] parameter. The database looks each string up in an index.
//   - {each} is a table k with one row for each string of a [JSONList] parameter, in the column value.
//   - {lock} locks the selected rows on Postgres. {lock free} locks them too, and skips rows that other transactions have
//     locked. {lock free d} locks only the rows of table d. SQLite has one writer and needs no locks.
func (s Store) Text(query string) string {
	if text, ok := s.texts.Load(query); ok {
		return text.(string)
	}
	text := inSQLite.Replace(query)
	if s.Postgres {
		text = inPostgres.Replace(query)
		for n := 1; strings.Contains(text, "?"); n++ {
			text = strings.Replace(text, "?", "$"+strconv.Itoa(n), 1)
		}
	}
	s.texts.Store(query, text)
	return text
}

// JSONList encodes an {in list} or {each} parameter.
func JSONList(values []string) string {
	b, err := json.Marshal(values)
	if err != nil {
		return "[]" // a value is not valid UTF-8: no stored value equals it
	}
	return string(b)
}

// statementContext returns the context in which a statement runs. On SQLite the end of ctx does not cancel the statement: SQLite
// would roll the whole transaction back, the statements of the bus are short, and a statement that can be cancelled costs more.
func (s Store) statementContext(ctx context.Context) context.Context {
	if s.Postgres {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// Exec runs a statement and returns how many rows it changed.
func (s Store) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := s.DB.ExecContext(s.statementContext(ctx), s.Text(query), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// run runs a statement. The caller does not need to know how many rows it changed.
func (s Store) run(ctx context.Context, query string, args ...any) error {
	_, err := s.Exec(ctx, query, args...)
	return err
}

// runOne runs a statement for one row and reports whether it changed the row.
func (s Store) runOne(ctx context.Context, query string, args ...any) (bool, error) {
	n, err := s.Exec(ctx, query, args...)
	return n == 1, err
}

// ExecLast runs a statement right before the commit of ctx's transaction, in the round trip of the commit. Purpose begins the text
// of its error.
func (s Store) ExecLast(ctx context.Context, purpose, query string, args ...any) error {
	tx, ok := database.TxFrom(ctx)
	if !ok {
		return errors.New(purpose + ": the transaction has ended")
	}
	return tx.ExecLast(ctx, purpose, query, args...)
}

// Query runs a query and calls scan for each row. An error of scan comes back as a [RowError].
func (s Store) Query(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := s.DB.QueryContext(s.statementContext(ctx), s.Text(query), args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return &RowError{err}
		}
	}
	return database.MapError(rows.Err())
}

// QueryRow reads the columns of a query's row, and reports whether there is one.
func (s Store) QueryRow(ctx context.Context, columns []any, query string, args ...any) (found bool, err error) {
	err = s.Query(ctx, func(r *sql.Rows) error { found = true; return r.Scan(columns...) }, query, args...)
	return found, err
}

// List runs a query and returns a T for each row. Columns returns pointers to the fields that the columns of a row fill.
func List[T any](ctx context.Context, s Store, columns func(*T) []any, query string, args ...any) ([]T, error) {
	var all []T
	err := s.Query(ctx, func(r *sql.Rows) error {
		var row T
		err := r.Scan(columns(&row)...)
		all = append(all, row)
		return err
	}, query, args...)
	return all, err
}

// Now returns the database's time. Callers compare times in the tables with this time, since the clock of a process may be days
// off.
func (s Store) Now(ctx context.Context) (now time.Time, err error) {
	_, err = s.QueryRow(ctx, []any{Millis{&now}}, `SELECT {now}`)
	return now, err
}

// RowError is the error of a row with a value that does not fit its column.
type RowError struct{ cause error }

// Error describes the wrong value.
func (e *RowError) Error() string { return "read row: " + e.cause.Error() }

// Unwrap returns the driver's error.
func (e *RowError) Unwrap() error { return e.cause }

// Millis reads a column of Unix milliseconds into Time, in UTC. 0 and NULL become the zero time.
type Millis struct{ Time *time.Time }

// Scan implements sql.Scanner.
func (m Millis) Scan(value any) error {
	var ms sql.NullInt64
	err := ms.Scan(value)
	*m.Time = time.Time{}
	if ms.Int64 != 0 {
		*m.Time = time.UnixMilli(ms.Int64).UTC()
	}
	return err
}

// milli returns t in Unix milliseconds; 0 for the zero time.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
