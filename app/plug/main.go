// Command plug is the developer's command, run as "go tool plug".
//
// It makes services, domains and plugins, runs the service while it is worked on, tests it, holds it against the rules, writes its
// documents, and brings it to another version of the host. The service never links it.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"plugboard/app/plug/lint"
	"plugboard/app/plug/site"
	"plugboard/infra/host/usage"
)

// The exit codes of the command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	// exitUnadapted: an upgrade did not change the service's files.
	exitUnadapted = 3
)

func main() {
	if lint.IsVetCall(os.Args[1:]) {
		if err := lint.Vet(os.Args[1:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "plug:", err)
			os.Exit(exitFailed) //nolint:forbidigo // a command's exit code
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code) //nolint:forbidigo // a command's exit code
}

// run carries out one command and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := root()
	root.SetArgs(longFlags(args))
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var f *failure
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &f):
		fmt.Fprintln(stderr, "plug:", f.err)
		return cmp.Or(f.code, exitFailed)
	}
	fmt.Fprintf(stderr, "plug: %s\n%s\n", err, usage.Hint(root, err))
	return exitUsage
}

func root() *cobra.Command {
	root := &cobra.Command{
		Use:   "plug",
		Short: "Make, check and document plugins",
		Long: `Makes plugins and domains, holds the project against its rules, and writes its documents. But for init, it works in
the module that it is run in.

What is needed often, such as a webhook, a setting or money, has a page with its files and its test, in docs/needs of the host, whose folder is
printed by: go list -m -f {{.Dir}} ` + path.Dir(site.Contract()) + `

Exit codes: 0 done; 1 failed, or something was found; 2 no such command or flag; 3 a service was not adapted to its host.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "go tool plug"},
		Args:          oneCommand,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(usage.FlagError)
	root.AddCommand(
		initCommand(), newCommand(), devCommand(), testCommand(), lintCommand(), docsCommand(), annotateCommand(),
		upgradeCommand(), extractCommand(), adoptCommand(),
	)
	return root
}

// oneCommand is the Args of the root, which does nothing without a command.
func oneCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usage.Errorf(cmd, "there is no command to carry out")
	}
	return usage.NoArguments(cmd, args)
}

// one is the Args of a command that takes one argument; otherwise the error says what it takes.
func one(takes string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage.Errorf(cmd, "%s takes %s", cmd.Name(), takes)
		}
		return nil
	}
}

// failure is the error of a command that was understood and failed.
type failure struct {
	err  error
	code int // exitFailed when it is 0
}

// Error returns the text of the wrapped error.
func (f *failure) Error() string { return f.err.Error() }

// Unwrap returns the wrapped error.
func (f *failure) Unwrap() error { return f.err }

// command makes a cobra function of run; plug exits with 1 when run fails.
func command(run func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := run(cmd, args); err != nil {
			if f, ok := errors.AsType[*failure](err); ok {
				return f
			}
			return &failure{err: err}
		}
		return nil
	}
}

// longFlags takes -check and -old for --check and --old.
func longFlags(args []string) []string {
	all := make([]string, len(args))
	for i, arg := range args {
		if arg == "-check" || arg == "-old" {
			arg = "-" + arg
		}
		all[i] = arg
	}
	return all
}

func printFiles(stdout io.Writer, files []string, err error, next string) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s\n%s\n", strings.Join(files, "\n"), next)
	return err
}

// moduleRoot returns the folder of the module that the command is run in.
func moduleRoot(ctx context.Context) (string, error) {
	text, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find module: %w", err)
	}
	file := strings.TrimSpace(string(text))
	if filepath.Base(file) != "go.mod" {
		return "", errors.New("find module: this folder is in no module; go to the project's folder")
	}
	return filepath.Dir(file), nil
}
