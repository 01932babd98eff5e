package cli

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"plugboard/infra/eventbus/admin"
	"plugboard/infra/host/usage"
)

func (c *Commands) eventsSchedulesCommand() *cobra.Command {
	return list(c, &eventsUsage{}, &cobra.Command{
		Use:   "schedules",
		Short: "List schedules, their next times and their last runs",
		Long: `Lists the durable schedules of this version of the service. A run is an event on its way to the schedule: STATE is that of
its delivery, or done. Times are in UTC.`,
		Args: usage.NoArguments,
	}, (*admin.Admin).Schedules, scheduleTable())
}

func scheduleTable() table[admin.Schedule] {
	return table[admin.Schedule]{"SCHEDULE\tSPEC\tPLUGIN\tNEXT\tLAST\tSTATE\tEVENT", func(s admin.Schedule) string {
		state := s.State
		if !s.Asked.IsZero() {
			state = cmp.Or(state, "none") + ", asked for"
		}
		return row(s.Name, s.Spec, s.Plugin, at(s.Next), at(s.Last), state, s.EventID)
	}}
}

func (c *Commands) eventsRunCommand() *cobra.Command {
	return c.act(&cobra.Command{
		Use:   "run <schedule>",
		Short: "Have a schedule run once now",
		Long: `Asks the service to run a schedule once, besides its times. A process of it does so within its poll interval
(APP_EVENTS_POLL), or when the last run is done.`,
	}, "", "asked for a run of %s\n", func(ctx context.Context, a *admin.Admin, args []string) error { return a.Run(ctx, args[0]) })
}
