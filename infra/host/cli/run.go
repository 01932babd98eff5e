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
)

// The exit codes of the binary. A second signal ends the process at once with 128 and the signal's number: 129 for
// SIGHUP, 130 for an interrupt, 143 for SIGTERM.
const (
	// ExitClean says that the command did what it was asked; for serve, that everything ended in its
	// time.
	ExitClean = 0
	// ExitFailed says that the command failed; for serve, that the application did not start.
	ExitFailed = 1
	// ExitUsage says that there is no such command, or that it has no such flag.
	ExitUsage = 2
	// ExitUnclean says that the application ran and stopped, and that something did not end in its time
	// or failed while stopping; the log names it.
	ExitUnclean = 3
)

const exitSignal = 128

// echo is how soon after a signal the next one is taken for the same: timeout(1), shells and supervisors signal a
// process and its group.
const echo = 50 * time.Millisecond

// Main runs the command line of the application that modules make up, and exits. It is all that main does.
func Main(modules fx.Option, opts ...Option) {
	os.Exit(Run(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr, modules, opts...))
}

// Run runs one command: args are its name and flags, environ its settings, as in os.Environ. It returns the
// exit code. An interrupt, SIGTERM, SIGHUP or the end of ctx stops the command gracefully; at a second signal, more than
// 50 ms later, Run returns at once, leaving behind what it was waiting for: the caller must exit then. A process that was
// started with SIGHUP ignored, as by nohup(1), goes on ignoring it.
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

// How long a word of the process may take, whose reader may have stopped reading.
const (
	// shortWord is for when somebody waits for what comes next.
	shortWord = 100 * time.Millisecond
	// lastWord is for why the process ends.
	lastWord = time.Second
)

// tell writes text to w, and waits for it no longer than timeout.
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

// interrupt is the cause of a context that a signal ended.
type interrupt struct{ signal os.Signal }

// Error names the signal.
func (i interrupt) Error() string { return i.signal.String() }

func exitCode(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return exitSignal + int(n)
	}
	return ExitFailed
}

// exit is an error with an exit code. What it wraps, if anything, is still to be told.
type exit struct {
	code int
	err  error
}

// Error returns the text of what it wraps.
func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

// Unwrap returns what it wraps.
func (e *exit) Unwrap() error { return e.err }

// execute runs one command and tells its error.
func (c *Commands) execute(ctx context.Context, args []string) int {
	root := c.root()
	root.SetArgs(args)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	err := root.ExecuteContext(ctx)
	c.flushLogs()
	var e *exit
	switch {
	case err == nil:
		return ExitClean
	case !errors.As(err, &e):
		tell(c.stderr, fmt.Sprintf("%s\n%s\n", err, usageHint(root, err)), lastWord)
		return ExitUsage
	case e.err != nil:
		tell(c.stderr, fmt.Sprintln(e.err), lastWord)
	}
	return e.code
}
