// Package once keeps the answers of requests that have an idempotency key.
//
// An answer is stored in the transaction of the work that it tells of: either both are there or neither. Two requests with one key never
// wait for each other. Within the process [Store.Begin] refuses the second one; between processes on one Postgres an advisory lock of the
// transaction does, which the database releases with the process's connection. A row with the same primary key would be waited for until
// the other transaction ends, so the row is written last and the lock is asked first.
package once

import (
	"context"
	"database/sql"
	"embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"plugboard/app"
	"plugboard/infra/database/internal/migrate"
)

//go:embed migrations
var migrations embed.FS

// Migrations returns the table of the answers.
func Migrations() migrate.Set {
	return migrate.Embedded("plugboard_once", migrations)
}

// Conn runs statements; it is a transaction or the whole database.
type Conn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Store has the answers of one database. It is safe for concurrent use.
type Store struct {
	// Postgres is true for Postgres, false for SQLite.
	Postgres bool
	// MapError gives errors of the driver their codes.
	MapError func(error) error

	mu   sync.Mutex
	busy map[[32]byte]bool // the claims that this process works on
}

// Begin notes that this process works on a claim, until done is called. It returns the error for the caller if it works on it already.
func (s *Store) Begin(id [32]byte) (done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[id] {
		return nil, errBusy()
	}
	if s.busy == nil {
		s.busy = map[[32]byte]bool{}
	}
	s.busy[id] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.busy, id)
	}, nil
}

// retryAfter is when a caller should ask again whose first request is still worked on.
const retryAfter = time.Second

func errBusy() error {
	err := app.Errorf(app.Conflict, "a request with this Idempotency-Key is being worked on; repeat it later")
	err.RetryAfter = retryAfter
	return err
}

// Run returns the answer that is stored for claim, and true. If there is none it runs fn, stores its answer, and returns that and false.
// It is called in a transaction, whose statements run on tx, between Begin and its done.
func (s *Store) Run(ctx context.Context, tx Conn, claim app.OnceClaim, fn func(context.Context) (app.OnceAnswer, error)) (app.OnceAnswer, bool, error) {
	if s.Postgres {
		var free bool
		key := int64(binary.BigEndian.Uint64(claim.ID[:]))
		// Locks are the database's; the table is the schema's, and another service may have the same route.
		const lock = `SELECT pg_try_advisory_xact_lock(?1 # hashtextextended(coalesce(current_schema(), ''), 0))`
		if _, err := s.first(ctx, tx, []any{&free}, lock, key); err != nil {
			return app.OnceAnswer{}, false, err
		}
		if !free {
			return app.OnceAnswer{}, false, errBusy()
		}
	}
	answer, found, err := s.find(ctx, tx, claim)
	if err != nil || found {
		return answer, found, err
	}
	if answer, err = fn(ctx); err != nil {
		return answer, false, err
	}
	return answer, false, s.store(ctx, tx, claim, answer)
}

// find returns the stored answer.
func (s *Store) find(ctx context.Context, tx Conn, claim app.OnceClaim) (answer app.OnceAnswer, found bool, err error) {
	var fingerprint, header []byte
	into := []any{&fingerprint, &answer.Status, &header, &answer.Data}
	found, err = s.first(ctx, tx, into, `SELECT fingerprint, status, header, data FROM plugboard_once WHERE id = ?1`, claim.ID[:])
	if err != nil || !found {
		return answer, false, err
	}
	if string(fingerprint) != string(claim.Fingerprint[:]) {
		return answer, false, app.Errorf(app.Invalid, "this Idempotency-Key was used for another request; use a new key for a new request")
	}
	if err := json.Unmarshal(header, &answer.Header); err != nil {
		return answer, false, fmt.Errorf("read the headers of a stored answer: %w", err)
	}
	return answer, true, nil
}

func (s *Store) store(ctx context.Context, tx Conn, claim app.OnceClaim, answer app.OnceAnswer) error {
	if answer.Header == nil {
		answer.Header = http.Header{}
	}
	header, err := json.Marshal(answer.Header)
	if err != nil {
		return fmt.Errorf("write the headers of an answer: %w", err)
	}
	_, err = tx.ExecContext(ctx, s.query(`INSERT INTO plugboard_once (id, fingerprint, status, header, data, stored_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`),
		claim.ID[:], claim.Fingerprint[:], answer.Status, string(header), answer.Data, time.Now().UnixMilli())
	if app.CodeOf(err) == app.Conflict { // at an isolation level at which find did not see what has been committed since
		return errBusy()
	}
	return err
}

const (
	// prunePage is how many answers are deleted at a time. During the prunePause after each page others can write.
	prunePage  = 500
	prunePause = 10 * time.Millisecond
)

// Prune deletes the answers that were stored before cutoff.
func (s *Store) Prune(ctx context.Context, db Conn, cutoff time.Time) error {
	for {
		result, err := db.ExecContext(ctx, s.query(`DELETE FROM plugboard_once WHERE id IN
			(SELECT id FROM plugboard_once WHERE stored_at < ?1 ORDER BY stored_at LIMIT ?2)`), cutoff.UnixMilli(), prunePage)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n < prunePage {
			return err
		}
		if !app.Sleep(ctx, prunePause) {
			return ctx.Err()
		}
	}
}

// first scans the first row of a query, and reports whether there is one.
func (s *Store) first(ctx context.Context, tx Conn, into []any, query string, args ...any) (found bool, err error) {
	rows, err := tx.QueryContext(ctx, s.query(query), args...)
	if err != nil {
		return false, err
	}
	if found = rows.Next(); found {
		err = rows.Scan(into...)
	}
	return found, s.MapError(errors.Join(err, rows.Err(), rows.Close()))
}

// query returns a query, which is written with SQLite's parameters, as the database takes it.
func (s *Store) query(text string) string {
	if s.Postgres {
		return strings.ReplaceAll(text, "?", "$")
	}
	return text
}
