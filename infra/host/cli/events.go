package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/eventbus/admin"
	"plugboard/infra/host/application"
	"plugboard/infra/host/usage"
)

// eventsUsage holds the flags of the commands under "events".
type eventsUsage struct {
	filter admin.Filter
	all    bool
	asJSON bool
	// pending selects pending deliveries instead of dead ones.
	pending bool
	yes     bool
	limit   int
}

func (c *Commands) eventsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Look at event deliveries and schedules, replay or discard dead ones, retire subscriptions",
		Long: `Works on the database of the service, also while the service runs, which takes notice within its poll
interval (APP_EVENTS_POLL). Every change is recorded with who made it: see "events actions".

A delivery is one event on its way to one subscription. It is pending (it waits for its turn, its time or its next
attempt), running, or dead: it has failed for good and is kept until it is replayed or discarded. One that is done is gone.`,
		Args: usage.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		c.eventsListCommand(), c.eventsShowCommand(), c.eventsReplayCommand(), c.eventsDiscardCommand(),
		c.eventsSubscriptionsCommand(), c.eventsRetireCommand(), c.eventsAdoptCommand(), c.eventsActionsCommand(),
		c.eventsSchedulesCommand(), c.eventsRunCommand(),
	)
	return cmd
}

func (u *eventsUsage) filterFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&u.filter.Subscription, "subscription", "", "only those to this subscription")
	cmd.Flags().StringVar(&u.filter.Topic, "topic", "", "only those of events of this topic")
}

func (u *eventsUsage) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&u.asJSON, "json", false, "print JSON, with all that is known")
}

func (u *eventsUsage) yesFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&u.yes, "yes", false, "do not ask")
}

// list makes cmd print the list that load returns, as a table or as JSON.
func list[T any](c *Commands, u *eventsUsage, cmd *cobra.Command, load func(*admin.Admin, context.Context) ([]T, error), t table[T]) *cobra.Command {
	u.jsonFlag(cmd)
	cmd.RunE = c.withAdmin(func(ctx context.Context, a *admin.Admin, _ []string) error {
		rows, err := load(a, ctx)
		if err != nil {
			return err
		}
		return t.write(c, rows, u.asJSON)
	})
	return cmd
}

// act makes cmd ask a question, unless it is "" or --yes is given, do something, and say that it is done. Both texts are
// formats for the arguments.
func (c *Commands) act(cmd *cobra.Command, question, done string, do func(ctx context.Context, a *admin.Admin, args []string) error) *cobra.Command {
	u := &eventsUsage{yes: question == ""}
	if !u.yes {
		u.yesFlag(cmd)
	}
	cmd.Args = usage.AllArguments
	cmd.RunE = c.withAdmin(func(ctx context.Context, a *admin.Admin, args []string) error {
		var texts []any
		for _, arg := range args {
			texts = append(texts, arg)
		}
		if err := c.confirm(ctx, u.yes, fmt.Sprintf(question, texts...)); err != nil {
			return err
		}
		if err := do(ctx, a, args); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.stdout, done, texts...)
		return err
	})
	return cmd
}

func (c *Commands) eventsListCommand() *cobra.Command {
	u := &eventsUsage{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List deliveries that are not done, oldest first",
		Args: func(cmd *cobra.Command, args []string) error {
			switch u.filter.State {
			case "", "pending", "running", "dead":
			default:
				return fmt.Errorf("--state is %q; it must be pending, running or dead", u.filter.State)
			}
			return errors.Join(usage.NoArguments(cmd, args), u.checkLimit())
		},
	}
	u.filterFlags(cmd)
	u.limitFlag(cmd, "deliveries")
	cmd.Flags().StringVar(&u.filter.State, "state", "", "only those that are pending, running or dead")
	return list(c, u, cmd, func(a *admin.Admin, ctx context.Context) ([]admin.Delivery, error) {
		u.filter.Limit = u.limit
		return a.Deliveries(ctx, u.filter)
	}, deliveryTable())
}

func (u *eventsUsage) limitFlag(cmd *cobra.Command, what string) {
	cmd.Flags().IntVar(&u.limit, "limit", 100, "the most "+what+" to list")
}

func (u *eventsUsage) checkLimit() error {
	if u.limit < 1 {
		return fmt.Errorf("--limit is %d; it must be at least 1", u.limit)
	}
	return nil
}

func (c *Commands) eventsShowCommand() *cobra.Command {
	u := &eventsUsage{}
	cmd := &cobra.Command{
		Use:   "show <event-id>",
		Short: "Show an event, its deliveries that are not done, and what was done by hand",
		Args:  usage.AllArguments,
		RunE: c.withAdmin(func(ctx context.Context, admin *admin.Admin, args []string) error {
			event, err := admin.Event(ctx, args[0])
			if err != nil {
				return err
			}
			return c.printEvent(event, u.asJSON)
		}),
	}
	u.jsonFlag(cmd)
	return cmd
}

func (c *Commands) eventsSubscriptionsCommand() *cobra.Command {
	return list(c, &eventsUsage{}, &cobra.Command{
		Use:   "subscriptions",
		Short: "List durable subscriptions and what waits for them",
		Long: `Lists durable subscriptions. An orphan is active, so that events are kept for it, and is not in this version of the
service under any name: retire it, or have another adopt what waits for it, or discard that. A subscription that was
renamed is listed once; --json has its other names, each of which the commands take.`,
		Args: usage.NoArguments,
	}, (*admin.Admin).Subscriptions, subscriptionTable())
}

func (c *Commands) eventsRetireCommand() *cobra.Command {
	return c.act(&cobra.Command{
		Use:   "retire <subscription>",
		Short: "Keep no more events for a subscription that is gone",
		Long: `Has a subscription get no new events. What it has not handled is kept, until another subscription adopts it, it is
discarded (see "events discard --pending"), or a version that has the subscription comes back. One that this version has is refused.`,
	}, "retire subscription %s?", "retired subscription %s\n", func(ctx context.Context, a *admin.Admin, args []string) error {
		return a.Retire(ctx, args[0])
	})
}

func (c *Commands) eventsAdoptCommand() *cobra.Command {
	return c.act(&cobra.Command{
		Use:   "adopt <old-subscription> <new-subscription>",
		Short: "Move what a subscription that is gone has not handled to another",
		Long: `Moves the deliveries of a subscription that is gone, dead ones included, to another of the same topic. From then on the old
name is another name of the new one: a version that comes back and has only the old one works for both. An event that was for
both, and that the new one has handled, reaches it again. A subscription renamed in the code needs this only when app.Formerly
was forgotten.`,
	}, "move what waits for %[1]s to %[2]s, and forget %[1]s?", "%[2]s adopted what waited for %[1]s\n", func(ctx context.Context, a *admin.Admin, args []string) error {
		return a.Adopt(ctx, args[0], args[1])
	})
}

func (c *Commands) eventsActionsCommand() *cobra.Command {
	u := &eventsUsage{}
	cmd := &cobra.Command{
		Use:   "actions",
		Short: "List what was done by hand, latest first",
		Args: func(cmd *cobra.Command, args []string) error {
			return errors.Join(usage.NoArguments(cmd, args), u.checkLimit())
		},
	}
	u.limitFlag(cmd, "actions")
	return list(c, u, cmd, func(a *admin.Admin, ctx context.Context) ([]admin.Action, error) { return a.Actions(ctx, "", u.limit) }, actionTable())
}

// withAdmin makes a cobra function of run, which gets the administration of events. The service may run meanwhile.
func (c *Commands) withAdmin(run func(ctx context.Context, admin *admin.Admin, args []string) error) func(*cobra.Command, []string) error {
	return Command(func(cmd *cobra.Command, args []string) error {
		return c.BesideService(cmd.Context(), func(ctx context.Context, a *application.App) error {
			if err := checkEventTables(ctx, a); err != nil {
				return fmt.Errorf("read events: %w", err)
			}
			return run(ctx, a.Bus().Admin(actor()), args)
		})
	})
}

// checkEventTables returns an error when the database lacks tables of the event bus as this version needs them; the
// error says what to do.
func checkEventTables(ctx context.Context, a *application.App) error {
	states, err := a.DB().MigrationStatus(ctx, []database.MigrationSet{a.Bus().Migrations()})
	if err != nil {
		return err
	}
	missing := 0
	for _, s := range states {
		if !s.Applied {
			missing++
		}
	}
	switch missing {
	case 0:
		return nil
	case len(states):
		return fmt.Errorf(`the database is not migrated: it has no tables of the event bus yet; run "%s migrate" or start the service, with the same settings as this command`,
			config.ServiceName())
	default:
		return fmt.Errorf(`the database is not migrated: it lacks %d of %d migrations of the event bus, since an older version of the service made it; `+
			`use that version's command, or deploy this version first`, missing, len(states))
	}
}

// actor returns who runs the command, as user@host. It is recorded with each change.
func actor() string {
	name := "uid " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return name + "@" + host
}

// errNotConfirmed is returned when the answer to a question was no.
var errNotConfirmed = errors.New("nothing was changed")

// confirm asks the question unless yes is true, and returns nil for a yes.
func (c *Commands) confirm(ctx context.Context, yes bool, question string) error {
	if yes {
		return nil
	}
	in := c.terminal
	if in == nil && isatty.IsTerminal(os.Stdin.Fd()) {
		in = os.Stdin
	}
	if in == nil {
		return fmt.Errorf("%s there is no terminal to ask at; give --yes", question)
	}
	_, _ = fmt.Fprintf(c.stderr, "%s [y/N] ", question) // without the question there will be no yes
	answer := make(chan string, 1)
	go func() { // reading from a terminal cannot be cancelled; the process ends without waiting for it
		line, _ := bufio.NewReader(in).ReadString('\n') // an input that ends means no
		answer <- line
	}()
	select {
	case <-ctx.Done():
		return errNotConfirmed
	case line := <-answer:
		if line = strings.ToLower(strings.TrimSpace(line)); line != "y" && line != "yes" {
			return errNotConfirmed
		}
		return nil
	}
}

// printJSON prints v for programs.
func (c *Commands) printJSON(v any) error {
	enc := json.NewEncoder(c.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}
