package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"plugboard/infra/eventbus/admin"
	"plugboard/infra/host/usage"
)

func (c *Commands) eventsReplayCommand() *cobra.Command {
	return c.eventsChangeCommand(change{
		verb: "replay", done: "replayed", apply: (*admin.Admin).Replay,
		short: "Deliver dead deliveries again",
		long: `Makes dead deliveries pending again, with the same event ids and their attempts counted anew: those of one event, or
all that --topic and --subscription select. It asks before it replays more than one event's, unless --yes is given.`,
	})
}

func (c *Commands) eventsDiscardCommand() *cobra.Command {
	return c.eventsChangeCommand(change{
		verb: "discard", done: "discarded", apply: (*admin.Admin).Discard, destroys: true,
		short: "Delete dead deliveries, or what waits for an orphan",
		long: `Deletes dead deliveries, which nobody will then handle: those of one event, or all that --topic and
--subscription select. With --pending it deletes what waits for a subscription that no version in use has. It asks before
it does, unless --yes is given.`,
	})
}

// change describes "events replay" or "events discard".
type change struct {
	verb, done, short, long string
	apply                   func(*admin.Admin, context.Context, admin.Filter) (int, error)
	destroys                bool
}

func (c *Commands) eventsChangeCommand(ch change) *cobra.Command {
	u := &eventsUsage{}
	cmd := &cobra.Command{
		Use:   ch.verb + " {<event-id> | --topic <topic> | --subscription <name> | --all}",
		Short: ch.short, Long: ch.long,
		Args: u.selection,
		RunE: c.withAdmin(func(ctx context.Context, admin *admin.Admin, _ []string) error {
			if u.filter.State = "dead"; u.pending {
				u.filter.State = "pending"
				if err := admin.CheckUnused(ctx, u.filter.Subscription); err != nil {
					return err
				}
			}
			n, err := admin.Count(ctx, u.filter)
			switch {
			case err != nil:
				return err
			case n == 0 && u.filter.EventID != "":
				return fmt.Errorf("%s events: %s", ch.verb, u.nothing())
			}
			if n > 0 && (ch.destroys || u.filter.EventID == "") {
				if err := c.confirm(ctx, u.yes, fmt.Sprintf("%s %s?", ch.verb, deliveries(n, u.filter.State+" "))); err != nil {
					return err
				}
			}
			n, err = ch.apply(admin, ctx, u.filter)
			if n > 0 || err == nil {
				_, _ = fmt.Fprintf(c.stdout, "%s %s\n", ch.done, deliveries(n, "")) // err says what is missing
			}
			return err
		}),
	}
	u.filterFlags(cmd)
	u.yesFlag(cmd)
	cmd.Flags().BoolVar(&u.all, "all", false, "all dead deliveries")
	if ch.destroys {
		cmd.Flags().BoolVar(&u.pending, "pending", false, "what waits for the subscription, which no version in use has")
	}
	return cmd
}

// selection is the Args of a command that changes deliveries: it takes the id of an event, or flags that select.
func (u *eventsUsage) selection(cmd *cobra.Command, args []string) error {
	if err := usage.OneArgument(cmd, args); err != nil {
		return err
	}
	flagged := u.filter.Topic != "" || u.filter.Subscription != ""
	switch {
	case u.pending && u.filter.Subscription == "":
		return errors.New("--pending needs --subscription")
	case len(args) == 1 && u.all:
		return errors.New("give an event's id or --all, not both")
	case len(args) == 1:
		u.filter.EventID = args[0]
		return nil
	case flagged && u.all:
		return errors.New("give --all, or --topic and --subscription, not both")
	case !flagged && !u.all:
		return errors.New("give an event's id, --topic, --subscription, or --all")
	}
	return nil
}

func (u *eventsUsage) nothing() string {
	text := fmt.Sprintf("there is no %s delivery of event %q", u.filter.State, u.filter.EventID)
	if u.filter.Subscription != "" {
		text += fmt.Sprintf(" to subscription %q", u.filter.Subscription)
	}
	if u.filter.Topic != "" {
		text += fmt.Sprintf(" of topic %q", u.filter.Topic)
	}
	return text
}

func deliveries(n int, kind string) string {
	if n == 1 {
		return "1 " + kind + "delivery"
	}
	return strconv.Itoa(n) + " " + kind + "deliveries"
}
