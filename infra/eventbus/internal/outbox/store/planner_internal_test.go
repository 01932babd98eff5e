package store

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// waitingRows has kinds of waiting deliveries: SQL for the columns state, due_at and behind of a delivery with the number seq. Half of
// the deliveries have the same key.
var waitingRows = map[string]string{
	"none":              "",
	"not polled yet":    "'pending', CASE WHEN seq = 1 THEN 9000000000000 ELSE 0 END, 0",
	"behind in backoff": "'pending', CASE WHEN seq = 1 THEN 9000000000000 ELSE 0 END, CASE WHEN seq = 1 THEN 0 ELSE 1 END",
	"behind a dead one": "CASE WHEN seq = 1 THEN 'dead' ELSE 'pending' END, 0, CASE WHEN seq = 1 THEN 0 ELSE 1 END",
	"all in backoff":    "'pending', 9000000000000, 0",
	"all dead":          "'dead', 0, 0",
	"all running":       "'running', 0, 0",
	"behind a running":  "CASE WHEN seq = 1 THEN 'running' ELSE 'pending' END, 0, CASE WHEN seq = 1 THEN 0 ELSE 1 END",
	"without key":       "'pending', 0, 0",
}

// Postgres had old statistics, from before a poll marked 90,000 deliveries as behind. It chose a plan that read all of them at each poll.
// The rows that a poll reads must depend neither on the number of waiting deliveries nor on the statistics.
func TestPollsReadFewRowsWithAnyStatistics(t *testing.T) {
	t.Parallel()
	for known := range waitingRows {
		t.Run("known: "+known, func(t *testing.T) {
			t.Parallel()
			s := openPlanned(t)
			if known != "none" {
				s.fill(known)
				s.do("ANALYZE bus_deliveries")
			}
			for stored := range waitingRows {
				s.fill(stored)
				for name, read := range polling {
					assert.LessOrEqual(t, s.rowsRead(read), int64(40), "%s, stored: %s", name, stored)
				}
			}
		})
	}
}

// polling has the statements of polls, of operators, and of processes that have finished a delivery with a key.
var polling = map[string]func(ctx context.Context, s Store) error{
	"the next due": func(ctx context.Context, s Store) error { _, _, err := (Deliveries{s}).NextDue(ctx); return err },
	"the due with a key": func(ctx context.Context, s Store) error {
		_, err := (Deliveries{s}).DueKeyed(ctx, "sub1", 10)
		return err
	},
	"the due without key": func(ctx context.Context, s Store) error {
		_, err := (Deliveries{s}).DueUnkeyed(ctx, "sub1", 10)
		return err
	},
	"the heads of keys": func(ctx context.Context, s Store) error {
		_, err := (Deliveries{s}).KeyHeads(ctx, "sub1", []string{"long", "k7"}, true)
		return err
	},
	"the first of a key": func(ctx context.Context, s Store) error {
		_, err := s.QueryRow(ctx, []any{new(int64)}, firstOf("m.seq", "?", true), "sub1", "long")
		return err
	},
	"a claim of a key": func(ctx context.Context, s Store) error {
		_, err := (Deliveries{s}).ClaimKey(ctx, "nobody", "sub1", "long", 1, 10, true)
		return err
	},
	"a claim without key": func(ctx context.Context, s Store) error {
		_, err := (Deliveries{s}).ClaimUnkeyed(ctx, "nobody", "sub1", 5)
		return err
	},
	"a claim of heads": func(ctx context.Context, s Store) error {
		_, err := (Deliveries{s}).ClaimByID(ctx, "nobody", "sub1", some)
		return err
	},
	"a claim given back": func(ctx context.Context, s Store) error { return (Deliveries{s}).Unclaim(ctx, "", "sub1", some) },
	"marks of deliveries behind": func(ctx context.Context, s Store) error {
		_, err := (Deliveries{s}).MarkBehind(ctx, "sub1", some[:1], some[1:], true)
		return err
	},
	"marks taken off": func(ctx context.Context, s Store) error {
		_, err := (Deliveries{s}).UnmarkBehind(ctx, "sub1", some)
		return err
	},
	"the mark of a key's next taken off": func(ctx context.Context, s Store) error { return (Deliveries{s}).UnmarkNextBehind(ctx, "sub1", "long") },
	"a replay": func(ctx context.Context, s Store) error {
		_, err := (Operations{s}).Replay(ctx, some[1], "sub1")
		return err
	},
	"a discard": func(ctx context.Context, s Store) error {
		_, err := (Operations{s}).DiscardDead(ctx, some[1], "sub1")
		return err
	},
	"the subscriptions": func(ctx context.Context, s Store) error { _, err := (Subscriptions{s}).Names(ctx); return err },
}

// some has ids of a few of the deliveries. The first one is the first of its key, and the others are behind it.
var some = []string{"000000000000", "000000000001", "000000000777"}

// planned is a store in a schema of its own. Only the test changes the statistics of the schema.
type planned struct{ rig }

func openPlanned(t *testing.T) planned {
	t.Helper()
	r := onPostgres(t)
	r.do("ALTER TABLE bus_deliveries SET (autovacuum_enabled = false)")
	r.addName("sub1", "t", "active", "", 0)
	return planned{r}
}

// fill replaces all deliveries by some thousands of one kind. It uses TRUNCATE, since a DELETE would leave dead rows, and Postgres counts
// these when it reads them.
func (p planned) fill(kind string) {
	p.t.Helper()
	p.do("TRUNCATE bus_deliveries")
	if waitingRows[kind] == "" {
		return
	}
	key := "CASE WHEN i < 2000 THEN 'long' ELSE 'k' || i / 10 END"
	if kind == "without key" {
		key = "''"
	}
	p.do(`INSERT INTO bus_deliveries (event_id, subscription, key, seq, owner, token, attempts, claimed_at, state, due_at, behind)
		SELECT id, 'sub1', key, seq, '', 1, 1, 0, ` + waitingRows[kind] + ` FROM (
			SELECT lpad(i::text, 12, '0') AS id, ` + key + ` AS key, 1 + CASE WHEN i < 2000 THEN i ELSE i % 10 END AS seq FROM generate_series(0, 3999) i) n`)
}

// rowsRead returns how many rows of the deliveries read makes Postgres read, in the table and in the indexes.
func (p planned) rowsRead(read func(context.Context, Store) error) (n int64) {
	p.t.Helper()
	count := func(ctx context.Context) (rows int64) {
		row := p.DB.Gorm().WithContext(ctx).Raw(`SELECT (SELECT SUM(seq_tup_read) FROM pg_stat_xact_user_tables WHERE relid = 'bus_deliveries'::regclass) +
			(SELECT SUM(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index WHERE indrelid = 'bus_deliveries'::regclass)`).Row()
		require.NoError(p.t, row.Scan(&rows))
		return rows
	}
	undone := errors.New("undone")
	err := p.DB.InTx(p.t.Context(), func(ctx context.Context) error {
		before := count(ctx)
		require.NoError(p.t, read(ctx, p.Store))
		n = count(ctx) - before
		return undone
	})
	require.ErrorIs(p.t, err, undone)
	return n
}
