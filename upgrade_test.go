package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"plugboard/app/apptest"
	"plugboard/domains/audit"
	auditplugins "plugboard/domains/audit/plugins"
	"plugboard/domains/media"
	"plugboard/domains/notifications"
	"plugboard/domains/products"
	productplugins "plugboard/domains/products/plugins"
)

// The dumps in testdata/before are of databases that the version before made: three products, and of the events that tell of
// them one that nobody has handled yet, one in the hands of a process that was killed, one dead, and one of a subscription
// that is gone. This version starts on them, twice, loses none, and goes on where they end.
func TestADatabaseOfTheVersionBefore(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		restore(t, db)
		for range 2 { // and what the first start has done to the database is right for the second one
			a := apptest.New(t, db, products.Module, notifications.Module, audit.Module, media.Module)
			require.Equal(t, "Lamp 3", apptest.Data[productplugins.GetProductData](a.GET("/products/3")).Name)
			require.Eventually(t, func() bool {
				_, waited := auditOf(t, a, "product.created")[3] // another subscription's than that of the notifications
				return waited && len(auditOf(t, a, "notification.stored")) == 3
			}, time.Minute, 20*time.Millisecond)
			waited := auditOf(t, a, "product.created")[3]
			require.Equal(t, "products.create_product", waited.Emitter, "it waited, with all it needs")
			require.Empty(t, waited.Principal, "nobody knows any more who caused it")
			a.Stop()
		}

		a := apptest.New(t, db, products.Module, notifications.Module, audit.Module, media.Module)
		require.NotContains(t, auditOf(t, a, "product.created"), int64(2), "what was dead is dead")
		require.Equal(t, 1, a.Replay("audit.record_product_created/product.created"))
		require.Eventually(t, func() bool { return len(auditOf(t, a, "product.created")) == 3 }, time.Minute, 20*time.Millisecond)
		waits := one(t, a, "SELECT count(*) FROM bus_deliveries WHERE subscription = 'audit.record_made/product.created'")
		require.EqualValues(t, 1, waits, "an operator decides on what waits for a subscription that is gone")

		const last = "SELECT max(seq) FROM bus_events WHERE topic = 'product.updated' AND key = '1'"
		before := one(t, a, last)
		a.PATCH("/products/1", map[string]any{"price": 7.5}).Status(200)
		require.Greater(t, one(t, a, last), before, "the numbers of a key go on")
		require.Eventually(t, func() bool {
			list := apptest.Data[auditplugins.ListAuditData](a.GET("/audit?topic=product.updated"))
			return len(list.Items) == 3
		}, time.Minute, 20*time.Millisecond)
		ownersAlone(t, db)
	})
}

// one returns the number that a query finds.
func one(t *testing.T, a *apptest.App, query string) (n int64) {
	t.Helper()
	rows, err := a.Host().DB().QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	require.True(t, rows.Next())
	require.NoError(t, rows.Scan(&n))
	require.NoError(t, rows.Err())
	return n
}

// ownersAlone holds that a SQLite file, which others could read, is its owner's alone now.
func ownersAlone(t *testing.T, db apptest.Database) {
	t.Helper()
	file, ok := strings.CutPrefix(db.URL, "sqlite:")
	if !ok {
		return
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(file + suffix)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), suffix)
	}
}

// restore fills an empty database from a dump, and moves its times to now: the day it was made on may be long gone, or to come
// on a machine whose clock is wrong.
func restore(t *testing.T, db apptest.Database) {
	t.Helper()
	const made = 1795970130000 // in milliseconds, soon after the last event
	if file, ok := strings.CutPrefix(db.URL, "sqlite:"); ok {
		require.NoError(t, os.WriteFile(file, nil, 0o644)) // as that version made files
		conn, err := sql.Open("sqlite", file)
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close()) }()
		_, err = conn.ExecContext(t.Context(), dump(t, "sqlite")+shift(made))
		require.NoError(t, err)
		require.NoError(t, os.Chmod(file, 0o644))
		return
	}
	u, err := url.Parse(db.URL)
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), db.URL)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	schema := pgx.Identifier{u.Query().Get("search_path")}.Sanitize()
	_, err = conn.PgConn().Exec(t.Context(), strings.ReplaceAll(dump(t, "postgres"), "SCHEMA.", schema+".")+shift(made)).ReadAll()
	require.NoError(t, err)
}

func dump(t *testing.T, dialect string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/before/" + dialect + ".sql")
	require.NoError(t, err)
	return string(text)
}

// shift moves the times of the event bus as far as it is from when the dump was made until now.
func shift(made int64) string {
	by := time.Now().UnixMilli() - made
	var b strings.Builder
	for _, c := range [][2]string{
		{"bus_events", "published_at"}, {"bus_deliveries", "due_at"}, {"bus_deliveries", "claimed_at"}, {"bus_deliveries", "failed_at"},
		{"bus_subscriptions", "created_at"}, {"bus_subscriptions", "seen_at"}, {"bus_sequences", "used_at"}, {"bus_schedules", "passed_at"},
	} {
		fmt.Fprintf(&b, "UPDATE %s SET %s = %s + %d WHERE %s > 0;\n", c[0], c[1], c[1], by, c[1])
	}
	return b.String()
}
