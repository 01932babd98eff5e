package extract_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/plug/extract"
	"plugboard/app/plug/site"
)

// clone is a git repository with the host's files, below a clone's own commits.
type clone struct {
	t   *testing.T
	dir string
}

func newClone(t *testing.T) clone {
	t.Helper()
	c := clone{t: t, dir: t.TempDir()}
	c.git("init", "-q", "-b", "main")
	c.write(map[string]string{
		"go.mod": "module host\n\ngo 1.26\n", "go.sum": "", ".gitignore": "/coverage\n", "Makefile": "run:\n", "README.md": "# Host\n", ".ci/run": "#!/bin/sh\n",
		"main.go": `// Command host runs the service.
package main

import (
	"go.uber.org/fx"

	"host/docs"
	"host/domains/audit"
	"host/domains/products"
	"host/infra/database"
	"host/infra/host"
	"host/infra/httpserver"
	"host/infra/logging"
)

var modules = fx.Options(
	logging.Module,
	database.Module, // where the rows are
	httpserver.Module,
	httpserver.Spec(docs.Spec),

	products.Module,
	audit.Module,
)

func main() { host.Main(modules) }
`,
		"main_test.go":                       "package main\n",
		"app/app.go":                         "package app\n",
		"docs/docs.go":                       "package docs\n",
		"docs/openapi.json":                  "{}",
		"infra/httpserver/server.go":         "package httpserver\n",
		"infra/host/host.go":                 "package host\n",
		"deployments/compose.yaml":           "services: {}\n",
		"deployments/test-postgres.sh":       "#!/bin/sh\n",
		"domains/products/products.go":       "package products\n\nimport \"host/app\"\n",
		"domains/audit/audit.go":             "package audit\n\nimport \"host/app\"\n",
		"domains/products/plugins/plugin.go": "package plugins\n",
	})
	c.commit("the host")
	return c
}

func (c clone) write(files map[string]string) {
	c.t.Helper()
	for name, text := range files {
		name = filepath.Join(c.dir, filepath.FromSlash(name))
		require.NoError(c.t, os.MkdirAll(filepath.Dir(name), 0o750))
		require.NoError(c.t, os.WriteFile(name, []byte(text), 0o600))
	}
}

func (c clone) read(name string) string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, filepath.FromSlash(name)))
	require.NoError(c.t, err)
	return string(text)
}

func (c clone) git(args ...string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), "git", args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org")
	output, err := cmd.CombinedOutput()
	require.NoError(c.t, err, string(output))
	return strings.TrimSpace(string(output))
}

func (c clone) commit(message string) {
	c.t.Helper()
	c.git("add", "-A")
	c.git("commit", "-qm", message)
}

func shop() site.Site {
	return site.Site{Module: "example.org/shop", Host: "example.com/host", Version: "v0.1.0"}
}

func (c clone) plan(base string) *extract.Service {
	c.t.Helper()
	v, err := extract.Plan(c.t.Context(), c.dir, base, shop(), []string{"products", "audit", "media"})
	require.NoError(c.t, err)
	return v
}

// What the clone added or changed stays, what is the host's goes, and what cannot be carried over is told.
func TestACloneBecomesAService(t *testing.T) {
	t.Parallel()
	c := newClone(t)
	base := c.git("rev-parse", "HEAD")
	c.write(map[string]string{
		"main.go": strings.NewReplacer("\t\"host/domains/products\"\n", "\t\"host/domains/orders\"\n\t\"host/domains/products\"\n\t\"host/infra/mailer\"\n",
			"\taudit.Module,\n", "\taudit.Module,\n\torders.Module,\n\tfx.Provide(mailer.New),\n").Replace(c.read("main.go")),
		"domains/orders/orders.go":         "// Package orders sells.\npackage orders\n\nimport (\n\t\"host/app\"\n\t\"host/domains/orders/plugins\"\n)\n\nvar _ = 1 // stays\n",
		"domains/orders/plugins/place.go":  "package plugins\n\nimport (\n\t_ \"host/app\"\n\t_ \"host/app/apptest\"\n\t_ \"host/infra/database\"\n)\n",
		"domains/products/plugins/new.go":  "package plugins\n",
		"infra/mailer/mailer.go":           "package mailer\n\nimport _ \"host/app\"\n",
		"infra/httpserver/ours.go":         "package httpserver\n",
		"infra/host/host.go":               "package host // changed\n",
		"deployments/kubernetes/shop.yaml": "kind: Deployment\n",
		"README.md":                        "# Shop\n",
		"docs/handbook.md":                 "Ours.\n",
		"docs/openapi.json":                "{\"changed\":true}",
		"scripts/import.sh":                "#!/bin/sh\n",
	})
	c.commit("ours")

	v := c.plan(base)
	require.Equal(t, []string{"orders", "products"}, v.Own)
	require.Equal(t, []string{"audit"}, v.Hosted)
	require.Equal(t, []string{"infra/host/host.go", "infra/httpserver/ours.go"}, v.Edits)
	left, err := v.Write()
	require.NoError(t, err)
	require.Equal(t, []string{"domains/orders/plugins/place.go imports infra/database of the host, which may change in any release"}, left)

	require.Equal(t, `// Command host runs the service.
package main

import (
	"go.uber.org/fx"

	"example.com/host/domains/audit"
	"example.com/host/infra/host"
	"example.org/shop/docs"
	"example.org/shop/domains/orders"
	"example.org/shop/domains/products"
	"example.org/shop/infra/mailer"
)

var modules = fx.Options(
	host.Infra,
	host.Spec(docs.Spec),

	products.Module,
	audit.Module,
	orders.Module,
	fx.Provide(mailer.New),
)

func main() { host.Main(modules) }
`, c.read("main.go"))
	require.Equal(t, "// Package orders sells.\npackage orders\n\nimport (\n\t\"example.com/host/app\"\n\t\"example.org/shop/domains/orders/plugins\"\n)\n\nvar _ = 1 // stays\n",
		c.read("domains/orders/orders.go"))
	require.Contains(t, c.read("domains/orders/plugins/place.go"), `"example.com/host/app/apptest"`)
	require.Contains(t, c.read("infra/mailer/mailer.go"), `"example.com/host/app"`)
	require.Equal(t, "# Shop\n", c.read("README.md"))
	require.Equal(t, "/coverage\n", c.read(".gitignore"))
	require.Contains(t, c.read("Makefile"), "go tool plug")
	require.Contains(t, c.read("go.mod"), "require example.com/host v0.1.0")
	for _, stays := range []string{"docs/handbook.md", "scripts/import.sh", "deployments/compose.yaml", "deployments/kubernetes/shop.yaml", "docs/docs.go"} {
		require.FileExists(t, filepath.Join(c.dir, filepath.FromSlash(stays)))
	}
	for _, gone := range []string{"app", "infra/host", "infra/httpserver", "domains/audit", "deployments/test-postgres.sh"} {
		require.NoFileExists(t, filepath.Join(c.dir, filepath.FromSlash(gone)))
		require.NoDirExists(t, filepath.Join(c.dir, filepath.FromSlash(gone)))
	}
}

// Another path of the module is no change: it is what plug adopt does.
func TestAClonesOtherPathIsNoChange(t *testing.T) {
	t.Parallel()
	c := newClone(t)
	base := c.git("rev-parse", "HEAD")
	for _, name := range []string{"go.mod", "main.go", "domains/products/products.go", "domains/audit/audit.go"} {
		text := strings.NewReplacer(`"host/`, `"example.net/zoo/`, "module host", "module example.net/zoo").Replace(c.read(name))
		c.write(map[string]string{name: text})
	}
	c.write(map[string]string{"domains/orders/orders.go": "package orders\n\nimport _ \"example.net/zoo/app\"\n"})
	c.commit("adopt")
	v := c.plan(base)
	require.Equal(t, []string{"orders"}, v.Own)
	require.Equal(t, []string{"audit", "products"}, v.Hosted)
	require.Empty(t, v.Edits)
	_, err := v.Write()
	require.NoError(t, err)
	require.Contains(t, c.read("domains/orders/orders.go"), `"example.com/host/app"`)
}

func TestNothingIsExtractedFromADirtyClone(t *testing.T) {
	t.Parallel()
	c := newClone(t)
	_, err := extract.Plan(t.Context(), c.dir, "nothing", shop(), nil)
	require.ErrorContains(t, err, "there is no commit nothing")
	c.write(map[string]string{"app/app.go": "package app // changed\n"})
	_, err = extract.Plan(t.Context(), c.dir, "HEAD", shop(), nil)
	require.ErrorContains(t, err, "changes that are not committed")
}

// What the service itself put into main.go stays, in whatever form the list is written.
func TestOwnPartsOfMainStay(t *testing.T) {
	t.Parallel()
	const head = "package main\n\nimport (\n\t\"go.uber.org/fx\"\n\n\t\"host/infra/database\"\n\tcommand \"host/infra/host\"\n\t\"host/infra/logging\"\n)\n\n"
	const tail = "\nfunc main() { command.Main(modules) }\n"
	const wanted = "package main\n\nimport (\n\t\"go.uber.org/fx\"\n\n\t\"example.com/host/infra/host\"\n)\n\n"
	for list, want := range map[string]string{
		"var modules = fx.Options(logging.Module, database.Module, fx.Invoke(openVault))\n":                                                       "var modules = fx.Options(host.Infra, fx.Invoke(openVault))\n",
		"var modules = fx.Options(\n\tdatabase.Module, fx.Invoke(openVault), // ours\n\tlogging.Module, // the log\n\tfx.Provide(newVault),\n)\n": "var modules = fx.Options(\n\thost.Infra, fx.Invoke(openVault), // ours\n\tfx.Provide(newVault),\n)\n",
		"var infra = fx.Options(logging.Module)\n\nvar modules = fx.Options(\n\tinfra,\n\tfx.Invoke(openVault), database.Module,\n)\n":            "var infra = fx.Options(host.Infra)\n\nvar modules = fx.Options(\n\tinfra,\n\tfx.Invoke(openVault),\n)\n",
	} {
		c := newClone(t)
		base := c.git("rev-parse", "HEAD")
		c.write(map[string]string{"main.go": head + list + tail})
		c.commit("ours")
		_, err := c.plan(base).Write()
		require.NoError(t, err, list)
		require.Equal(t, wanted+want+"\nfunc main() { host.Main(modules) }\n", c.read("main.go"), list)
	}
	c := newClone(t)
	base := c.git("rev-parse", "HEAD")
	c.write(map[string]string{"main.go": head + "var modules = logging.Module\n\nvar _ = database.Module\n" + tail})
	c.commit("ours")
	_, err := c.plan(base).Write()
	require.ErrorContains(t, err, "main.go:11: logging.Module stands outside of a list")
	require.FileExists(t, filepath.Join(c.dir, "app", "app.go"))
	require.Empty(t, c.git("status", "--porcelain"))
}

func TestRequirementsOfTheCloneStay(t *testing.T) {
	t.Parallel()
	c := newClone(t)
	base := c.git("rev-parse", "HEAD")
	c.write(map[string]string{
		"go.mod":                      "module host\n\ngo 1.26\n\nrequire example.net/id v1.5.0\n\nreplace example.net/id => example.net/id v1.4.0\n",
		"domains/audit/testdata/prüf": "ours", ".gitignore": "/secret\n",
	})
	require.NoError(t, os.Symlink("../app/app.go", filepath.Join(c.dir, "docs", "contract")))
	outside := filepath.Join(t.TempDir(), "outside.go")
	const text = "package audit\n\nimport _ \"host/app\"\n"
	require.NoError(t, os.WriteFile(outside, []byte(text), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(c.dir, "domains", "audit", "outside.go")))
	c.commit("ours")
	v := c.plan(base)
	require.Equal(t, []string{"audit"}, v.Own)
	_, err := v.Write()
	require.NoError(t, err)
	require.Contains(t, c.read("go.mod"), "example.net/id v1.5.0")
	require.Contains(t, c.read("go.mod"), "replace example.net/id => example.net/id v1.4.0")
	require.Equal(t, "/secret\n", c.read(".gitignore"))
	to, err := os.Readlink(filepath.Join(c.dir, "docs", "contract"))
	require.NoError(t, err)
	require.Equal(t, "../app/app.go", to)
	after, err := os.ReadFile(outside)
	require.NoError(t, err)
	require.Equal(t, text, string(after), "what a link leads to is not the clone's")
}

// What git was told not to look at may have changes that are nowhere else.
func TestHiddenChangesAreNotLost(t *testing.T) {
	t.Parallel()
	c := newClone(t)
	base := c.git("rev-parse", "HEAD")
	c.write(map[string]string{"domains/orders/orders.go": "package orders\n"})
	c.commit("ours")
	c.git("update-index", "--assume-unchanged", "app/app.go")
	_, err := extract.Plan(t.Context(), c.dir, base, shop(), nil)
	require.ErrorContains(t, err, "git does not look at app/app.go")
}

// By another commit than the host's last, what is the service's cannot be told from what is the host's.
func TestTheBaseIsACommitBefore(t *testing.T) {
	t.Parallel()
	c := newClone(t)
	c.git("checkout", "-q", "-b", "other")
	c.write(map[string]string{"domains/media/media.go": "package media\n"})
	c.commit("elsewhere")
	c.git("checkout", "-q", "main")
	c.write(map[string]string{"domains/orders/orders.go": "package orders\n"})
	c.commit("ours")
	for _, base := range []string{"HEAD", "other"} {
		_, err := extract.Plan(t.Context(), c.dir, base, shop(), nil)
		require.ErrorContains(t, err, base+" is no commit before the present one", base)
	}
}
