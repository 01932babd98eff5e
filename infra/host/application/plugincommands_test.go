package application_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"gorm.io/gorm"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/infra/host/application"
	"plugboard/infra/host/cli"
	"plugboard/infra/host/manifest"
)

// opening is a plugin with a command that uses what a command may use.
type opening struct {
	db    *gorm.DB
	bus   app.Bus
	pool  app.Pool
	times int
	mode  string
}

func newOpening(db *gorm.DB, bus app.Bus, pool app.Pool) *opening {
	return &opening{db: db, bus: bus, pool: pool}
}

func (p *opening) OnBoot(b *app.Boot) {
	b.Publishes(ItemAdded{})
	flags := b.Command("Open the shop", p.Execute)
	flags.IntVar(&p.times, "times", 1, "how often to open it")
	flags.StringVar(&p.mode, "mode", "fine", "how it goes: `fine` or otherwise")
}

func (p *opening) Execute(ctx context.Context, call app.CommandCall) error {
	input, err := io.ReadAll(call.In)
	if err != nil {
		return err
	}
	switch p.mode {
	case "wrong":
		return app.Errorf(app.Invalid, "%q is no name for a shop", call.Args)
	case "broken":
		return errors.New("the key does not fit")
	case "help":
		return flag.ErrHelp
	case "panic":
		panic("no cable")
	case "wait":
		fmt.Fprintln(call.Out, "waiting")
		<-ctx.Done()
		return context.Cause(ctx)
	}
	sum, err := app.Compute(ctx, p.pool, func(app.Job) (int, error) { return p.times + 1, nil })
	if err != nil {
		return err
	}
	err = app.InTx(ctx, p.db, func(ctx context.Context) error {
		for i := range p.times {
			if err := p.bus.Publish(ctx, ItemAdded{ID: int64(i)}); err != nil {
				return err
			}
		}
		return nil
	})
	fmt.Fprintf(call.Out, "%s %v %q %d for %s\n", p.mode, call.Args, input, sum, app.PluginName(ctx))
	return err
}

// doors is a domain with a command and a subscriber that counts.
func doors(heard *atomic.Int64) fx.Option {
	return app.Domain("shop_doors",
		app.Plugin[*opening]("shop_doors.open_all", newOpening),
		boots("shop_doors.count", func(b *app.Boot) {
			b.Subscribe(app.On(func(context.Context, ItemAdded) error {
				heard.Add(1)
				return nil
			}))
		}))
}

// What a command publishes is handled when it has ended: by the service beside it on Postgres, by the next start on SQLite.
func TestACommandPublishes(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		var heard atomic.Int64
		var beside *apptest.App
		if strings.HasPrefix(db.URL, "postgres") {
			beside = apptest.New(t, db, doors(&heard))
		}
		modules := fx.Options(infra(), doors(&heard))
		environ := []string{"APP_DATABASE_URL=" + db.URL, "APP_HTTP_ADDR=" + mustNotOpen(t).addr}
		var out, errOut output
		code := cli.Run(t.Context(), []string{"shop-doors", "open-all", "--times=3", "front", "back"}, environ, &out, &errOut, modules,
			cli.WithTerminal(strings.NewReader("typed")))
		require.Equal(t, cli.ExitClean, code, errOut.String())
		require.Equal(t, "fine [front back] \"typed\" 4 for shop_doors.open_all\n", out.String())
		if beside == nil {
			require.Zero(t, heard.Load(), "the command handled its events itself")
			beside = apptest.New(t, db, doors(&heard))
		}
		beside.WaitForEvents()
		require.EqualValues(t, 3, heard.Load())
	})
}

func TestACommandOnSQLiteBesideTheService(t *testing.T) {
	t.Parallel()
	var heard atomic.Int64
	db := apptest.SQLite(t)
	apptest.New(t, db, doors(&heard))
	code, _, stderr := run(t, fx.Options(infra(), doors(&heard)), []string{"APP_DATABASE_URL=" + db.URL}, "shop-doors", "open-all")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, stderr, "the command did not start: open the database: ")
	require.Contains(t, stderr, "a SQLite file belongs to one process at a time, so stop the other one or use Postgres")
}

func TestExitCodesOfCommands(t *testing.T) {
	t.Parallel()
	var heard atomic.Int64
	modules := fx.Options(infra(), doors(&heard))
	for _, tt := range []struct {
		args   string
		code   int
		stderr string
	}{
		{"--mode=wrong Ü", cli.ExitUsage, "[\"Ü\"] is no name for a shop\nrun \"NAME shop-doors open-all --help\" for help\n"},
		{"--mode=broken", cli.ExitFailed, "the key does not fit\n"},
		{"--mode=panic", cli.ExitFailed, "panicked: no cable\n"},
		{"--times=often", cli.ExitUsage, "--times is \"often\"; it must be a whole number\nrun \"NAME shop-doors open-all --help\" for help\n"},
		{"--tims=2", cli.ExitUsage, "\"NAME shop-doors open-all\" has no flag --tims\nrun \"NAME shop-doors open-all --help\" for help\n"},
		{"--mode=help", cli.ExitClean, ""},
	} {
		code, stdout, stderr := run(t, modules, inTemp(t), append([]string{"shop-doors", "open-all"}, strings.Fields(tt.args)...)...)
		require.Equal(t, tt.code, code, tt.args)
		require.Equal(t, tt.stderr, strings.ReplaceAll(stderr, binary(t), "NAME"), tt.args)
		require.Equal(t, tt.code == cli.ExitClean, strings.Contains(stdout, "--mode fine"), "%s: %s", tt.args, stdout)
	}
	code, _, stderr := run(t, modules, inTemp(t), "shop-doors", "close-all")
	require.Equal(t, cli.ExitUsage, code)
	require.Contains(t, stderr, "there is no command")
	code, _, stderr = run(t, fx.Options(modules, boots("a.one", raw("GET", "x"))), inTemp(t), "shop-doors", "open-all")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, stderr, `the path must begin with "/"`)
}

// binary is the name that the service has in this test.
func binary(t *testing.T) string {
	t.Helper()
	_, stdout, _ := run(t, infra(), inTemp(t), "version")
	name, _, _ := strings.Cut(stdout, " ")
	return name
}

// A command of a plugin is told to end as the service is, and what it was started with is stopped.
func TestACommandIsToldToEnd(t *testing.T) {
	t.Parallel()
	var heard atomic.Int64
	var d diary
	service := loopsOf("a.loop", func(context.Context) error {
		d.note("a loop ran in a command")
		return nil
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	var out, errOut output
	waiting := out.seen("waiting")
	code := make(chan int, 1)
	go func() {
		code <- cli.Run(ctx, []string{"shop-doors", "open-all", "--mode=wait"}, inTemp(t), &out, &errOut, fx.Options(infra(), d.hooks("site"), service, doors(&heard)))
	}()
	soon(t, waiting, "the command")
	require.Equal(t, []string{"start site"}, d.read())
	cancel(errors.New("enough"))
	require.Equal(t, cli.ExitFailed, soon(t, code, "the end"))
	require.Equal(t, "enough\n", errOut.String())
	require.Equal(t, []string{"start site", "stop site"}, d.read())
}

// A stop that goes wrong is not hidden by a command that went well.
func TestACommandWhoseStopFails(t *testing.T) {
	t.Parallel()
	var heard atomic.Int64
	modules := fx.Options(infra(), doors(&heard), fx.Invoke(onStop(func(context.Context) error { return errors.New("cannot be stopped") })))
	code, stdout, stderr := run(t, modules, inTemp(t), "shop-doors", "open-all")
	require.Equal(t, cli.ExitUnclean, code)
	require.Contains(t, stdout, "fine")
	require.Contains(t, stderr, "cannot be stopped")
}

func TestHelpAndDescriptionHaveCommands(t *testing.T) {
	t.Parallel()
	var heard atomic.Int64
	modules := fx.Options(infra(), doors(&heard))
	for _, args := range [][]string{{"help"}, {"--help"}} {
		code, stdout, stderr := run(t, modules, inTemp(t), args...)
		require.Equal(t, cli.ExitClean, code, stderr)
		require.Regexp(t, `(?s)Available Commands:.*\n  serve .*\nCommands of the domains:\n  shop-doors +Commands of the domain shop_doors\n`, stdout)
		require.NotContains(t, stdout, "Additional Commands")
	}
	code, stdout, stderr := run(t, modules, inTemp(t), "shop-doors", "open-all", "--help")
	require.Equal(t, cli.ExitClean, code, stderr)
	require.Regexp(t, `(?s)^Open the shop\n.*shop-doors open-all \[flags\].*--mode fine +how it goes: fine or otherwise \(default "fine"\)\n +--times int +how often to open it \(default 1\)`, stdout)
	_, stdout, _ = run(t, modules, inTemp(t), "shop-doors")
	require.Regexp(t, `open-all +Open the shop`, stdout)

	code, stdout, stderr = run(t, modules, inTemp(t), "describe")
	require.Equal(t, cli.ExitClean, code, stderr)
	var m manifest.Service
	require.NoError(t, json.Unmarshal([]byte(stdout), &m))
	require.Contains(t, m.Commands, manifest.Command{Use: binary(t) + " shop-doors open-all", Short: "Open the shop"})

	code, stdout, _ = run(t, fx.Options(modules, boots("a.one", raw("GET", "x"))), inTemp(t), "--help")
	require.Equal(t, cli.ExitClean, code, "help does not depend on the wiring")
	require.Contains(t, stdout, "serve")
}

func TestCommandMistakes(t *testing.T) {
	t.Parallel()
	run := func(context.Context, app.CommandCall) error { return nil }
	_, err := application.New(settings(t), fx.Options(infra(),
		boots("a.two", func(b *app.Boot) {
			b.Command("one", run)
			b.Command("two", run)
		}),
		boots("bare", func(b *app.Boot) { b.Command("none", run) }),
		boots("events.purge", func(b *app.Boot) { b.Command("purge", run) }),
		boots("a.empty", func(b *app.Boot) {
			flags := b.Command("", nil)
			flags.Bool("h", false, "")
		}),
	), application.WithReserved("events"))
	require.Error(t, err)
	require.Equal(t, strings.Join([]string{
		"plugin a.two (infra/host/application/plugincommands_test.go:N): it has a command already (infra/host/application/plugincommands_test.go:N); give each command a plugin of its own",
		"plugin bare (infra/host/application/plugincommands_test.go:N): a command is called by its plugin's name; name the plugin <domain>.<file>",
		`plugin events.purge (infra/host/application/plugincommands_test.go:N): the binary has a command "events" of its own, so this domain can have none; give the domain another name`,
		"plugin a.empty (infra/host/application/plugincommands_test.go:N): the command says nothing of itself; give b.Command a line for --help",
		"plugin a.empty (infra/host/application/plugincommands_test.go:N): the command has no function",
		"plugin a.empty (infra/host/application/plugincommands_test.go:N): the flag --h is the host's; give it another name",
	}, "\n"), problems(err))
}

// The names that are taken are those of the real binary, its help included.
func TestADomainNamedLikeACommand(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"migrate", "help", "completion"} {
		modules := fx.Options(infra(), boots(name+".x", func(b *app.Boot) {
			b.Command("x", func(context.Context, app.CommandCall) error { return nil })
		}))
		code, _, stderr := run(t, modules, inTemp(t), "check")
		require.Equal(t, cli.ExitFailed, code, name)
		require.Contains(t, stderr, fmt.Sprintf("the binary has a command %q of its own", name))
	}
}

// A test calls a command in its application; flags that it leaves out have their defaults, also after another call.
func TestCommandsInTheTestKit(t *testing.T) {
	t.Parallel()
	var heard atomic.Int64
	quiet := app.Domain("shop_doors", boots("shop_doors.count", func(b *app.Boot) {
		b.Publishes(ItemAdded{})
		b.Subscribe(app.On(func(context.Context, ItemAdded) error {
			heard.Add(1)
			return nil
		}))
	}), app.Plugin[*opening]("shop_doors.open_all", newOpening))
	h := apptest.New(t, quiet)
	result := h.CommandFrom("typed", "shop-doors open-all", "--times", "2", "front")
	require.NoError(t, result.Error)
	require.Equal(t, "fine [front] \"typed\" 3 for shop_doors.open_all\n", result.Out)
	require.Equal(t, "fine [] \"\" 2 for shop_doors.open_all\n", h.Command("shop-doors open-all").Out)
	h.WaitForEvents()
	require.EqualValues(t, 3, heard.Load())
	require.EqualError(t, h.Command("shop-doors open-all", "--mode", "broken").Error, "the key does not fit")
	require.Equal(t, app.Invalid, app.CodeOf(h.Command("shop-doors open-all", "--mode", "wrong").Error))
	require.EqualError(t, h.Command("shop-doors open-all", "--times", "x").Error, `--times is "x"; it must be a whole number`)
	require.ErrorContains(t, h.Command("shop-doors close").Error, "there is no command")
	require.Contains(t, h.Command("shop-doors open-all", "--help").Out, "Open the shop")
}
