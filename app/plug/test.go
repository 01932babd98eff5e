package main

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"plugboard/app/plug/testrun"
)

func testCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "test [packages]",
		Short: "Run the tests on SQLite and on a Postgres of their own, with the race detector",
		Long: `Runs go test -race -shuffle=on with the packages, ./... when nothing is named, and with any flags of go test. It
starts a private Postgres server for the tests and stops it when they end, whatever ends them; with TEST_DATABASE_URL set,
they use that server.

As root on Debian it installs what is missing. Otherwise it says what to install: without a Postgres server nothing
is run; without a C compiler the tests run without the race detector.`,
		Example:               "  go tool plug test\n  go tool plug test -run TestPlaceOrder ./domains/orders/...",
		DisableFlagParsing:    true, // they are those of go test
		DisableFlagsInUseLine: true,
		RunE: command(func(cmd *cobra.Command, args []string) error {
			if slices.ContainsFunc(args, func(arg string) bool { return arg == "-h" || arg == "--help" }) {
				return cmd.Help()
			}
			return runTests(cmd, args)
		}),
	}
}

// runTests runs the tests in this folder.
func runTests(cmd *cobra.Command, args []string) error {
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find folder: %w", err)
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP) // the terminal was closed
	defer stop()
	return testrun.Tests{Dir: dir, Args: args, Stdout: cmd.OutOrStdout(), Stderr: cmd.ErrOrStderr()}.Run(ctx)
}
