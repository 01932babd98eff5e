package application_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gin-gonic/gin"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
	"plugboard/infra/host/application"
	"plugboard/infra/host/cli"
	"plugboard/infra/httpserver"
)

type (
	item struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
	}
	newItem struct {
		Name string `json:"name" binding:"required"`
	}
	ItemAdded struct {
		ID int64 `json:"id"`
	}
)

func (ItemAdded) Topic() string { return "item.added" }

// shop is a small application with everything there is.
func shop() fx.Option {
	return fx.Options(infra(), app.Domain("shop",
		app.Migrations(fstest.MapFS{
			"sqlite/00001_items.sql":   {Data: []byte("-- +goose Up\nCREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT);\n")},
			"postgres/00001_items.sql": {Data: []byte("-- +goose Up\nCREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT);\n")},
		}),
		boots("shop.add_item", func(b *app.Boot) {
			b.POST("/items", app.Handle(func(context.Context, newItem) (item, error) { return item{}, nil }),
				app.Tags("Items"), app.Status(http.StatusCreated), app.Fails(app.Conflict), app.Strict())
			b.Publishes(ItemAdded{})
		}),
		boots("shop.count_items", func(b *app.Boot) {
			b.Subscribe(app.On(func(context.Context, ItemAdded) error { return nil }))
			b.Raw(http.MethodGet, "/count", func(*gin.Context) {})
		}),
	))
}

// inTemp returns settings for a database of the test's own.
func inTemp(t *testing.T) []string {
	t.Helper()
	return []string{"APP_HTTP_ADDR=127.0.0.1:0", "APP_DATABASE_URL=" + settings(t).Database.URL}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := run(t, shop(), inTemp(t), "check")
	require.Empty(t, stderr)
	require.Equal(t, cli.ExitClean, code)
	require.Equal(t, "nothing is wrong: 1 domain, 2 plugins, 2 routes, 1 event, 1 subscription\n", stdout)
}

func TestPrintConfig(t *testing.T) {
	t.Parallel()
	environ := []string{"APP_DATABASE_URL=postgres://u:hunter2@db/shop?sslmode=verify-full", "APP_LOG_LEVEL=warn", "APP_LOG_FORMAT=xml"}
	code, stdout, stderr := run(t, shop(), environ, "check", "--print-config")
	require.Equal(t, cli.ExitFailed, code)
	require.NotContains(t, stdout+stderr, "hunter2")
	require.Regexp(t, `(?m)^APP_DATABASE_URL +postgres://\*\*\*@db/shop +env$`, stdout)
	require.Regexp(t, `(?m)^APP_LOG_LEVEL +warn +env$`, stdout)
	require.Regexp(t, `(?m)^APP_HTTP_ADDR +127.0.0.1:8080 +default$`, stdout)
	require.Equal(t, `the application cannot start; 1 problem:
  1. APP_LOG_FORMAT is "xml"; it must be auto, json or console; the default is auto
`, stderr)
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := run(t, shop(), inTemp(t), "routes")
	require.Equal(t, cli.ExitClean, code, stderr)
	require.Equal(t, `METHOD  PATH    ACCESS  PLUGIN            SOURCE
POST    /items  public  shop.add_item     infra/host/application/commands_test.go:N
GET     /count  public  shop.count_items  infra/host/application/commands_test.go:N
`, withoutLines(stdout))

	code, stdout, stderr = run(t, shop(), inTemp(t), "routes", "--json")
	require.Equal(t, cli.ExitClean, code, stderr)
	var printed struct {
		Endpoints []map[string]any `json:"endpoints"`
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &printed))
	routes := printed.Endpoints
	require.Len(t, routes, 2)
	require.Equal(t, "/items", routes[0]["path"])
	require.Equal(t, "application_test.newItem", routes[0]["request"])
	require.Equal(t, "application_test.item", routes[0]["response"])
	require.Equal(t, "30s", routes[0]["timeout"])
	require.Equal(t, []any{"Items"}, routes[0]["tags"])
	require.Equal(t, true, routes[0]["strict"])
	require.Equal(t, "raw", routes[1]["kind"])
}

func TestGraph(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := run(t, shop(), inTemp(t), "graph")
	require.Equal(t, cli.ExitClean, code, stderr)
	for _, line := range []string{
		`subgraph "cluster_domain_shop" {`,
		`"route:POST /items" -> "plugin:shop.add_item";`,
		`"plugin:shop.add_item" -> "topic:item.added";`,
		`"topic:item.added" -> "plugin:shop.count_items";`,
		`subgraph cluster_fx {`,
		`"*database.DB"`,
	} {
		require.Contains(t, stdout, line)
	}
	require.Equal(t, strings.Count(stdout, "{"), strings.Count(stdout, "}"), "the braces do not match")
	require.Equal(t, 1, strings.Count(stdout, "digraph"))
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	environ := append(inTemp(t), "APP_DATABASE_MIGRATE=false")
	code, stdout, _ := run(t, shop(), environ, "migrate", "--status")
	require.Equal(t, cli.ExitClean, code)
	require.Regexp(t, `(?m)^shop +sqlite/00001_items.sql +not run$`, stdout)

	code, _, stderr := run(t, shop(), environ, "serve")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, stderr, "the application did not start: check the migrations: the database is not migrated; run the migrate command")

	code, stdout, stderr = run(t, shop(), environ, "migrate")
	require.Equal(t, cli.ExitClean, code, stderr)
	require.Regexp(t, `(?m)^shop +sqlite/00001_items.sql +run \d{4}-`, stdout)
}

// TestServe runs the service through its command, until its context ends, and asks it for its health meanwhile.
func TestServe(t *testing.T) {
	t.Parallel()
	environ := append(inTemp(t), "APP_LOG_FORMAT=console")
	var stdout, stderr output
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	spec := httpserver.Spec(func() string { return "{}" })
	go func() { code <- cli.Run(ctx, nil, environ, &stdout, &stderr, fx.Options(shop(), spec)) }()
	soon(t, stdout.seen("/metrics\n"), "the start")
	require.Regexp(t, `^ready in [\d.]+m?s
  consists of    1 domain, 2 plugins, 2 routes, 1 event, 1 subscription
  database       sqlite:.*/test\.db
  work pool      .*
  address        http://127\.0\.0\.1:\d+
  documentation  http://127\.0\.0\.1:\d+/docs
  readiness      http://127\.0\.0\.1:\d+/readyz
  metrics        http://127\.0\.0\.1:\d+/metrics
$`, stdout.String())
	_, addr, _ := strings.Cut(stdout.String(), "address        http://")
	addr, _, _ = strings.Cut(addr, "\n")

	for _, args := range [][]string{{"health"}, {"health", "--ready"}} {
		healthy, _, said := run(t, shop(), []string{"APP_HTTP_ADDR=" + addr}, args...)
		require.Equal(t, cli.ExitClean, healthy, said)
	}
	cancel()
	require.Equal(t, cli.ExitClean, soon(t, code, "the end"), stderr.String())
	healthy, _, said := run(t, shop(), []string{"APP_HTTP_ADDR=" + addr}, "health")
	require.Equal(t, cli.ExitFailed, healthy)
	require.Contains(t, said, "connection refused")
}

func TestUsage(t *testing.T) {
	t.Parallel()
	code, _, stderr := run(t, shop(), nil, "sevre")
	require.Equal(t, cli.ExitUsage, code)
	require.Equal(t, "there is no command \"plugboard sevre\"; \"plugboard serve\" is near\nrun \"plugboard --help\" for help\n", stderr)

	code, _, stderr = run(t, shop(), nil, "serve", "--port=80")
	require.Equal(t, cli.ExitUsage, code)
	require.Equal(t, "\"plugboard serve\" has no flag --port\nrun \"plugboard serve --help\" for help\n", stderr)

	code, stdout, _ := run(t, shop(), nil, "--help")
	require.Equal(t, cli.ExitClean, code)
	for _, command := range []string{"serve", "migrate", "routes", "graph", "check", "events", "backup", "health", "version"} {
		require.Regexp(t, `(?m)^  `+command+` +\S`, stdout)
	}
	code, stdout, _ = run(t, shop(), nil, "version")
	require.Equal(t, cli.ExitClean, code)
	require.Regexp(t, `^plugboard .*go1`, stdout)
}

// The words of a library reached whoever mistyped a command: "accepts at most 1 arg(s), received 2".
func TestMisuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, want, help string }{
		{"sevre", `there is no command "plugboard sevre"; "plugboard serve" is near`, ""},
		{"zzzzzz", `there is no command "plugboard zzzzzz"; there are backup, check, describe, events, graph, health, migrate, routes, serve, version`, ""},
		{"events delete", `there is no command "plugboard events delete"; there are actions, adopt, discard, list, replay, retire, run, schedules, show, subscriptions`, "events"},
		{"events lst", `there is no command "plugboard events lst"; "plugboard events list" is near`, "events"},
		{"serve now", `"plugboard serve" takes no arguments, and "now" was given`, "serve"},
		{"migrate now", `"plugboard migrate" takes no arguments, and "now" was given`, "migrate"},
		{"migrate --status --approve shop/00001_items.sql", "give --status or --approve, not both", "migrate"},
		{"backup", `"plugboard backup" needs <file>, and got none`, "backup"},
		{"events subscriptions x", `"plugboard events subscriptions" takes no arguments, and "x" was given`, "events subscriptions"},
		{"serve --port=80", `"plugboard serve" has no flag --port`, "serve"},
		{"routes -x", `"plugboard routes" has no flag -x`, "routes"},
		{"--prot", `"plugboard" has no flag --prot`, ""},
		{"events list --limit", "--limit needs a value after it", "events list"},
		{"events list --limit few", `--limit is "few"; it must be a whole number`, "events list"},
		{"events list --json=perhaps", `--json is "perhaps"; it must be true or false`, "events list"},
		{"events list ---limit", `"---limit" is no flag`, "events list"},
		{"events show", `"plugboard events show" needs <event-id>, and got none`, "events show"},
		{"events show a b", `"plugboard events show" needs <event-id>, and got 2`, "events show"},
		{"events retire", `"plugboard events retire" needs <subscription>, and got none`, "events retire"},
		{"events adopt mail", `"plugboard events adopt" needs <old-subscription> and <new-subscription>, and got one`, "events adopt"},
		{"events run", `"plugboard events run" needs <schedule>, and got none`, "events run"},
		{"events replay x y", `"plugboard events replay" takes one argument at most, and got 2`, "events replay"},
		{"events replay", "give an event's id, --topic, --subscription, or --all", ""},
	} {
		code, _, stderr := run(t, shop(), inTemp(t), strings.Fields(c.line)...)
		require.Equal(t, cli.ExitUsage, code, c.line)
		require.Equal(t, c.want+"\nrun \"plugboard "+strings.TrimSpace(c.help+" --help")+"\" for help\n", stderr, c.line)
	}
}

// TestOwnCommand holds that a command from outside works like those of the host.
func TestOwnCommand(t *testing.T) {
	t.Parallel()
	command := func(c *cli.Commands) *cobra.Command {
		return &cobra.Command{
			Use: "ping",
			RunE: cli.Command(func(cmd *cobra.Command, _ []string) error {
				return c.WithDatabase(cmd.Context(), func(ctx context.Context, a *application.App) error {
					_, err := fmt.Fprintln(cmd.OutOrStdout(), "ping:", a.DB().Ping(ctx))
					return err
				})
			}),
		}
	}
	var stdout, stderr output
	code := cli.Run(t.Context(), []string{"ping"}, inTemp(t), &stdout, &stderr, shop(), cli.WithCommand(command))
	require.Equal(t, cli.ExitClean, code, stderr.String())
	require.Equal(t, "ping: <nil>\n", stdout.String())

	code = cli.Run(t.Context(), []string{"ping"}, []string{"APP_DATABASE_URL=sqlite:/dev/null/x"}, &stdout, &stderr, shop(), cli.WithCommand(command))
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, stderr.String(), "open the database: ")
}
