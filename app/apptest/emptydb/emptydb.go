// Package emptydb makes empty databases for tests.
//
// Each test gets a SQLite file or a Postgres schema of its own, which is gone when the test ends. The package knows the database room
// alone, so that tests inside of the event bus can use it, which the whole test kit imports. Its functions fail the test when they
// cannot do their work. They may be called concurrently.
package emptydb

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"plugboard/config"
	"plugboard/infra/database"
)

// SQLite returns the URL of a SQLite database in a temporary folder. The file does not exist yet.
func SQLite(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "test.db")
}

// Postgres returns the URL of an empty schema of the Postgres server that TEST_DATABASE_URL names. It skips the test when that is not
// set.
func Postgres(t testing.TB) string {
	t.Helper()
	server := os.Getenv("TEST_DATABASE_URL")
	if server == "" {
		t.Skip("TEST_DATABASE_URL is not set; go tool plug test sets it")
	}
	schema := "test_" + strings.ToLower(rand.Text())
	execute(t, server, "CREATE SCHEMA "+schema)
	t.Cleanup(func() { execute(t, server, "DROP SCHEMA "+schema+" CASCADE") })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("parse TEST_DATABASE_URL: it is not a valid URL")
	}
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return u.String()
}

func execute(t testing.TB, server, statement string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // a cleanup's context is done
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatalf("connect to TEST_DATABASE_URL: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Open opens the database at a URL and runs migrations. It closes the database when the test ends.
func Open(t testing.TB, url string, sets ...database.MigrationSet) *database.DB {
	t.Helper()
	cfg := config.Database{URL: url, Migrate: true, MaxConns: 8, BusyTimeout: 10 * time.Second, OpenTimeout: 10 * time.Second}
	db, err := database.New(cfg, zap.NewNop())
	if err != nil {
		t.Fatalf("open database: %v", err)
	}
	ctx := context.WithoutCancel(t.Context())
	if err := db.Open(ctx); err != nil {
		t.Fatalf("open database: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(ctx); err != nil {
			t.Errorf("close database: %v", err)
		}
	})
	if len(sets) == 0 {
		return db
	}
	if err := db.Migrate(ctx, sets); err != nil {
		t.Fatalf("migrate database: %v", err)
	}
	return db
}
