package main

import (
	"io/fs"
	"os/exec"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// pluginFiles returns the plugin files of all domains.
func pluginFiles(t *testing.T, tree fs.FS) []string {
	t.Helper()
	var found []string
	for _, name := range files(t, tree, ".go") {
		ok, err := path.Match("domains/*/plugins/*.go", name)
		require.NoError(t, err)
		if ok && path.Base(name) != "doc.go" && !strings.HasSuffix(name, "_test.go") {
			found = append(found, name)
		}
	}
	return found
}

// checkTested finds plugins without a test. The shape of plugin files, their imports and their place in the list are
// rules of plug lint.
func checkTested(t *testing.T, tree fs.FS) []string {
	t.Helper()
	var problems []string
	for _, name := range pluginFiles(t, tree) {
		test := strings.TrimSuffix(name, ".go") + "_test.go"
		if _, err := fs.Stat(tree, test); err != nil {
			problems = append(problems, name+": the plugin has no test; write "+path.Base(test))
		}
	}
	return problems
}

func TestPluginsAreTested(t *testing.T) {
	t.Parallel()
	require.NotEmpty(t, pluginFiles(t, repository()))
	require.Empty(t, checkTested(t, repository()))

	planted := fstest.MapFS{"domains/a/plugins/b.go": {}, "domains/a/plugins/c.go": {}, "domains/a/plugins/c_test.go": {}}
	require.Equal(t, []string{"domains/a/plugins/b.go: the plugin has no test; write b_test.go"}, checkTested(t, planted))
}

// The rules of plug lint hold; its own tests see each of them fail.
func TestRulesHold(t *testing.T) {
	t.Parallel()
	output, err := exec.CommandContext(t.Context(), "go", "tool", "plug", "lint", "./...").CombinedOutput()
	require.NoError(t, err, string(output))
}

// The customer's page is about 55 lines; the plugin that follows it step for step stays near it.
func TestCreateProductFitsOnAPage(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(read(t, repository(), "domains/products/plugins/create_product.go")), "\n")
	count := 0
	for _, line := range lines {
		if line != "//" && !strings.HasPrefix(line, "//\t@") {
			count++
		}
	}
	require.LessOrEqual(t, count, 90)
	t.Logf("%d lines", count)
}
