package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// server is a Postgres of the harness's own. The script for test servers makes it: a copy of the script runs in a folder
// of its own, so that the tests keep their server.
type server struct {
	script string
	// url names the database, folder holds the server.
	url, folder string
}

// startServer starts a Postgres; its script and state are in folder, the server in a folder that its user can enter.
func startServer(ctx context.Context, root, folder string) (*server, error) {
	text, err := os.ReadFile(filepath.Join(root, "deployments", "test-postgres.sh")) //nolint:gosec // of the repository
	if err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	s := &server{script: filepath.Join(folder, "deployments", "test-postgres.sh")}
	if err := os.MkdirAll(filepath.Dir(s.script), 0o750); err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	if err := os.WriteFile(s.script, text, 0o700); err != nil { //nolint:gosec // it is run
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	return s, s.start(ctx)
}

func (s *server) start(ctx context.Context) error {
	out, err := s.call(ctx, "start")
	if err != nil {
		return err
	}
	s.url = strings.TrimSpace(out)
	u, err := url.Parse(s.url)
	if err != nil {
		return fmt.Errorf("start Postgres: %w", err)
	}
	s.folder = u.Query().Get("host")
	return nil
}

// stop ends the server and deletes its data.
func (s *server) stop(ctx context.Context) error {
	_, err := s.call(ctx, "stop")
	return err
}

func (s *server) call(ctx context.Context, command string) (string, error) {
	cmd := exec.CommandContext(ctx, "sh", s.script, command) //nolint:gosec // the copied script
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s Postgres: %w\n%s", command, err, problems.String())
	}
	return string(out), nil
}

// crash ends the server at once, as pg_ctl stop -m immediate does, and waits for its end.
func (s *server) crash(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(s.folder, "data", "postmaster.pid"))
	if err != nil {
		return fmt.Errorf("crash Postgres: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return fmt.Errorf("crash Postgres: %w", err)
	}
	if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
		return fmt.Errorf("crash Postgres: %w", err)
	}
	return poll(ctx, "wait for Postgres to end", func() (bool, error) {
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH), nil
	})
}

// makeSchema makes an empty schema in the server and returns its URL, and a function that drops it.
func makeSchema(ctx context.Context, server string) (databaseURL string, drop func() error, err error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", nil, errors.New("parse the Postgres URL: it is not valid")
	}
	schema := "crash_" + strings.ToLower(rand.Text())
	execute := func(ctx context.Context, statement string) error {
		db, err := sql.Open("pgx", server)
		if err != nil {
			return fmt.Errorf("connect to Postgres: %w", err)
		}
		defer func() { _ = db.Close() }()
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
		return nil
	}
	if err := execute(ctx, "CREATE SCHEMA "+schema); err != nil {
		return "", nil, err
	}
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	drop = func() error { return execute(context.WithoutCancel(ctx), "DROP SCHEMA "+schema+" CASCADE") }
	return u.String(), drop, nil
}
