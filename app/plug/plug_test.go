package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// project is a copy of this repository, in which commands are run.
type project struct {
	t    *testing.T
	dir  string
	plug string
}

// copyOf copies the sources of this repository to a folder of the test's.
func copyOf(t *testing.T) project {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a copy of the project")
	}
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	p := project{t: t, dir: t.TempDir(), plug: filepath.Join(t.TempDir(), "plug")}
	skip := []string{".git", ".cache", "bin", "data", "docs/benchmarks"}
	require.NoError(t, os.CopyFS(p.dir, only{os.DirFS(root), skip}))
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", p.plug, ".")
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))
	return p
}

// run runs a command in the copy and returns what it prints. Paths are trimmed, so that what one run has compiled
// serves the next.
func (p project) run(name string, args ...string) (string, error) {
	cmd := exec.CommandContext(p.t.Context(), name, args...)
	cmd.Dir = p.dir
	cmd.Env = append(slices.Clone(os.Environ()), "GOFLAGS=-trimpath", "GOWORK=off")
	output, err := cmd.CombinedOutput()
	return string(output), err
}

func (p project) must(name string, args ...string) {
	p.t.Helper()
	output, err := p.run(name, args...)
	require.NoError(p.t, err, "%s %s\n%s", name, strings.Join(args, " "), output)
}

func (p project) fails(want, name string, args ...string) {
	p.t.Helper()
	output, err := p.run(name, args...)
	require.Error(p.t, err, "%s %s\n%s", name, strings.Join(args, " "), output)
	require.Contains(p.t, output, want)
}

// replace changes a file of the copy, and returns what changes it back.
func (p project) replace(file, old, with string) (back func()) {
	p.t.Helper()
	path := filepath.Join(p.dir, file)
	text, err := os.ReadFile(path)
	require.NoError(p.t, err)
	require.Contains(p.t, string(text), old)
	require.NoError(p.t, os.WriteFile(path, []byte(strings.Replace(string(text), old, with, 1)), 0o600))
	return func() { require.NoError(p.t, os.WriteFile(path, text, 0o600)) }
}

// What plug makes compiles, answers, keeps the rules and is in the documentation, with no file edited by hand.
func TestScaffoldedPluginsHold(t *testing.T) {
	t.Parallel()
	p := copyOf(t)
	p.must(p.plug, "new", "products/archive_product")
	p.must(p.plug, "new", "orders/place_order", "--path", "/orders/:id/place", "--method", "put")
	p.must(p.plug, "new", "--kind", "cpu", "orders/hash_order")
	p.must(p.plug, "new", "audit/note_sale", "--kind", "subscriber", "--topic", "product.created")
	p.fails("is there already", p.plug, "new", "products/archive_product")

	p.fails("are stale: run make docs", p.plug, "annotate", "-check")
	p.must(p.plug, "annotate")
	p.must("go", "tool", "swag", "init", "--quiet", "--dir", "docs,domains,app", "--generalInfo", "docs.go", "--outputTypes", "json,yaml", "--output", "docs")
	p.must(p.plug, "annotate", "-check")
	description, err := os.ReadFile(filepath.Join(p.dir, "docs/swagger.json"))
	require.NoError(t, err)
	for _, want := range []string{`"/products/archive-product"`, `"/orders/{id}/place"`, `"/orders/hash-order"`, `"orders.place_order"`} {
		require.Contains(t, string(description), want)
	}

	p.must(p.plug, "lint", "./...")
	p.must("go", "test", "-run", "Test(ArchiveProduct|PlaceOrder|HashOrder|NoteSale)", "./domains/...")
	p.must("go", "test", "-run", "Test(DocumentationEqualsRoutes|ModulesFitTogether|PluginsAreTested|EventsAreDocumented|ModelsEqualTables)", ".")

	back := p.replace("domains/orders/plugins/place_order.go", "\tapp.Logger", "\tgo app.Logger(ctx, p.logger).Sync() //nolint:errcheck // planted\n\tapp.Logger")
	p.fails("nobody stops this goroutine", p.plug, "lint", "./domains/orders/...")
	back()
	back = p.replace("domains/audit/plugins/note_sale.go", `"product.created" }`, `"product.gone" }`)
	p.fails("subscribes to product.gone, which nobody publishes", p.plug, "lint", ".", "./domains/...")
	back()
	p.replace("domains/orders/plugins/place_order.go", `app.Tags("Orders")`, `app.Tags("Orders"), app.Fails(app.NotFound)`)
	p.fails("domains/orders/plugins/place_order.go are stale", p.plug, "annotate", "-check")
}

// A team makes the project theirs by one command; the rules hold under the new name.
func TestAdoptedProjectHolds(t *testing.T) {
	t.Parallel()
	p := copyOf(t)
	p.must(p.plug, "adopt", "example.org/acme/shop")
	p.must("go", "vet", ".", "./domains/...", "./app/plug/...")
	p.must(p.plug, "new", "things/make_thing")
	p.must(p.plug, "annotate")
	p.must(p.plug, "lint", "./...")
	output, err := p.run("grep", "-rnE", `"plugboard/(app|config|docs|domains|infra)`, "--include=*.go", "--include=*.md", ".")
	require.Error(t, err, output)
	back := p.replace("domains/things/plugins/make_thing.go", `"example.org/acme/shop/app"`, "\"example.org/acme/shop/app\"\n\t_ \"example.org/acme/shop/domains/products\"")
	p.fails("a domain never imports another", p.plug, "lint", "./domains/things/...")
	back()
}

func TestUsage(t *testing.T) {
	t.Parallel()
	plug := filepath.Join(t.TempDir(), "plug")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", plug, ".").CombinedOutput()
	require.NoError(t, err, string(output))
	for _, c := range []struct{ args, want string }{
		{"", "there is no command to carry out"},
		{"make", `there is no command "make"`},
		{"new", "new takes the plugin's name"},
		{"new a/b c/d", "new takes the plugin's name"},
		{"new --colour red a/b", "flag provided but not defined: -colour"},
		{"adopt", "adopt takes the new path of the module"},
		{"annotate -force", "annotate takes -check or nothing"},
	} {
		output, err := exec.CommandContext(t.Context(), plug, strings.Fields(c.args)...).CombinedOutput()
		require.Error(t, err, c.args)
		require.Contains(t, string(output), c.want)
	}
	output, err = exec.CommandContext(t.Context(), plug, "help").CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(output), "usage: go tool plug")
}
