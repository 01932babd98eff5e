package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"plugboard/app/plug/site"
)

func initCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "init <module>",
		Short: "Make the module of a new service",
		Long: `Makes a service of its own module, which requires this host: the files that it needs to build, run, test and ship,
with one small domain. Run it in an empty folder.`,
		Example: "  go run <host>/app/plug@latest init example.org/shop      in an empty folder; <host> is the path that the host is published under\n" +
			"  go tool plug init example.org/shop --dir ../shop         in a clone of the host, for trying out",
		Args: one("the path of the new module, as in: init example.org/shop"),
		RunE: command(func(cmd *cobra.Command, args []string) error {
			return runInit(cmd.Context(), args[0], dir, cmd.OutOrStdout())
		}),
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "the folder to make it in; it is made when it is not there")
	return cmd
}

// runInit makes a service, and generates its documents.
func runInit(ctx context.Context, module, dir string, stdout io.Writer) error {
	begin := time.Now()
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find folder: %w", err)
	}
	s, err := site.New(module, dir)
	if err != nil {
		return fmt.Errorf("make service: %w", err)
	}
	names, err := s.Write(dir)
	if err != nil {
		return fmt.Errorf("make service: %w", err)
	}
	fmt.Fprintf(stdout, "%s\n", strings.Join(names, "\n"))
	for _, args := range []string{"mod tidy", "tool plug docs"} {
		if err := goCommand(ctx, dir, stdout, strings.Fields(args)...); err != nil {
			return fmt.Errorf("the files are written, but go %s failed: %w", args, err)
		}
	}
	if s.Replace != "" {
		fmt.Fprintf(stdout, "\nThe host is taken from the clone in %q, by a replace in go.mod. That is for trying out: who shares the service "+
			"publishes the host first.\n", s.Replace)
	}
	fmt.Fprintf(stdout, "\nMade in %s. Now run:\n  make run                                  the service, with its documentation at /docs\n"+
		"  go tool plug new orders/place_order       a domain, a plugin and its test\n  make test                                 all tests\n",
		time.Since(begin).Round(time.Second/10))
	return nil
}

// goCommand runs the go command in dir. It shows what that prints.
func goCommand(ctx context.Context, dir string, stdout io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the go command
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = dir, stdout, os.Stderr, alone()
	return cmd.Run()
}

// alone is the environment of a go command that is to go by the module's own go.mod, whatever workspace is around it.
func alone() []string { return append(os.Environ(), "GOWORK=off") }
