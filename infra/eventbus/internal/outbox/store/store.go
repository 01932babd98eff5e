package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"

	"plugboard/infra/database"
)

//go:embed migrations
var migrations embed.FS

// Migrations returns the tables of the event bus.
func Migrations() database.MigrationSet {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return database.MigrationSet{Domain: "eventbus", FS: files}
}

// Store runs the statements of the event bus. Each statement exists once; [Store.Text] fills in what differs between the
// databases. The types that embed it have the statements of one part of the bus.
type Store struct {
	DB       *database.DB
	Postgres bool
	// texts keeps the statements that have been filled in.
	texts *sync.Map
}

// NewStore returns the Store of db.
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

// Retention returns the statements that delete what is finished.
func (s Store) Retention() Retention { return Retention{s} }

// Text fills in a statement: ? become $1, $2, … on Postgres; {now} is the database's time in Unix milliseconds;
// {in list} is the condition to be one of the strings of a JSON array parameter, in the form in which the database looks
// them up in an index; {each} is a table k of such strings, with the column value; {greatest} and {least} are the functions that return the greatest and the least of their arguments.
func (s Store) Text(query string) string {
	if text, ok := s.texts.Load(query); ok {
		return text.(string)
	}
	text := s.fill(query)
	s.texts.Store(query, text)
	return text
}

func (s Store) fill(query string) string {
	now, greatest, least := "CAST(unixepoch('subsec') * 1000 AS INTEGER)", "MAX", "MIN"
	list, each := "IN (SELECT value FROM json_each(?))", "json_each(?) k"
	if s.Postgres {
		now, greatest, least = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint", "GREATEST", "LEAST"
		list = "= ANY (ARRAY(SELECT jsonb_array_elements_text(?::jsonb)))"
		each = "jsonb_array_elements_text(?::jsonb) k(value)"
	}
	query = strings.NewReplacer("{now}", now, "{greatest}", greatest, "{least}", least, "{in list}", list, "{each}", each).Replace(query)
	if !s.Postgres {
		return query
	}
	var b strings.Builder
	n := 0
	for i := range len(query) {
		if query[i] == '?' {
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
			continue
		}
		b.WriteByte(query[i])
	}
	return b.String()
}

// List encodes an {in list} parameter.
func List(values []string) string {
	b, err := json.Marshal(values)
	if err != nil {
		return "[]" // not valid UTF-8, which no stored value is
	}
	return string(b)
}

// bounded returns the context of a statement. On SQLite a statement cannot be cancelled: those of the bus are short, to make one
// cancellable costs something, and an interrupted one would roll the whole transaction back.
func (s Store) bounded(ctx context.Context) context.Context {
	if s.Postgres {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// Exec runs a statement in the transaction of ctx and returns the rows it changed.
func (s Store) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	ctx = s.bounded(ctx)
	result, err := s.DB.ExecContext(ctx, s.Text(query), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Query runs a query and calls scan for each row.
func (s Store) Query(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) error {
	ctx = s.bounded(ctx)
	rows, err := s.DB.QueryContext(ctx, s.Text(query), args...)
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

// RowError is the error of a row whose columns hold something else than they should.
type RowError struct{ cause error }

func (e *RowError) Error() string { return "read row: " + e.cause.Error() }
func (e *RowError) Unwrap() error { return e.cause }

// Last runs a statement right before the commit of ctx's transaction, in the same round trip.
func (s Store) ExecLast(ctx context.Context, purpose, query string, args ...any) error {
	tx, ok := database.TxFrom(ctx)
	if !ok {
		return errors.New(purpose + ": the transaction has ended")
	}
	return tx.ExecLast(ctx, purpose, query, args...)
}
