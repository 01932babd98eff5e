package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"plugboard/docs/benchmarks/measure"
)

// postgres is the server the comparisons on Postgres use. Everything is made in schemas of their own, which
// close drops.
type postgres struct {
	url      string
	conn     *pgx.Conn
	schemas  []string
	describe string
	// end ends a server that was started for this run.
	end func() error
}

// locatePostgres returns the URL of TEST_DATABASE_URL, else of the tests' own server, which is started when it does
// not run and ended by end.
func locatePostgres(ctx context.Context, b *bench) (at string, end func() error, err error) {
	end = func() error { return nil }
	if at := os.Getenv("TEST_DATABASE_URL"); at != "" {
		return at, end, nil
	}
	script := filepath.Join(b.root, "deployments", "test-postgres.sh")
	if out, err := exec.CommandContext(ctx, script, "url").Output(); err == nil {
		return strings.TrimSpace(string(out)), end, nil
	}
	var complaints strings.Builder
	cmd := exec.CommandContext(ctx, script, "start")
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return "", nil, fmt.Errorf("start Postgres: %w: %s", err, strings.TrimSpace(complaints.String()))
	}
	end = func() error {
		if err := exec.Command(script, "stop").Run(); err != nil {
			return fmt.Errorf("stop Postgres: %w", err)
		}
		return nil
	}
	return strings.TrimSpace(string(out)), end, nil
}

// onPostgres adds to a section what race finds on Postgres. Where there is none, the section says so, with the given words before
// the reason, and so does the progress.
func (b *bench) onPostgres(ctx context.Context, section *measure.Section, words string, race func(*postgres) ([]measure.Finding, error)) error {
	pg, err := openPostgres(ctx, b)
	if err != nil {
		section.Skipped = words + err.Error()
		b.say("NOT MEASURED: %s: %s", section.Title, section.Skipped)
		return nil
	}
	findings, err := race(pg)
	section.Findings = append(section.Findings, findings...)
	return errors.Join(err, pg.close())
}

// openPostgres connects to the server. A server that does not sync its commits is refused, since nothing is to be
// learnt from it.
func openPostgres(ctx context.Context, b *bench) (*postgres, error) {
	at, end, err := locatePostgres(ctx, b)
	if err != nil {
		return nil, err
	}
	p, err := connectPostgres(ctx, at)
	if err != nil {
		return nil, errors.Join(err, end())
	}
	p.end = end
	return p, nil
}

func connectPostgres(ctx context.Context, at string) (*postgres, error) {
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
		return nil, errors.Join(fmt.Errorf("look at Postgres: %w", err), conn.Close(ctx))
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

// tidy has the server do at once what it does later by itself with rows that were just written, so that it is not measured.
// It does so in a session that ends: one that goes on may add the time this takes to active_time much later.
func (p *postgres) tidy(ctx context.Context, tables string) error {
	conn, err := pgx.Connect(ctx, p.url)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	var errs []error
	for _, statement := range []string{"VACUUM ANALYZE " + tables, "CHECKPOINT"} {
		_, err := conn.Exec(ctx, statement)
		errs = append(errs, err)
	}
	return errors.Join(append(errs, conn.Close(ctx))...)
}

func (p *postgres) close() error {
	ctx := context.Background()
	var errs []error
	for _, name := range p.schemas {
		if _, err := p.conn.Exec(ctx, "DROP SCHEMA "+pgx.Identifier{name}.Sanitize()+" CASCADE"); err != nil {
			errs = append(errs, fmt.Errorf("drop schema: %w", err))
		}
	}
	return errors.Join(append(errs, p.conn.Close(ctx), p.end())...)
}
