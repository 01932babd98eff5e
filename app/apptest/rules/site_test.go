package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
	"golang.org/x/tools/txtar"

	plugdocs "plugboard/app/plug/docs"
	plug "plugboard/app/plug/site"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/openapi"
)

// shop is a service in a module of its own, which requires that of the host.
type shop struct {
	t      *testing.T
	folder string
}

// newShop writes the service of testdata/site.txtar with its documents. A change may be made to it before the documents are written.
func newShop(t *testing.T, change func(*shop)) *shop {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a service")
	}
	s := &shop{t, t.TempDir()}
	archive, err := txtar.ParseFile("testdata/site.txtar")
	require.NoError(t, err)
	for _, f := range archive.Files {
		s.write(f.Name, strings.ReplaceAll(string(f.Data), "{{host}}", plug.Host()))
	}
	s.writeModule()
	change(s)
	service, err := manifest.Parse([]byte(s.must("run", ".", "describe")))
	require.NoError(t, err)
	document, err := openapi.Write(service, openapi.About{Info: openapi.Info{Title: "Shop", Version: "1"}}, wordless{})
	require.NoError(t, err)
	s.write("docs/openapi.json", string(document))
	events, err := plugdocs.AsyncAPI(service, plugdocs.Info{Title: "Shop", Version: "1"}, func(string, string) string { return "" })
	require.NoError(t, err)
	s.write("docs/asyncapi.yaml", string(events))
	return s
}

// writeModule writes a go.mod that requires the host from this folder, and everything else as the host does.
func (s *shop) writeModule() {
	root, err := filepath.Abs("../../..")
	require.NoError(s.t, err)
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(s.t, err)
	mod, err := modfile.Parse("go.mod", text, nil)
	require.NoError(s.t, err)
	require.NoError(s.t, mod.AddModuleStmt("example.org/shop"))
	require.NoError(s.t, mod.AddRequire(plug.Host(), "v0.0.0"))
	require.NoError(s.t, mod.AddReplace(plug.Host(), "", root, ""))
	for _, tool := range mod.Tool {
		require.NoError(s.t, mod.DropTool(tool.Path))
	}
	text, err = mod.Format()
	require.NoError(s.t, err)
	s.write("go.mod", string(text))
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(s.t, err)
	s.write("go.sum", string(sums))
}

func (s *shop) write(name, text string) {
	s.t.Helper()
	file := filepath.Join(s.folder, filepath.FromSlash(name))
	require.NoError(s.t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(s.t, os.WriteFile(file, []byte(text), 0o600))
}

// replace changes a file, in which old must stand.
func (s *shop) replace(name, old, with string) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.folder, filepath.FromSlash(name)))
	require.NoError(s.t, err)
	require.Contains(s.t, string(text), old)
	s.write(name, strings.ReplaceAll(string(text), old, with))
}

// run runs the go command in the service's folder.
func (s *shop) run(arguments ...string) (string, error) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "go", arguments...)
	cmd.Dir = s.folder
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	output, err := cmd.CombinedOutput()
	return string(output), err
}

func (s *shop) must(arguments ...string) string {
	s.t.Helper()
	output, err := s.run(arguments...)
	require.NoError(s.t, err, output)
	return output
}

// A service in a module of its own keeps the rules as this one does; and each rule sees what is planted in it.
func TestRulesOfAServiceInItsOwnModule(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(*shop) {})
	held := s.must("test", "-vet=off", "-v", "./...")
	require.Contains(t, held, "switched off: nobody draws it")
	require.Contains(t, held, "prepared: true")
	require.Contains(t, held, "--- PASS: TestRules/requests/orders.place_order")
	require.Contains(t, held, "--- PASS: TestPlaceOrder")

	s.replace("main_test.go", `rules.Without("architecture", "nobody draws it")`, `rules.Without("modules", "")`)
	text, err := s.run("test", "-vet=off", ".")
	require.Error(t, err)
	require.Contains(t, text, "has no reason; say why the rule does not hold here")

	s.replace("main_test.go", "rules.AllReached(),", "")
	s.replace("main_test.go", `rules.Without("modules", "")`, "")
	s.breakRules()
	text, err = s.run("test", "-vet=off", ".")
	require.Error(t, err)
	for _, r := range all() {
		require.Contains(t, text, "--- FAIL: TestRules/"+r.name, text)
	}
	for _, want := range []string{
		"domains/orders/plugins/lost_order.go: its plugin is not registered", "domains/orders/plugins/lost_order.go: the plugin has no test",
		"field Amount not null: false, column amount: true", "statuses: registered [201], described [200]", "answered 201, which is not described",
		"docs/asyncapi.yaml does not say: orders.count_orders hears order.placed", "docs/architecture.md has no row",
		"GET /metrics as nobody: answered 200, and it is no endpoint", "domains/orders/plugins/lost_order.go:5:", "deployments/shop.env:1 names the setting APP_HTTP_ADRR", "the service links testing,",
	} {
		require.Contains(t, text, want)
	}
}

// A service keeps the rules from its first day on: before it has a domain.
func TestRulesOfAServiceWithoutDomains(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *shop) {
		require.NoError(t, os.RemoveAll(filepath.Join(s.folder, "domains")))
		require.NoError(t, os.RemoveAll(filepath.Join(s.folder, "deployments")))
		s.replace("main.go", "\t\"example.org/shop/domains/orders\"\n", "")
		s.replace("main.go", "\torders.Module,\n", "")
		s.replace("main_test.go", `rules.Without("architecture", "nobody draws it")`, "")
	})
	s.must("test", "-vet=off", ".")
	require.NoError(t, os.Remove(filepath.Join(s.folder, "docs", "asyncapi.yaml")))
	s.must("test", "-vet=off", "-run", "TestRules/events", ".")
}

// breakRules breaks each rule once.
func (s *shop) breakRules() {
	s.t.Helper()
	s.write("domains/orders/plugins/lost_order.go", `package plugins

import (
	"context"
	"os"

	"`+plug.Host()+`/app"
)

// LostOrder is listed nowhere.
var LostOrder = app.Plugin[*LostOrderPlugin]("orders.lost_order", NewLostOrderPlugin)

// LostOrderPlugin does what no plugin may do.
type LostOrderPlugin struct{}

// NewLostOrderPlugin makes the plugin.
func NewLostOrderPlugin() *LostOrderPlugin { return &LostOrderPlugin{} }

// OnBoot registers the endpoint.
func (p *LostOrderPlugin) OnBoot(b *app.Boot) { b.GET("/lost", app.Handle(p.Execute)) }

// Execute reads a file.
func (p *LostOrderPlugin) Execute(context.Context, app.Empty) (app.Empty, error) {
	_, err := os.ReadFile("lost")
	return app.Empty{}, err
}
`)
	s.replace("domains/orders/models/order.go", "`gorm:\"not null\"`", "")
	s.replace("docs/openapi.json", `"201"`, `"200"`)
	s.replace("docs/asyncapi.yaml", "x-durable: true", "x-durable: false")
	s.write("docs/architecture.md", eventsBegin+" -->\n"+eventsEnd+"\n")
	s.write("deployments/shop.env", "APP_HTTP_ADRR=127.0.0.1:8080\n")
	s.replace("main.go", "import (\n", "import (\n\t_ \"testing\"\n\n")
	s.replace("main.go", "\torders.Module,\n", "\torders.Module,\n\thost.Middleware(withMetrics),\n")
	s.write("metrics.go", `package main

import "net/http"

// withMetrics serves what is not for everybody.
func withMetrics(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("/metrics", func(http.ResponseWriter, *http.Request) {})
	return mux
}
`)
}
