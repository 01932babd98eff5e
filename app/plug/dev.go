package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"plugboard/app/plug/dev"
	"plugboard/infra/host/usage"
)

func devCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "dev",
		Short: "Run the service, and each new version of it as files are saved",
		Long: `Builds the service of the module it is run in and serves it at the address of its settings (APP_HTTP_ADDR, or the file
that APP_CONFIG names). When a file is saved it builds again. A new version takes over when it builds and passes
"check": the old one finishes its requests and ends, then the new one starts. No request is refused meanwhile.

While a version does not build, does not pass or does not start, the last good one serves. The error is shown here,
and in browsers that ask for a page; programs get answers as before.

Files in hidden folders, bin, data, vendor, node_modules and other modules are not watched, nor are tests and
databases. GOFLAGS has flags for the build, such as -race or -tags. An interrupt, SIGTERM or SIGHUP stops the
service and then the command. It is not supported on Windows.`,
		Args: usage.NoArguments,
		RunE: command(func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP) // the terminal was closed
			defer stop()
			dir, err := moduleRoot(ctx)
			if err != nil {
				return err
			}
			return dev.Run(ctx, dev.Options{Dir: dir, Environ: os.Environ(), Stdout: cmd.OutOrStdout(), Stderr: cmd.ErrOrStderr()})
		}),
	}
}
