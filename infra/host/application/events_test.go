package application_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/infra/eventbus/admin"
	"plugboard/infra/host/cli"
)

// OrderPlaced is the event of these tests.
type OrderPlaced struct {
	ID int64 `json:"id"`
}

func (OrderPlaced) Topic() string { return "order.placed" }

// ordering publishes orders, and has a subscription that fails for good until it is mended.
type ordering struct {
	bus          app.Bus
	subscription string
	formerly     []string
	mended       atomic.Bool
}

type order struct {
	ID int64 `json:"id"`
}

func (o *ordering) OnBoot(b *app.Boot) {
	b.POST("/orders", app.Handle(o.place), app.Guard(func(ctx context.Context, _ *http.Request) (context.Context, error) {
		app.CallFrom(ctx).Principal = &app.Principal{ID: "ann"}
		return ctx, nil
	}))
	b.POST("/mend", app.Handle(o.mend))
	b.Publishes(OrderPlaced{})
	b.Subscribe(app.On(o.mail), app.Named(o.subscription), app.Formerly(o.formerly...))
}

func (o *ordering) place(ctx context.Context, req order) (order, error) {
	return req, o.bus.Publish(ctx, OrderPlaced(req), app.Header("colour", "red\x1b[2J"))
}

func (o *ordering) mend(context.Context, order) (order, error) {
	o.mended.Store(true)
	return order{}, nil
}

func (o *ordering) mail(context.Context, OrderPlaced) error {
	if !o.mended.Load() {
		return app.Permanent(errors.New("mailbox\tfull"))
	}
	return nil
}

// orders is an application with one durable subscription of the given name, which had others.
func orders(subscription string, formerly ...string) fx.Option {
	return app.Domain("orders", app.Plugin[*ordering]("orders.place_order", func(bus app.Bus) *ordering {
		return &ordering{bus: bus, subscription: subscription, formerly: formerly}
	}))
}

// desk is where an operator's commands are run: on the database of a running service, with the build of a version.
type desk struct {
	t       *testing.T
	modules fx.Option
	environ []string
}

func (d desk) run(args ...string) (stdout string) {
	d.t.Helper()
	code, stdout, stderr := run(d.t, d.modules, d.environ, append([]string{"events"}, args...)...)
	require.Equal(d.t, cli.ExitClean, code, "%s\n%s", args, stderr)
	return stdout
}

func (d desk) fails(code int, args ...string) (stderr string) {
	d.t.Helper()
	got, _, stderr := run(d.t, d.modules, d.environ, append([]string{"events"}, args...)...)
	require.Equal(d.t, code, got, "%s", args)
	return stderr
}

func (d desk) read(to any, args ...string) {
	d.t.Helper()
	require.NoError(d.t, json.Unmarshal([]byte(d.run(append(args, "--json")...)), to))
}

// await waits until n deliveries are in a state.
func (d desk) await(n int, state string) (found []admin.Delivery) {
	d.t.Helper()
	require.Eventually(d.t, func() bool {
		found = nil
		d.read(&found, "list", "--state", state)
		return len(found) == n
	}, patience, 20*time.Millisecond, "%d %s", n, state)
	return found
}

func post(t *testing.T, c *child, url, path, body string) {
	t.Helper()
	answer, err := client(t).Post(url+path, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode, c.stderr.String())
}

// The operator's commands work on the database of a service that runs in another process.
func TestEventsBesideARunningService(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		c := spawn(t, "orders", "APP_DATABASE_URL="+db.URL, "APP_EVENTS_POLL=20ms")
		url := soon(t, c.addr, "the start")
		d := desk{t, fx.Options(infra(), orders("mail")), []string{"APP_DATABASE_URL=" + db.URL}}
		for id := range 4 {
			post(t, c, url, "/orders", fmt.Sprintf(`{"id":%d}`, id))
		}
		dead := d.await(4, "dead")
		require.Equal(t, `{"id":0}`, dead[0].Payload)
		require.Equal(t, "ann", dead[0].Principal)
		require.Regexp(t, `^EVENT +TOPIC +KEY +SUBSCRIPTION +STATE +ATTEMPTS +PUBLISHED +ERROR
`+dead[0].EventID+`  order.placed  -    mail          dead   1         20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ  mailbox·full
$`, d.run("list", "--topic", "order.placed", "--subscription", "mail", "--limit", "1"))
		require.Regexp(t, `^SUBSCRIPTION +TOPIC +PLUGIN +STATE +PENDING +RUNNING +DEAD +OLDEST +SEEN
mail          order.placed  orders.place_order  active  0        0        4     -       20\S+Z
$`, d.run("subscriptions"))
		shown := d.run("show", dead[0].EventID)
		require.Regexp(t, `(?m)^principal\s*ann$`, shown)
		require.Regexp(t, `(?m)^header colour\s*red·\[2J$`, shown)
		require.Regexp(t, `(?m)^failed +\S+: mailbox·full$`, shown)

		post(t, c, url, "/mend", `{}`)
		require.Equal(t, "replayed 1 delivery\n", d.run("replay", dead[0].EventID, "--subscription", "mail"))
		d.await(3, "")
		shown = d.run("show", dead[0].EventID)
		require.Contains(t, shown, "every subscription it was for has handled it, or its delivery was discarded")
		require.Regexp(t, `(?m)^action +replay mail by \S+@\S+ at 20\S+Z$`, shown)
		require.Equal(t, "discarded 1 delivery\n", d.run("discard", "--yes", dead[1].EventID))
		require.Equal(t, "replayed 2 deliveries\n", d.run("replay", "--yes", "--topic", "order.placed"))
		d.await(0, "")
		require.Equal(t, "replayed 0 deliveries\n", d.run("replay", "--all"))

		var actions []admin.Action
		d.read(&actions, "actions", "--limit", "3")
		require.Len(t, actions, 3)
		require.Equal(t, "discard", actions[2].Action)
		require.Equal(t, 5, strings.Count(d.run("actions"), "\n"))

		c.terminate(t)
		require.Equal(t, cli.ExitClean, c.exit(t), c.stderr.String())
		require.Equal(t, "[]\n", d.run("list", "--json"), "without a service")
	})
}

// A new version without a subscription leaves an orphan, which is adopted or retired.
func TestEventsOfOrphans(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		environ := []string{"APP_DATABASE_URL=" + db.URL, "APP_EVENTS_POLL=20ms"}
		old := spawn(t, "orders", environ...)
		post(t, old, soon(t, old.addr, "the start"), "/orders", `{"id":1}`)
		desk{t, fx.Options(infra(), orders("mail")), environ}.await(1, "dead")
		old.terminate(t)
		require.Equal(t, cli.ExitClean, old.exit(t), old.stderr.String())

		c := spawn(t, "other orders", environ...)
		url := soon(t, c.addr, "the start")
		d := desk{t, fx.Options(infra(), orders("letters")), environ}
		require.Regexp(t, `(?m)^mail +order.placed +orders.place_order +active, orphan +0 +0 +1 `, d.run("subscriptions"))

		require.Equal(t, "subscription \"letters\" is in use by this version of the service\n", d.fails(cli.ExitFailed, "retire", "letters", "--yes"))
		require.Equal(t, "there is no subscription \"post\"\n", d.fails(cli.ExitFailed, "adopt", "mail", "post", "--yes"))
		post(t, c, url, "/mend", `{}`)
		require.Equal(t, "retired subscription mail\n", d.run("retire", "mail", "--yes"))
		require.Equal(t, "letters adopted what waited for mail\n", d.run("adopt", "mail", "letters", "--yes"))
		require.NotContains(t, d.run("subscriptions"), "mail")
		d.run("replay", "--yes", "--subscription", "letters")
		d.await(0, "")
		require.Equal(t, 4, strings.Count(d.run("actions"), "\n"))
	})
}

// The old name of a renamed subscription was shown as retired while it worked again after a rollback, and what the new
// version had published could not be adopted: there was no such subscription.
func TestEventsOfARename(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		environ := []string{"APP_DATABASE_URL=" + db.URL, "APP_EVENTS_POLL=20ms", "APP_EVENTS_LEASE=1s"}
		old, renamed := desk{t, fx.Options(infra(), orders("mail")), environ}, desk{t, fx.Options(infra(), orders("letters", "mail")), environ}
		strangers := desk{t, fx.Options(infra(), orders("post")), environ}
		placed := 0
		for _, version := range []string{"orders", "renamed orders", "orders", "renamed orders"} {
			c := spawn(t, version, environ...)
			placed++
			post(t, c, soon(t, c.addr, "the start"), "/orders", fmt.Sprintf(`{"id":%d}`, placed))
			old.await(placed, "dead")
			require.Regexp(t, `^SUBSCRIPTION .*\nmail +order.placed +orders.place_order +active +0 +0 +`+fmt.Sprint(placed)+` +- +20\S+Z\n$`, old.run("subscriptions"))
			if placed > 1 {
				require.Regexp(t, `^SUBSCRIPTION .*\nletters +order.placed +orders.place_order +active +0 +0 +`+fmt.Sprint(placed)+` +- +20\S+Z\n$`, renamed.run("subscriptions"))
			}
			c.terminate(t)
			require.Equal(t, cli.ExitClean, c.exit(t), c.stderr.String())
		}
		for _, d := range []desk{old, renamed, strangers} {
			var dead []admin.Delivery
			d.read(&dead, "list", "--subscription", "mail")
			require.Len(t, dead, placed)
			d.read(&dead, "list", "--subscription", "letters")
			require.Len(t, dead, placed)
		}
		require.Regexp(t, `(?m)^letters +order.placed +orders.place_order +active, orphan +0 +0 +4 `, strangers.run("subscriptions"), "the name that was in use last")
		require.Equal(t, "letters adopted what waited for mail\n", renamed.run("adopt", "mail", "letters", "--yes"), "which it has already")
		require.Contains(t, strangers.fails(cli.ExitFailed, "discard", "--pending", "--yes", "--subscription", "post"), `there is no subscription "post"`)
		require.Contains(t, renamed.fails(cli.ExitFailed, "discard", "--pending", "--yes", "--subscription", "mail"), `subscription "mail" is in use by this version of the service`)
		require.Equal(t, "replayed 4 deliveries\n", renamed.run("replay", "--yes", "--subscription", "mail"))
		require.Eventually(t, func() bool { // once the last process has been silent for the lease
			code, stdout, _ := run(t, strangers.modules, environ, "events", "discard", "--pending", "--yes", "--subscription", "mail")
			return code == cli.ExitClean && stdout == "discarded 4 deliveries\n"
		}, patience, 100*time.Millisecond)
	})
}

// What destroys, or touches many, is asked for.
func TestEventsAsk(t *testing.T) {
	t.Parallel()
	db := apptest.SQLite(t)
	environ := []string{"APP_DATABASE_URL=" + db.URL}
	modules := fx.Options(infra(), orders("mail"))
	cfg := settings(t)
	cfg.Database.URL = db.URL
	a := newApp(t, cfg, orders("mail"))
	require.NoError(t, a.Start(t.Context()))
	for id := range int64(2) {
		require.NoError(t, a.Bus().For("orders.place_order").Publish(t.Context(), OrderPlaced{ID: id}))
	}
	require.NoError(t, a.Bus().Idle(t.Context()))
	require.NoError(t, stopApp(t, a))
	d := desk{t, modules, environ}
	id := d.await(2, "dead")[0].EventID

	answered := func(answer string, args ...string) (int, string, string) {
		var stdout, stderr output
		code := cli.Run(t.Context(), append([]string{"events"}, args...), environ, &stdout, &stderr, modules, cli.WithTerminal(strings.NewReader(answer)))
		return code, stdout.String(), stderr.String()
	}
	for _, answer := range []string{"", "n\n", "\n", "yeah\n"} {
		code, stdout, stderr := answered(answer, "discard", "--all")
		require.Equal(t, cli.ExitFailed, code)
		require.Equal(t, "discard 2 dead deliveries? [y/N] nothing was changed\n", stderr)
		require.Empty(t, stdout)
	}
	for question, args := range map[string][]string{
		"discard 1 dead delivery? [y/N] ":                              {"discard", id},
		"replay 2 dead deliveries? [y/N] ":                             {"replay", "--subscription", "mail"},
		"retire subscription mail? [y/N] ":                             {"retire", "mail"},
		"move what waits for mail to letters, and forget mail? [y/N] ": {"adopt", "mail", "letters"},
	} {
		_, _, stderr := answered("no\n", args...)
		require.Equal(t, question+"nothing was changed\n", stderr)
	}
	d.await(2, "dead")
	if !isatty.IsTerminal(os.Stdin.Fd()) {
		require.Equal(t, "discard 2 dead deliveries? there is no terminal to ask at; give --yes\n", d.fails(cli.ExitFailed, "discard", "--all"))
	}
	code, stdout, _ := answered("", "replay", id)
	require.Equal(t, cli.ExitClean, code)
	require.Equal(t, "replayed 1 delivery\n", stdout)
	code, stdout, _ = answered(" Y \n", "discard", "--all")
	require.Equal(t, cli.ExitClean, code)
	require.Equal(t, "discarded 1 delivery\n", stdout)
}

func TestEventsErrors(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		modules := fx.Options(infra(), orders("mail"))
		d := desk{t, modules, []string{"APP_DATABASE_URL=" + db.URL}}
		missing := map[string]string{"sqlite": "there is no such file; the service makes it when it first starts", "postgres": `the database is not migrated: it has no tables of the event bus yet; run "plugboard migrate" or start the service, with the same settings as this command`}
		require.Contains(t, d.fails(cli.ExitFailed, "list"), missing[string(db.Dialect)])

		code, _, stderr := run(t, modules, d.environ, "migrate")
		require.Equal(t, cli.ExitClean, code, stderr)
		require.Equal(t, "EVENT  TOPIC  KEY  SUBSCRIPTION  STATE  ATTEMPTS  PUBLISHED  ERROR\n", d.run("list"))
		for want, args := range map[string][]string{
			`there is no event "x"`:                                                         {"show", "x"},
			`replay events: there is no dead delivery of event "x"`:                         {"replay", "x"},
			`discard events: there is no dead delivery of event "x" to subscription "mail"`: {"discard", "x", "--subscription", "mail", "--yes"},
			`there is no subscription "post"`:                                               {"retire", "post", "--yes"},
			"a subscription cannot adopt itself":                                            {"adopt", "mail", "mail", "--yes"},
		} {
			require.Equal(t, want+"\n", d.fails(cli.ExitFailed, args...))
		}
		for want, args := range map[string][]string{
			`--state is "done"; it must be pending, running or dead`: {"list", "--state", "done"},
			"--limit is 0; it must be at least 1":                    {"actions", "--limit", "0"},
			"give an event's id, --topic, --subscription, or --all":  {"replay"},
			"--pending needs --subscription":                         {"discard", "--pending", "--all"},
			"give an event's id or --all, not both":                  {"discard", "x", "--all"},
			"give --all, or --topic and --subscription, not both":    {"replay", "--all", "--topic", "order.placed"},
		} {
			require.Equal(t, want+"\nrun \"plugboard --help\" for help\n", d.fails(cli.ExitUsage, args...))
		}
		require.Contains(t, d.run(), "Available Commands:")
	})
}
