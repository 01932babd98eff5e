// Package sharedlimit counts requests against limits for all processes of a service, in its Postgres database.
//
// The host gives a [Store] to the HTTP server, for limits that are shared. On SQLite none is needed: the file belongs to one process, so
// what that counts in memory is shared by all.
package sharedlimit

import (
	"context"
	"crypto/rand"
	"embed"
	"sync/atomic"
	"time"

	"plugboard/app"
	"plugboard/infra/database"
)

//go:embed migrations
var migrations embed.FS

// Migrations returns the table of the counts, for a Postgres database.
func Migrations() database.MigrationSet {
	return database.EmbeddedMigrations("ratelimit", migrations)
}

// answerTime is how long the database may take for a decision: a request waits for it.
const answerTime = 2 * time.Second

// Store has the counts in the database. It is safe for concurrent use.
type Store struct {
	db    *database.DB
	calls atomic.Uint64
}

// New returns the Store of a Postgres database, which is opened and migrated before the first call.
func New(db *database.DB) *Store { return &Store{db: db} }

// now is the database's time in Unix nanoseconds, which all processes share. Their own clocks may differ.
const now = `(extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000`

// take is GCRA in one statement, which is a transaction by itself; see the package internal/ratelimit of the HTTP server. A refused request
// leaves the row as it is. The count that it meets is read from before the statement, and may be missing if it was made since.
const take = `WITH c AS MATERIALIZED (SELECT ` + now + ` AS now), taken AS (
		INSERT INTO ratelimit_counts AS k (key, full_at) SELECT $1, c.now + $2::bigint FROM c
		ON CONFLICT (key) DO UPDATE SET full_at = greatest(k.full_at, EXCLUDED.full_at - $2) + $2
		WHERE greatest(k.full_at, EXCLUDED.full_at - $2) + $2 - (EXCLUDED.full_at - $2) <= $3::bigint
		RETURNING full_at
	)
	SELECT (SELECT full_at FROM taken) - c.now, coalesce((SELECT full_at FROM ratelimit_counts WHERE key = $1), 0) - c.now FROM c`

// Take counts a request of key, and reports whether it did: not beyond full, the time that all requests of the limit take to be forgotten.
// Interval is how long one takes. All calls with one key have the same interval and full. Ahead is when the key's bucket is full again.
//
// It waits for the database, for two seconds at most. If the database cannot answer, the error has the code app.Unavailable, and whether the
// request was counted is unknown. If ctx ends first, the error is that of ctx.
func (s *Store) Take(ctx context.Context, key [16]byte, interval, full time.Duration) (ahead time.Duration, taken bool, err error) {
	if s.calls.Add(1)%pruneEvery == 0 {
		defer s.prune(ctx)
	}
	var after *int64
	var before int64
	err = s.query(ctx, []any{&after, &before}, take, key[:], int64(interval), int64(full))
	switch {
	case err != nil:
		return 0, false, err
	case after != nil:
		return time.Duration(*after), true, nil
	default:
		return min(max(time.Duration(before), full-interval+1), full), false, nil
	}
}

// Return takes back a request that [Store.Take] has counted. Its errors are those of Take.
func (s *Store) Return(ctx context.Context, key [16]byte, interval time.Duration) error {
	return s.query(ctx, nil, `UPDATE ratelimit_counts SET full_at = full_at - $2 WHERE key = $1`, key[:], int64(interval))
}

const (
	// pruneEvery is how many calls there are for each deletion, prunePage how many rows each looks at.
	pruneEvery = 16
	prunePage  = 64
)

// prune deletes rows that say nothing, because their buckets are full, among prunePage rows after a random key. Keys are hashes, so these rows
// are random ones. A call adds one row at most, and prunes look at four rows for each call. So at most a quarter of the rows say nothing
// while there are calls, in however large a table, and no process needs to look through all of it. A failure needs no answer: the next
// prune comes soon, and Take tells of a database that is gone.
func (s *Store) prune(ctx context.Context) {
	from := make([]byte, 16)
	_, _ = rand.Read(from) // never fails
	_ = s.query(ctx, nil, `DELETE FROM ratelimit_counts WHERE full_at < `+now+` AND key IN (
		SELECT key FROM ratelimit_counts WHERE key IN (SELECT key FROM ratelimit_counts WHERE key >= $1 ORDER BY key LIMIT $2)
		AND full_at < `+now+` FOR UPDATE SKIP LOCKED)`, from, prunePage)
}

// query runs a statement, and scans its row into columns if there are any.
func (s *Store) query(ctx context.Context, columns []any, query string, args ...any) error {
	limited, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	err := s.run(limited, columns, query, args)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		known := app.Errorf(app.Unavailable, "the limit of requests cannot be checked now; try again").Because(err)
		known.RetryAfter = time.Second
		return known
	}
}

func (s *Store) run(ctx context.Context, columns []any, query string, args []any) error {
	if columns == nil {
		_, err := s.db.ExecContext(ctx, query, args...)
		return err
	}
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	if rows.Next() {
		if err := rows.Scan(columns...); err != nil {
			return err
		}
	}
	return rows.Err()
}
