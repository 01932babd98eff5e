package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app/apptest/emptydb"
)

// rig is a Store on a new, migrated database.
type rig struct {
	Store
	t *testing.T
}

// each runs test on a new SQLite file and in a new schema of the Postgres server.
func each(t *testing.T, test func(t *testing.T, r rig)) {
	t.Helper()
	for name, on := range map[string]func(*testing.T) rig{"sqlite": onSQLite, "postgres": onPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, on(t))
		})
	}
}

func onSQLite(t *testing.T) rig {
	t.Helper()
	return rig{New(emptydb.Open(t, emptydb.SQLite(t), Migrations())), t}
}

func onPostgres(t *testing.T) rig {
	t.Helper()
	return rig{New(emptydb.Open(t, emptydb.Postgres(t), Migrations())), t}
}

// ctx returns the test's context.
func (r rig) ctx() context.Context { return r.t.Context() }

// do runs a statement.
func (r rig) do(statement string, args ...any) {
	r.t.Helper()
	_, err := r.Exec(r.ctx(), statement, args...)
	require.NoError(r.t, err)
}

// inTx runs fn in a transaction.
func (r rig) inTx(fn func(ctx context.Context) error) {
	r.t.Helper()
	require.NoError(r.t, r.DB.InTx(r.ctx(), fn))
}

// add stores a pending, due delivery to subscription "sub", of token and attempt 1, and then sets columns of it.
func (r rig) add(id, set string) { r.t.Helper(); r.addTo("sub", id, set) }

func (r rig) addTo(subscription, id, set string) {
	r.t.Helper()
	r.do(`INSERT INTO bus_deliveries (event_id, subscription, key, seq, state, owner, token, attempts, due_at, claimed_at)
		VALUES (?, ?, '', 0, 'pending', '', 1, 1, 5, 0)`, id, subscription)
	if set != "" {
		r.do("UPDATE bus_deliveries SET "+set+" WHERE event_id = ? AND subscription = ?", id, subscription)
	}
}

// addKeyed stores the pending deliveries 1 to n of a key to "sub", with ids such as k1.
func (r rig) addKeyed(key string, n int) {
	r.t.Helper()
	for seq := 1; seq <= n; seq++ {
		r.add(fmt.Sprint(key, seq), fmt.Sprintf("key = '%s', seq = %d", key, seq))
	}
}

// addEvent stores an event.
func (r rig) addEvent(id, topic string) {
	r.t.Helper()
	r.do(`INSERT INTO bus_events (id, topic, key, seq, emitter, parent, request_id, trace, headers, payload, published_at)
		VALUES (?, ?, '', 0, 'p', '', '', '', '', '{}', 1)`, id, topic)
}

// addName stores a name of a subscription, seen some milliseconds after the beginning of time.
func (r rig) addName(name, topic, state, adoptedBy string, seen int64) {
	r.t.Helper()
	r.do(`INSERT INTO bus_subscriptions (name, topic, plugin, state, created_at, seen_at, adopted_by, adopted_at) VALUES (?, ?, 'p', ?, 0, ?, ?, 0)`,
		name, topic, state, seen, adoptedBy)
}

// see describes a delivery to "sub": state, owner, token and attempts, crashes and solo crashes, the mark behind, and the error.
func (r rig) see(id string) string { r.t.Helper(); return r.seeOf("sub", id) }

func (r rig) seeOf(subscription, id string) string {
	r.t.Helper()
	var state, owner, failure string
	var token, attempts, crashes, solo, behind int64
	found, err := r.QueryRow(r.ctx(), []any{&state, &owner, &token, &attempts, &crashes, &solo, &behind, &failure},
		`SELECT state, owner, token, attempts, ends, alone, behind, error FROM bus_deliveries WHERE event_id = ? AND subscription = ?`, id, subscription)
	require.NoError(r.t, err)
	if !found {
		return "gone"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s#%d try %d crashes %d/%d behind %d %s", state, owner, token, attempts, crashes, solo, behind, failure))
}

// number returns the number that a query finds.
func (r rig) number(query string, args ...any) int64 {
	r.t.Helper()
	var n sql.NullInt64
	_, err := r.QueryRow(r.ctx(), []any{&n}, query, args...)
	require.NoError(r.t, err)
	return n.Int64
}

// texts returns the column that a query finds.
func (r rig) texts(query string, args ...any) []string {
	r.t.Helper()
	all, err := List(r.ctx(), r.Store, func(s *string) []any { return []any{s} }, query, args...)
	require.NoError(r.t, err)
	return all
}

// dueIn returns in how long a delivery to "sub" is due.
func (r rig) dueIn(id string) time.Duration {
	r.t.Helper()
	return time.Duration(r.number("SELECT due_at - {now} FROM bus_deliveries WHERE event_id = ? AND subscription = 'sub'", id)) * time.Millisecond
}

// about requires a duration up to a minute less than wanted, since time passes.
func about(t *testing.T, want, got time.Duration) {
	t.Helper()
	require.LessOrEqual(t, got, want+time.Second)
	require.Greater(t, got, want-time.Minute)
}
