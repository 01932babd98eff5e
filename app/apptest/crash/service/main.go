// Command service is the crash harness's own service.
//
// The harness kills it for the cases that the released binary cannot express. It has the same host, database and event bus,
// and the probe domain instead of the product's. It has no switches: the harness makes a build of its own with crash
// points, in the place of the lines "//crash:point <name>" of the sources.
package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"go.uber.org/fx"

	"plugboard/app/apptest/crash/service/probe"
	"plugboard/infra/database"
	"plugboard/infra/eventbus"
	"plugboard/infra/eventbus/admin"
	"plugboard/infra/host/application"
	"plugboard/infra/host/cli"
	"plugboard/infra/httpserver"
	"plugboard/infra/logging"
	"plugboard/infra/telemetry"
	"plugboard/infra/workpool"
)

func main() {
	cli.Main(fx.Options(
		logging.Module,
		telemetry.Module,
		database.Module,
		workpool.Module,
		eventbus.Module,
		httpserver.Module,
		probe.Module,
	), cli.WithCommand(replayAll))
}

// replayAll is the command "replay": it makes every dead delivery pending again and prints how many there were.
func replayAll(c *cli.Commands) *cobra.Command {
	return &cobra.Command{
		Use:  "replay",
		Args: cobra.NoArgs,
		RunE: cli.Command(func(cmd *cobra.Command, _ []string) error {
			return c.WithDatabase(cmd.Context(), func(ctx context.Context, a *application.App) error {
				n, err := a.Bus().Admin("crash harness").Replay(ctx, admin.Filter{})
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), n)
				return err
			})
		}),
	}
}
