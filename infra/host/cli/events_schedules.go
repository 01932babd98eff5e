package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"plugboard/infra/eventbus/admin"
)

func (c *Commands) eventsSchedulesCommand() *cobra.Command {
	u := &eventsUsage{}
	cmd := &cobra.Command{
		Use:   "schedules",
		Short: "List schedules, their next times and their last runs",
		Long: `Lists the durable schedules of this version of the service. A run is an event on its way to the schedule: STATE is that of
its delivery, or done. Times are in UTC.`,
		Args: noArguments,
		RunE: c.withAdmin(func(ctx context.Context, admin *admin.Admin, _ []string) error {
			schedules, err := admin.Schedules(ctx)
			if err != nil {
				return err
			}
			return c.printSchedules(schedules, u.asJSON)
		}),
	}
	u.jsonFlag(cmd)
	return cmd
}

func (c *Commands) printSchedules(schedules []admin.Schedule, asJSON bool) error {
	if asJSON {
		return c.printJSON(listed(schedules))
	}
	return tableOf(c, "SCHEDULE\tSPEC\tPLUGIN\tNEXT\tLAST\tSTATE\tEVENT", schedules, func(s admin.Schedule) string {
		state := s.State
		if !s.Asked.IsZero() {
			state = cmp.Or(state, "none") + ", asked for"
		}
		return row(s.Name, s.Spec, s.Plugin, at(s.Next), at(s.Last), state, s.EventID)
	})
}

func (c *Commands) eventsRunCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run <schedule>",
		Short: "Have a schedule run once now",
		Long: `Asks the service to run a schedule once, besides its times. A process of it does so within its poll interval
(APP_EVENTS_POLL), or when the last run is done.`,
		Args: allArguments,
		RunE: c.withAdmin(func(ctx context.Context, admin *admin.Admin, args []string) error {
			if err := admin.Run(ctx, args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.stdout, "asked for a run of %s\n", args[0])
			return err
		}),
	}
}
