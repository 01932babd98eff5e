package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/fx"

	"plugboard/infra/host/usage"
)

// The exit codes of the binary. A second signal ends the process at once with 128 and the signal's number: 129 for
// SIGHUP, 130 for an interrupt, 143 for SIGTERM.
const (
	// ExitClean: the command succeeded; serve: everything ended in its time.
	ExitClean = 0
	// ExitFailed: the command failed; serve: the application did not start.
	ExitFailed = 1
	// ExitUsage: there is no such command, or it has no such flag.
	ExitUsage = 2
	// ExitUnclean: the application ran, and something did not end in its time or failed while stopping; the log names it.
	ExitUnclean = 3
)

const exitSignal = 128

// echo is the time within which a second signal counts as the first: timeout(1), shells and supervisors signal a process
// and its group.
const echo = 50 * time.Millisecond

// Main runs the command that the process was started with, and exits.
func Main(modules fx.Option, opts ...Option) {
	os.Exit(Run(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr, modules, opts...))
}

// Run runs one command and returns the exit code; args are its name and flags, environ the settings, as in os.Environ.
// An interrupt, SIGTERM, SIGHUP or the end of ctx stops the command gracefully. At a second signal, more than 50 ms
// later, Run returns although the command still runs: the caller must then exit. A process that was started with SIGHUP
// ignored, as by nohup(1), goes on ignoring it.
func Run(ctx context.Context, args, environ []string, stdout, stderr io.Writer, modules fx.Option, opts ...Option) int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	c := &Commands{environ: environ, stdout: stdout, stderr: stderr, modules: modules}
	for _, opt := range opts {
		opt(c)
	}
	done := make(chan int, 1)
	go func() { done <- c.execute(ctx, args) }()
	var first time.Time
	for {
		select {
		case code := <-done:
			return code
		case s := <-signals:
			switch {
			case first.IsZero():
				first = time.Now()
				cancel(interrupt{s})
			case time.Since(first) > echo:
				tell(stderr, fmt.Sprintf("%s again: ended at once\n", s), shortWord)
				return exitCode(s)
			}
		}
	}
}

// The reader of the output may have stopped reading, so writing waits no longer than this.
const (
	// shortWord is for texts before something that somebody waits for.
	shortWord = 100 * time.Millisecond
	// lastWord is for the reason why the process ends.
	lastWord = time.Second
)

// tell writes text to w and waits no longer than timeout.
func tell(w io.Writer, text string, timeout time.Duration) {
	told := make(chan struct{})
	go func() {
		defer close(told)
		_, _ = io.WriteString(w, text)
	}()
	select {
	case <-told:
	case <-time.After(timeout):
	}
}

// interrupt is the cause of a context that a signal has cancelled.
type interrupt struct{ signal os.Signal }

// Error names the signal.
func (i interrupt) Error() string { return i.signal.String() }

func exitCode(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return exitSignal + int(n)
	}
	return ExitFailed
}

// exit is an error with an exit code. Its error, if it has one, is still to be printed.
type exit struct {
	code int
	err  error
}

// Error returns the text of the wrapped error.
func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

// Unwrap returns the wrapped error.
func (e *exit) Unwrap() error { return e.err }

// execute runs one command, prints its error, and returns the exit code.
func (c *Commands) execute(ctx context.Context, args []string) int {
	root := c.root()
	c.names = namesOf(root)
	err := c.addPluginCommands(root, args)
	if err == nil {
		root.SetArgs(args)
		root.SetOut(c.stdout)
		root.SetErr(c.stderr)
		if c.terminal != nil {
			root.SetIn(c.terminal)
		}
		err = root.ExecuteContext(ctx)
	}
	c.flushLogs()
	var e *exit
	switch {
	case err == nil:
		return ExitClean
	case !errors.As(err, &e):
		tell(c.stderr, fmt.Sprintf("%s\n%s\n", err, usage.Hint(root, err)), lastWord)
		return ExitUsage
	case e.err != nil:
		tell(c.stderr, fmt.Sprintln(e.err), lastWord)
	}
	return e.code
}
