// Package testrun runs the tests of a module on SQLite, on a private Postgres, with the race detector.
//
// The server belongs to one run: no other process finds it by chance, it needs no port, no password and no Docker, and it ends with the run,
// however that ends. What it stored is deleted; it does not wait for the disk.
package testrun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// URLVariable is the environment variable that names the Postgres server of the tests.
const URLVariable = "TEST_DATABASE_URL"

// Tests are tests to run.
type Tests struct {
	// Dir is the folder in which go test runs.
	Dir string
	// Args are the flags and packages for go test; none stand for ./... .
	Args []string
	// Stdout and Stderr get what go test prints. Stderr also gets what the run itself has to say.
	Stdout, Stderr io.Writer
}

// ErrFailed is the error of tests that ran and failed. What failed has been printed.
var ErrFailed = errors.New("the tests failed")

// endTimeout is how long the tests may take to end when they are told to.
const endTimeout = 10 * time.Second

// Run runs the tests. It starts a Postgres for them unless TEST_DATABASE_URL names one, and stops it before it returns. When ctx ends, the
// tests are ended, with every process that they started.
//
// What the machine lacks is installed where that can be done: as root, with apt-get. Without a Postgres server no test runs; without a C
// compiler they run without the race detector, and Run says so.
func (t Tests) Run(ctx context.Context) (err error) {
	m := thisMachine(t.Stderr)
	env := os.Environ()
	flags := []string{"test", "-shuffle=on", "-timeout=15m"}
	if m.canDetectRaces(ctx, t.Dir) {
		flags, env = append(flags, "-race"), append(env, "CGO_ENABLED=1")
	}
	if os.Getenv(URLVariable) == "" {
		s, failed := m.startServer(ctx)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, s.stop()) }()
		env = append(env, URLVariable+"="+s.url())
	}
	args := t.Args
	if len(args) == 0 {
		args = []string{"./..."}
	}
	return t.goTest(ctx, append(flags, args...), env)
}

// goTest runs the go command, and leaves no process behind.
func (t Tests) goTest(ctx context.Context, args, env []string) error {
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // what the caller wants to run
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = t.Dir, env, t.Stdout, t.Stderr
	apart(cmd, owner{})
	cmd.Cancel = func() error { return signalAll(cmd, os.Interrupt) }
	cmd.WaitDelay = endTimeout
	err := cmd.Run()
	if cmd.Process != nil {
		_ = signalAll(cmd, os.Kill) // whatever the tests left
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("run tests: %w", cmp.Or(context.Cause(ctx), ctx.Err()))
	case errors.As(err, &exit):
		return ErrFailed
	case err != nil:
		return fmt.Errorf("run tests: %w", err)
	}
	return nil
}
