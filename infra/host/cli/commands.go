package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"plugboard/config"
	"plugboard/infra/database"
	"plugboard/infra/host/application"
	"plugboard/infra/host/usage"
)

// Commands holds what every command needs: the settings, the modules, the output. A command added by [WithCommand] gets
// it too.
type Commands struct {
	environ        []string
	stdout, stderr io.Writer
	modules        fx.Option
	added          []func(*Commands) *cobra.Command
	terminal       io.Reader
	loggers        []*zap.Logger // of the applications that New returned
	names          []string      // of the commands that the binary has without its plugins
}

// Option changes the command line.
type Option func(*Commands)

// WithCommand adds a command to the binary.
func WithCommand(command func(*Commands) *cobra.Command) Option {
	return func(c *Commands) { c.added = append(c.added, command) }
}

// WithTerminal lets commands ask their questions and read the answers from in. Without it they ask only when the
// standard input is a terminal, and otherwise fail.
func WithTerminal(in io.Reader) Option { return func(c *Commands) { c.terminal = in } }

// New puts the application together with the settings of the environment. The error has the problems of the settings and
// of the wiring.
func (c *Commands) New(opts ...application.Option) (*application.App, error) {
	cfg, err := config.Load(c.environ, c.sections()...)
	return c.assemble(cfg, err, opts...)
}

// newDescribed is [Commands.New] for commands that describe the service: they do without the values of settings that must be given.
func (c *Commands) newDescribed(opts ...application.Option) (*application.App, error) {
	cfg, err := config.Load(c.environ, c.sections()...)
	return c.assemble(cfg, config.WithoutMissing(err), opts...)
}

// sections are the sections of settings that the domains have.
func (c *Commands) sections() []config.Section { return application.Sections(c.modules) }

// assemble puts the application together with cfg; problem is that of the settings, or nil.
func (c *Commands) assemble(cfg config.Config, problem error, opts ...application.Option) (*application.App, error) {
	opts = append(opts, application.WithProblem(problem), application.WithReserved(c.names...))
	a, err := application.New(cfg, c.modules, opts...)
	if err == nil {
		c.loggers = append(c.loggers, a.Logger())
	}
	return a, err
}

// flushLogs waits until the logged records are written, for two seconds at most. The process ends next.
func (c *Commands) flushLogs() {
	for _, logger := range c.loggers {
		_ = logger.Sync() // there is nowhere to report to
	}
}

// WithDatabase puts the application together, opens its database and nothing else, runs fn, and closes the database. It
// migrates nothing. On SQLite it fails while the service runs, since the file belongs to one process.
func (c *Commands) WithDatabase(ctx context.Context, fn func(ctx context.Context, a *application.App) error) error {
	return c.withDatabase(ctx, (*database.DB).Open, fn)
}

// BesideService is [Commands.WithDatabase] for commands that work while the service runs; see database.DB.OpenBeside.
func (c *Commands) BesideService(ctx context.Context, fn func(ctx context.Context, a *application.App) error) error {
	return c.withDatabase(ctx, (*database.DB).OpenBeside, fn)
}

func (c *Commands) withDatabase(ctx context.Context, open func(*database.DB, context.Context) error, fn func(ctx context.Context, a *application.App) error) (err error) {
	a, err := c.New()
	if err != nil {
		return err
	}
	if err := open(a.DB(), ctx); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.Config().Lifecycle.StopTimeout)
		defer cancel()
		if closed := a.DB().Close(ctx); closed != nil && err == nil {
			err = fmt.Errorf("close the database: %w", closed)
		}
	}()
	return fn(ctx, a)
}

// Command makes a cobra function of run: the process exits with [ExitFailed] when run fails. Every command should use
// it.
func Command(run func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := run(cmd, args); err != nil {
			return &exit{ExitFailed, err}
		}
		return nil
	}
}

func (c *Commands) root() *cobra.Command {
	root := &cobra.Command{
		Use:   config.ServiceName(),
		Short: "Runs the service; without a command, the same as serve",
		Long: `Runs the service, and describes it.

Settings come from the environment (APP_…), from the YAML file that APP_CONFIG names, or are
defaults; "` + config.ServiceName() + ` check --print-config" lists them.

Exit codes: 0 done; 1 failed, or not started; 2 no such command or flag; 3 stopped, but something
did not end in its time; 129, 130 and 143 ended at once by a second signal.`,
		Args:          usage.NoArguments,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          c.serve,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(usage.FlagError)
	root.AddCommand(
		c.serveCommand(), c.migrateCommand(), c.routesCommand(), c.graphCommand(), c.checkCommand(),
		c.eventsCommand(), c.backupCommand(), c.healthCommand(), c.versionCommand(), c.describeCommand(),
	)
	for _, command := range c.added {
		root.AddCommand(command(c))
	}
	return root
}

func (c *Commands) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Start the service and run it until it is told to stop",
		Long: `Starts the service and runs it until SIGTERM, SIGHUP or an interrupt. It then stops gracefully: it is not
ready any more, finishes what it has accepted, and exits with 0. A second signal ends it at once.

It listens at APP_HTTP_ADDR, or on the socket that systemd passes to it (LISTEN_FDS).`,
		Args: usage.NoArguments,
		RunE: c.serve,
	}
}

func (c *Commands) checkCommand() *cobra.Command {
	var show bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the settings and the wiring, and open nothing",
		Long: `Puts the application together as serve would and reports all that is wrong with its settings, its wiring,
its routes and its events. It opens no port, no file and no connection.`,
		Args: usage.NoArguments,
		RunE: Command(func(*cobra.Command, []string) error {
			if show {
				settings, _ := config.List(c.environ, c.sections()...) // New reports its problems
				if err := config.Print(c.stdout, settings); err != nil {
					return fmt.Errorf("print settings: %w", err)
				}
			}
			a, err := c.New()
			if err != nil || show {
				return err
			}
			for _, warning := range config.Warnings(c.environ, c.sections()...) {
				tell(c.stderr, "warning: "+warning+"\n", lastWord)
			}
			_, err = fmt.Fprintf(c.stdout, "nothing is wrong: %s\n", count(a))
			return err
		}),
	}
	cmd.Flags().BoolVar(&show, "print-config", false, "print every setting, its value and where that came from; secrets are not shown")
	return cmd
}
