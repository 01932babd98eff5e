package scaffold_test

import (
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/plug/scaffold"
)

// emptySite writes a module that requires a host, and has no domain yet. It returns what [scaffold.New] takes.
func emptySite(t *testing.T, host, main string) scaffold.Site {
	t.Helper()
	dir, hosts := t.TempDir(), t.TempDir()
	add(t, dir, map[string]string{"go.mod": "module example.org/shop\n\nrequire (\n\tgo.uber.org/fx v1.0.0\n\tgo.uber.org/zap v1.0.0 // indirect\n)\n", "main.go": main})
	add(t, hosts, map[string]string{"infra/eventbus/internal/store/migrations/sqlite/00001_bus.sql": "CREATE TABLE letters (id INTEGER);\n"})
	return scaffold.Site{Dir: dir, Contract: host + "/app", Host: hosts}
}

const siteMain = `// Command shop runs the service.
package main

import (
	"go.uber.org/fx"

	"example.com/host/infra/host"

	"example.org/shop/docs"
)

// modules is the application.
var modules = fx.Options(
	host.Infra,
	host.Spec(docs.Spec),
)

func main() { host.Main(modules) }
`

// The first domain of a service has an import in the group of the service's own and stands apart from the host's
// parts; the next ones follow.
func TestNewFirstDomain(t *testing.T) {
	t.Parallel()
	site := emptySite(t, "example.com/host", siteMain)
	for _, domain := range []string{"orders", "baskets"} {
		_, err := scaffold.New(site, scaffold.Plugin{Domain: domain, Name: "make_" + domain, Kind: "endpoint"})
		require.NoError(t, err)
	}
	want := strings.Replace(siteMain, "\t\"example.org/shop/docs\"\n", "\t\"example.org/shop/docs\"\n\t\"example.org/shop/domains/baskets\"\n\t\"example.org/shop/domains/orders\"\n", 1)
	want = strings.Replace(want, "docs.Spec),\n", "docs.Spec),\n\n\torders.Module,\n\tbaskets.Module,\n", 1)
	require.Equal(t, want, read(t, site.Dir, "main.go"))
	require.Contains(t, read(t, site.Dir, "domains/orders/orders.go"),
		"import (\n\t\"example.com/host/app\"\n\n\t\"example.org/shop/domains/orders/migrations\"\n\t\"example.org/shop/domains/orders/models\"\n")
	require.Contains(t, read(t, site.Dir, "domains/orders/plugins/make_orders.go"), "\t\"go.uber.org/zap\"\n\n\t\"example.com/host/app\"\n)\n")
}

// However main.go writes its imports and its list, the first domain finds its place.
func TestNewFirstDomainInOtherForms(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ main, want string }{
		"a list on one line": {
			"package main\n\nimport (\n\t\"go.uber.org/fx\"\n\t\"h.test/host\"\n)\n\nvar modules = fx.Options(host.Infra, host.Spec(nil))\n",
			"package main\n\nimport (\n\t\"go.uber.org/fx\"\n\t\"h.test/host\"\n\n\t\"example.org/shop/domains/orders\"\n)\n\nvar modules = fx.Options(\n\thost.Infra,\n\thost.Spec(nil),\n\n\torders.Module,\n)\n",
		},
		"an empty list": {
			"package main\n\nimport \"go.uber.org/fx\"\n\nvar modules = fx.Options()\n",
			"package main\n\nimport (\n\t\"go.uber.org/fx\"\n\n\t\"example.org/shop/domains/orders\"\n)\n\nvar modules = fx.Options(\n\torders.Module,\n)\n",
		},
		"imports one by one": {
			"package main\n\nimport \"example.org/shop/docs\"\nimport \"go.uber.org/fx\"\n\nvar modules = fx.Options(\n\tdocs.Part,\n)\n",
			"package main\n\nimport \"example.org/shop/docs\"\nimport (\n\t\"go.uber.org/fx\"\n\n\t\"example.org/shop/domains/orders\"\n)\n\nvar modules = fx.Options(\n\tdocs.Part,\n\n\torders.Module,\n)\n",
		},
		"domains in a group of their own": {
			"package main\n\nimport (\n\t\"example.org/shop/domains/things\"\n\n\t\"example.org/shop/docs\"\n)\n\nvar modules = fx.Options(\n\tthings.Module,\n)\n",
			"package main\n\nimport (\n\t\"example.org/shop/domains/orders\"\n\t\"example.org/shop/domains/things\"\n\n\t\"example.org/shop/docs\"\n)\n\nvar modules = fx.Options(\n\tthings.Module,\n\torders.Module,\n)\n",
		},
		"groups that are not sorted": {
			"package main\n\nimport (\n\t\"example.org/shop/tools\" // the tools\n\t\"example.org/shop/docs\"\n\n\t\"go.uber.org/fx\"\n)\n\nvar modules = fx.Options(\n\tdocs.Part,\n)\n",
			"package main\n\nimport (\n\t\"example.org/shop/docs\"\n\t\"example.org/shop/domains/orders\"\n\t\"example.org/shop/tools\" // the tools\n\n\t\"go.uber.org/fx\"\n)\n\nvar modules = fx.Options(\n\tdocs.Part,\n\n\torders.Module,\n)\n",
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			site := emptySite(t, "h.test/host", c.main)
			_, err := scaffold.New(site, scaffold.Plugin{Domain: "orders", Name: "place_order", Kind: "endpoint"})
			require.NoError(t, err)
			require.Equal(t, c.want, read(t, site.Dir, "main.go"))
		})
	}
}

func TestNewWhereMainIsNotUnderstood(t *testing.T) {
	t.Parallel()
	for main, want := range map[string]string{
		"package main\n\nfunc main() {}\n":                                              "add orders to main.go: there is no variable made with fx.Options(…)",
		"package main\n\nvar modules = fx.Options()\n":                                  "add orders to main.go: it imports nothing",
		"package main\n\nvar modules = fx.Options(\n\tx.Y, z.Z)\n":                      "its list must have one entry a line",
		"package main\n\nimport \"fx\"\n\nvar m = fx.Options(\n\torders.Module,\n)\n":   "orders.Module is in its list already",
		"package main\n\nimport \"fx\"\n\nvar modules = fx.Options(\n\tx.Module,\n)\n)": "add orders to main.go: parse",
	} {
		site := emptySite(t, "h.test/host", main)
		before := count(t, site.Dir)
		_, err := scaffold.New(site, scaffold.Plugin{Domain: "orders", Name: "place_order", Kind: "endpoint"})
		require.ErrorContains(t, err, want)
		require.Equal(t, before, count(t, site.Dir))
	}
}

// Whatever the paths of host and service are, and whatever kind of plugin is made, the imports stand in order.
func TestNewSortsImports(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"plugboard", "a.test/host", "example.org/shop", "example.org/shopkeeper", "zzz.test/host/v2"} {
		site := emptySite(t, host, strings.ReplaceAll(siteMain, "example.com/host", host))
		for _, kind := range scaffold.Kinds() {
			for _, method := range []string{"", "PUT"} {
				p := scaffold.Plugin{Domain: "orders", Name: kind.Name + "_order" + strings.ToLower(method), Kind: kind.Name}
				switch kind.Name {
				case "list":
				case "subscriber":
					p.Topic, p.Ahead = "order.paid", true
				case "responder", "schedule":
				default:
					p.Method = method
				}
				_, err := scaffold.New(site, p)
				require.NoError(t, err)
			}
		}
		files, err := filepath.Glob(filepath.Join(site.Dir, "domains/orders/*.go"))
		require.NoError(t, err)
		plugins, err := filepath.Glob(filepath.Join(site.Dir, "domains/orders/plugins/*.go"))
		require.NoError(t, err)
		require.Len(t, plugins, 1+2*2*len(scaffold.Kinds()))
		for _, file := range append(files, plugins...) {
			checkImports(t, host, file)
		}
	}
}

// checkImports fails the test unless the file's imports are sorted, in the groups of the standard library, others, the
// host and the service.
func checkImports(t *testing.T, host, name string) {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	formatted, err := format.Source(text)
	require.NoError(t, err)
	require.Equal(t, string(formatted), string(text), name)
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ImportsOnly)
	require.NoError(t, err)
	group := func(path string) int {
		switch {
		case strings.HasPrefix(path, "example.org/shop/"):
			return 4
		case strings.HasPrefix(path, host+"/"):
			return 3
		case strings.Contains(path, "."):
			return 2
		}
		return 1
	}
	var lines []string
	last := 0
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		lines = append(lines, strconv.Itoa(group(path))+" "+path)
		line := fset.Position(spec.Pos()).Line
		if n := len(lines); n > 1 {
			require.Equal(t, lines[n-1][:1] != lines[n-2][:1], line == last+2, "%s: %s", name, path)
		}
		last = line
	}
	require.True(t, slices.IsSorted(lines), "%s: %s", name, lines)
}

// The tables of the host are those of another module.
func TestNewKnowsTheTablesOfTheHost(t *testing.T) {
	t.Parallel()
	site := emptySite(t, "example.com/host", siteMain)
	_, err := scaffold.New(site, scaffold.Plugin{Domain: "letters", Name: "send", Kind: "endpoint"})
	require.EqualError(t, err, "the domain's table would be called letters, which the host's infra/eventbus/internal/store/migrations/sqlite/00001_bus.sql makes already; take another name")
	site.Host = t.TempDir()
	_, err = scaffold.New(site, scaffold.Plugin{Domain: "letters", Name: "send", Kind: "endpoint"})
	require.ErrorContains(t, err, "look for the host's tables")
}

// Imports of a module that go.mod does not require directly need "go mod tidy".
func TestUntidy(t *testing.T) {
	t.Parallel()
	site := emptySite(t, "example.com/host", siteMain)
	add(t, site.Dir, map[string]string{
		"a.go": "package a\n\nimport (\n\t\"context\"\n\t\"example.org/shop/docs\"\n\t\"go.uber.org/fx/fxtest\"\n)\n",
		"b.go": "package a\n\nimport \"go.uber.org/zap\"\n",
	})
	untidy, err := scaffold.Untidy(site.Dir, []string{"a.go", "x.sql"})
	require.NoError(t, err)
	require.False(t, untidy)
	untidy, err = scaffold.Untidy(site.Dir, []string{"a.go", "b.go"})
	require.NoError(t, err)
	require.True(t, untidy, "zap is there, and not directly")
	_, err = scaffold.Untidy(site.Dir, []string{"c.go"})
	require.Error(t, err)
	_, err = scaffold.Untidy(t.TempDir(), nil)
	require.ErrorContains(t, err, "read go.mod")
}
