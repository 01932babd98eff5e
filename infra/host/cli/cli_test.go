package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/goleak"

	"plugboard/infra/eventbus/admin"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// line runs a command line on a tree of commands with "list", "list things" and "drop <thing>".
func line(args ...string) error {
	root := &cobra.Command{Use: "tool", Args: usage.NoArguments, SilenceErrors: true, SilenceUsage: true, RunE: func(*cobra.Command, []string) error { return nil }}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	root.SetFlagErrorFunc(usage.FlagError)
	list := &cobra.Command{Use: "list", Args: usage.NoArguments, RunE: root.RunE}
	list.Flags().Int("limit", 1, "")
	drop := &cobra.Command{Use: "drop <thing> <place>", Args: usage.AllArguments, RunE: root.RunE}
	look := &cobra.Command{Use: "look", Args: usage.OneArgument, RunE: root.RunE}
	root.AddCommand(list, drop, look)
	root.SetArgs(args)
	return root.Execute()
}

// Whoever mistypes a command reads what was wrong and what there is.
func TestAMistypedCommandIsExplained(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, want string }{
		{"lisst", `there is no command "tool lisst"; "tool list" is near`},
		{"elsewhere", `there is no command "tool elsewhere"; there are drop, list, look`},
		{"list all", `"tool list" takes no arguments, and "all" was given`},
		{"drop lamp", `"tool drop" needs <thing> and <place>, and got one`},
		{"drop", `"tool drop" needs <thing> and <place>, and got none`},
		{"drop a b c", `"tool drop" needs <thing> and <place>, and got 3`},
		{"look a b", `"tool look" takes one argument at most, and got 2`},
		{"list --limt=1", `"tool list" has no flag --limt`},
		{"list -x", `"tool list" has no flag -x`},
		{"list --limit", `--limit needs a value after it`},
		{"list --limit=few", `--limit is "few"; it must be a whole number`},
		{"list --=1", `"--=1" is no flag`},
	} {
		err := line(strings.Fields(c.line)...)
		require.EqualError(t, err, c.want, c.line)
	}
	require.NoError(t, line("drop", "lamp", "cellar"))
}

func TestASecondSignalHasItsExitCode(t *testing.T) {
	t.Parallel()
	require.Equal(t, 143, exitCode(syscall.SIGTERM))
	require.Equal(t, 130, exitCode(os.Interrupt))
	require.Equal(t, "terminated", interrupt{syscall.SIGTERM}.Error())
}

// A reader that has stopped reading does not hold up the end of the process.
func TestTellingDoesNotWaitForever(t *testing.T) {
	t.Parallel()
	var heard bytes.Buffer
	tell(&heard, "a word", time.Minute)
	require.Equal(t, "a word", heard.String())
	release := make(chan struct{})
	defer close(release)
	tell(stuckWriter(release), "a word", time.Millisecond)
}

type stuckWriter chan struct{}

func (w stuckWriter) Write(b []byte) (int, error) {
	<-w
	return len(b), nil
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]error{"y\n": nil, " YES \n": nil, "n\n": errNotConfirmed, "": errNotConfirmed, "yess\n": errNotConfirmed} {
		var asked bytes.Buffer
		c := &Commands{terminal: strings.NewReader(answer), stderr: &asked}
		require.Equal(t, want, c.confirm(t.Context(), false, "drop it?"), answer)
		require.Equal(t, "drop it? [y/N] ", asked.String())
		require.NoError(t, c.confirm(t.Context(), true, "drop it?"))
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	release := make(chan struct{})
	defer close(release)
	c := &Commands{terminal: stuckReader(release), stderr: &bytes.Buffer{}}
	require.Equal(t, errNotConfirmed, c.confirm(gone, false, "drop it?"))
}

type stuckReader chan struct{}

func (r stuckReader) Read([]byte) (int, error) {
	<-r
	return 0, io.EOF
}

func TestNumbersInWords(t *testing.T) {
	t.Parallel()
	require.Equal(t, "1 domain, 2 plugins, 0 routes, 1 event, 3 subscriptions", numbers{1, 2, 0, 1, 3, 0, 0}.String())
	require.Equal(t, "0 domains, 0 plugins, 0 routes, 0 events, 0 subscriptions, 1 schedule, 2 loops", numbers{schedules: 1, loops: 2}.String())
	require.Equal(t, "1 dead delivery", deliveries(1, "dead "))
	require.Equal(t, "2 deliveries", deliveries(2, ""))
}

// The address to listen on is not always one to connect to.
func TestAListeningAddressIsReachable(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		":80": "127.0.0.1:80", "0.0.0.0:80": "127.0.0.1:80", "[::]:80": "[::1]:80", "10.0.0.7:80": "10.0.0.7:80", "shop:80": "shop:80", "off": "off",
	} {
		require.Equal(t, want, reachable(addr))
	}
}

// Keys, headers and errors come from callers: they can neither break a table nor control the terminal.
func TestTables(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &Commands{stdout: &out}
	parked := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	require.NoError(t, deliveryTable().write(c, []admin.Delivery{
		{EventID: "1", Topic: "lamp.sold", Key: "a\tb\x1b[2J", State: "dead", Attempts: 3, Error: strings.Repeat("é", 70)},
		{EventID: "2", Topic: "lamp.sold", Subscription: "mail", State: "pending", ParkedUntil: parked},
	}, false))
	require.Equal(t, `EVENT  TOPIC      KEY      SUBSCRIPTION  STATE                              ATTEMPTS  PUBLISHED  ERROR
1      lamp.sold  a·b·[2J  -             dead                               3         -          `+strings.Repeat("é", 59)+`…
2      lamp.sold  -        mail          parked until 2026-01-31T12:00:00Z  0         -          -
`, out.String())
	out.Reset()
	require.NoError(t, actionTable().write(c, nil, true))
	require.Equal(t, "[]\n", out.String())
}

// The graph is drawn from the manifest alone.
func TestGraphOfAManifest(t *testing.T) {
	t.Parallel()
	m := manifest.Service{
		Domains: []manifest.Domain{
			{Name: "shop", Plugins: []manifest.Plugin{{Name: "shop.sell", Source: "sell.go:1", Needs: []string{"*gorm.DB"}}}},
			{Plugins: []manifest.Plugin{{Name: "stray", Source: "stray.go:1"}}},
		},
		Endpoints: []manifest.Endpoint{{Method: "POST", Path: "/sales", Plugin: "shop.sell"}},
		Events: manifest.Events{
			Publications:  []manifest.Publication{{Topic: "lamp.sold", Plugin: "shop.sell"}},
			Subscriptions: []manifest.Subscription{{Topic: "lamp.sold", Plugin: "stray"}},
			Answers:       []manifest.Answer{{Topic: "lamp.price", Plugin: "stray"}},
			Schedules:     []manifest.Schedule{{Spec: "@daily", Subscription: manifest.Subscription{Plugin: "stray"}}},
		},
	}
	require.Equal(t, `digraph "plugboard" {
	rankdir=LR;
	graph [compound=true];
	node [fontname="sans-serif"];
	subgraph "cluster_domain_shop" {
		label="shop";
		"plugin:shop.sell" [shape=component label="shop.sell" tooltip="sell.go:1"];
	}
	"plugin:shop.sell" -> "*gorm.DB" [style=dashed];
		"plugin:stray" [shape=component label="stray" tooltip="stray.go:1"];
	"route:POST /sales" [shape=box style=rounded label="POST /sales"];
	"route:POST /sales" -> "plugin:shop.sell";
	"topic:lamp.sold" [shape=cds label="lamp.sold"];
	"plugin:shop.sell" -> "topic:lamp.sold";
	"topic:lamp.sold" [shape=cds label="lamp.sold"];
	"topic:lamp.sold" -> "plugin:stray";
	"schedule:stray @daily" [shape=note label="@daily"];
	"schedule:stray @daily" -> "plugin:stray";
	"topic:lamp.price" [shape=cds label="lamp.price"];
	"topic:lamp.price" -> "plugin:stray" [style=dotted];
	subgraph cluster_fx {
		label="Fx";
		a -> b;
	}
}
`, graphOf(m, fx.DotGraph("digraph {\nrankdir=RL;\n\ta -> b;\n}\n")))
}
