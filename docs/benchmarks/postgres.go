package main

import (
	"context"
	"fmt"
	"net/url"
	"os"

	"github.com/jackc/pgx/v5"
)

// postgres is the server the comparisons on Postgres use. Everything is made in schemas of their own, which
// close drops.
type postgres struct {
	url      string
	conn     *pgx.Conn
	schemas  []string
	describe string
}

// openPostgres connects to the server of TEST_DATABASE_URL. Without it, it returns nil. A server that does not
// sync its commits is refused, since nothing is to be learnt from it.
func openPostgres(ctx context.Context) (*postgres, error) {
	at := os.Getenv("TEST_DATABASE_URL")
	if at == "" {
		return nil, nil
	}
	conn, err := pgx.Connect(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	p := &postgres{url: at, conn: conn}
	var version, fsync, commit string
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')`).
		Scan(&version, &fsync, &commit)
	if err == nil && (fsync != "on" || commit != "on") {
		err = fmt.Errorf("fsync is %s and synchronous_commit %s; both must be on", fsync, commit)
	}
	if err != nil {
		return nil, fmt.Errorf("look at Postgres: %w", err)
	}
	p.describe = fmt.Sprintf("Postgres %s over a socket or the loopback, fsync %s, synchronous_commit %s; 16 connections for ours, 24 for River.", version, fsync, commit)
	return p, nil
}

// schema makes a schema and returns a URL whose connections use it.
func (p *postgres) schema(ctx context.Context, name string) (string, error) {
	name = fmt.Sprintf("bench_%s_%d", name, os.Getpid())
	if _, err := p.conn.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{name}.Sanitize()); err != nil {
		return "", fmt.Errorf("make schema: %w", err)
	}
	p.schemas = append(p.schemas, name)
	at, err := url.Parse(p.url)
	if err != nil {
		return "", fmt.Errorf("read TEST_DATABASE_URL: %w", err)
	}
	query := at.Query()
	query.Set("search_path", name)
	at.RawQuery = query.Encode()
	return at.String(), nil
}

func (p *postgres) close() error {
	ctx := context.Background()
	for _, name := range p.schemas {
		if _, err := p.conn.Exec(ctx, "DROP SCHEMA "+pgx.Identifier{name}.Sanitize()+" CASCADE"); err != nil {
			return fmt.Errorf("drop schema: %w", err)
		}
	}
	return p.conn.Close(ctx)
}
