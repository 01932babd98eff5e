// Command release makes releases of the module.
//
// It holds the API of the public packages besides. Call it as make api, make api/check and make release do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

const usage = `usage: release [-dir <folder of the module>] <command>

  api                  write docs/api.txt
  check                hold the public packages against docs/api.txt
  release <version>    make a release; -skip-check leaves out make check
`

// errUsage is the error of a call that was not understood.
var errUsage = errors.New("no such call")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dir := flags.String("dir", ".", "")
	skip := flags.Bool("skip-check", false, "")
	if flags.Parse(args) != nil {
		return errUsage
	}
	switch command := flags.Arg(0); {
	case command == "api" && flags.NArg() == 1:
		return writeAPI(ctx, *dir, stdout)
	case command == "check" && flags.NArg() == 1:
		return checkAPI(ctx, *dir, stdout)
	case command == "release" && flags.NArg() == 2:
		r := &release{dir: *dir, version: flags.Arg(1), today: time.Now().UTC().Format(time.DateOnly), out: stdout}
		if !*skip {
			r.check = func(ctx context.Context) error { return makeCheck(ctx, *dir, stdout, stderr) }
		}
		return r.make(ctx)
	}
	return errUsage
}

// makeCheck runs make check in the module.
func makeCheck(ctx context.Context, dir string, stdout, stderr io.Writer) error {
	c := exec.CommandContext(ctx, "make", "check")
	c.Dir, c.Stdout, c.Stderr = dir, stdout, stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("make check: %w", err)
	}
	return nil
}
