package main

import (
	"database/sql"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // reads the file that is upgraded

	"plugboard/app/apptest"
	"plugboard/domains/audit"
	"plugboard/domains/notifications"
	"plugboard/domains/products"
)

// A database of the version before is upgraded at the first start: its rows are kept, what its last process left
// undelivered is delivered, the numbers of its keys go on, and the applied migrations are taken as they are.
func TestADatabaseOfTheVersionBeforeIsUpgraded(t *testing.T) {
	t.Parallel()
	at := apptest.SQLite(t)
	file := strings.TrimPrefix(at.URL, "sqlite:")
	dump, err := os.ReadFile("testdata/upgrade/sqlite.sql")
	require.NoError(t, err)
	before := numbersOf(t, file, string(dump), map[string]string{
		"products": "SELECT count(*) FROM products",
		"waiting":  "SELECT count(*) FROM bus_deliveries",
		"number":   "SELECT seq FROM bus_events WHERE topic = 'product.updated'",
	})
	require.Equal(t, int64(23), before["products"])
	require.Equal(t, int64(44), before["waiting"])

	h := apptest.New(t, at, products.Module, notifications.Module, audit.Module)
	h.WaitForEvents()
	h.PATCH("/products/1", map[string]any{"price": 3.5}).Status(http.StatusOK)
	h.WaitForEvents()
	h.Stop() // the file belongs to it until then

	after := numbersOf(t, file, "", map[string]string{
		"products":      "SELECT count(*) FROM products",
		"notifications": "SELECT count(*) FROM notifications",
		"twice":         "SELECT count(*) FROM (SELECT 1 FROM notifications GROUP BY product_id HAVING count(*) > 1)",
		"waiting":       "SELECT count(*) FROM bus_deliveries",
		"number":        "SELECT max(seq) FROM bus_events WHERE topic = 'product.updated' AND key = '1'",
		"checksums":     "SELECT count(*) FROM plugboard_migration_files WHERE domain IN ('products', 'notifications', 'audit') AND approved_by IS NULL",
	})
	require.Equal(t, map[string]int64{
		"products": 23, "notifications": 23, "twice": 0, "waiting": 0, "number": before["number"] + 1, "checksums": 6,
	}, after)
}

// numbersOf runs a statement on a SQLite file and reads the numbers that queries return.
func numbersOf(t *testing.T, file, statement string, queries map[string]string) map[string]int64 {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(t.Context(), statement)
	require.NoError(t, err)
	numbers := map[string]int64{}
	for name, query := range queries {
		var n int64
		require.NoError(t, db.QueryRowContext(t.Context(), query).Scan(&n), name)
		numbers[name] = n
	}
	return numbers
}
