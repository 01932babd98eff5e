package upgrade_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"plugboard/app/plug/upgrade"
)

const host = "example.org/host"

// files returns a set of files of testdata: "host" has renamed a declaration of each kind, "site" uses the old names in all ways,
// and "rewritten" is what the site's files become that are changed.
func files(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	require.NoError(t, err)
	return string(text)
}

// module puts a host and a site that requires it beside each other, and returns the site's folder.
func module(t *testing.T, site string) string {
	t.Helper()
	root := t.TempDir()
	for _, file := range txtar.Parse([]byte(files(t, "host") + site)).Files {
		put(t, filepath.Join(root, filepath.FromSlash(file.Name)), string(file.Data))
	}
	return filepath.Join(root, "site")
}

func put(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

// tree returns the contents of all files.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		all[name] = string(text)
		return err
	}))
	return all
}

func TestRewrite(t *testing.T) {
	t.Parallel()
	dir := module(t, files(t, "site"))
	want := tree(t, dir)
	var changed []string
	for _, file := range txtar.Parse([]byte(files(t, "rewritten"))).Files {
		changed = append(changed, file.Name)
		want[file.Name] = string(file.Data)
	}
	require.NoError(t, os.Chmod(filepath.Join(dir, "shop/shop.go"), 0o640))

	result, err := upgrade.Rewrite(t.Context(), dir, host)
	require.NoError(t, err)
	require.Equal(t, changed, result.Changed)
	require.Equal(t, want, tree(t, dir))
	require.Equal(t, left, result.Left)
	info, err := os.Stat(filepath.Join(dir, "shop/shop.go"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), info.Mode())
	vet := exec.CommandContext(t.Context(), "go", "vet", "./...")
	vet.Dir = dir
	out, err := vet.CombinedOutput()
	require.NoError(t, err, string(out))

	again, err := upgrade.Rewrite(t.Context(), dir, host)
	require.NoError(t, err)
	require.Empty(t, again.Changed)
	require.Equal(t, want, tree(t, dir))
}

// left is what is left for people in the site.
var left = []upgrade.Remark{
	{File: "shop/dot.go", Line: 9, Text: "Max is called Most now; here that is the name of something else, so rename it by hand"},
	{File: "shop/generated.go", Line: 7, Text: "Max is called Most now; the file is generated, so generate it again"},
	{File: "shop/left.go", Line: 12, Text: "app.Old is deprecated: it did nothing. Remove the call."},
	{File: "shop/left.go", Line: 13, Text: "Options.Quick is deprecated: everything is quick."},
	{File: "shop/left.go", Line: 14, Text: "Load is called Read now; here that is the name of something else, so rename it by hand"},
	{File: "shop/other.go", Line: 11, Text: "Max seems to be the host's, which is called Most now; the file is not built on this system, so rename it by hand"},
	{File: "shop/other.go", Line: 13, Text: "Get seems to be the host's, which is called Open now; the file is not built on this system, so rename it by hand"},
	{File: "shop/other.go", Line: 15, Text: "Value seems to be the host's, which is called Content now; the file is not built on this system, so rename it by hand"},
}

func TestRenames(t *testing.T) {
	t.Parallel()
	const pkg = host + "/app"
	renames, err := upgrade.Renames(t.Context(), module(t, files(t, "site")), host)
	require.NoError(t, err)
	require.Equal(t, []upgrade.Rename{
		{pkg, "", "Crate", "Box"},
		{pkg, "", "Default", "Standard"},
		{pkg, "", "InTx", "Within"},
		{pkg, "", "Loader", "Reader"},
		{pkg, "", "Map", "Convert"},
		{pkg, "", "Max", "Most"},
		{pkg, "Box", "Get", "Open"},
		{pkg, "Box", "Value", "Content"},
		{pkg, "Reader", "Load", "Read"},
	}, renames)
}

func TestNothingIsWritten(t *testing.T) {
	t.Parallel()
	const use = "\nimport \"example.org/host/app\"\n\nvar x = app.Max\n"
	for name, c := range map[string]struct{ files, problem string }{
		"does not compile": {"-- site/a/a.go --\npackage a\n" + use + "-- site/b/b.go --\npackage b\n\nvar x int = \"\"\n",
			"the module does not compile, so nothing was changed; mend this first (go vet ./... finds the same):\n  b/b.go:3:13: cannot use"},
		"test does not compile": {"-- site/a/a.go --\npackage a\n" + use + "-- site/a/a_test.go --\npackage a\n\nvar y = z\n", "a/a_test.go:3:9: undefined: z"},
		"no Go":                 {"-- site/a/a.go --\npackage a\n" + use + "-- site/b/b.go --\npackage\n", "b/b.go:"},
		"no such package":       {"-- site/a/a.go --\npackage a\n" + use + "-- site/b/b.go --\npackage b\n\nimport _ \"example.org/host/gone\"\n", "example.org/host/gone"},
		"host is not used":      {"-- site/a/a.go --\npackage a\n", "imports one of example.org/host"},
		"two fields of a name": {"-- site/a/a.go --\npackage a\n" + use + "\ntype T struct {\n\tapp.Loader\n\tReader int\n}\n",
			"with the host's new names the module would not compile, so nothing was changed; rename these by hand first:\n  a/a.go:"},
		"a promoted field of a name": {"-- site/a/a.go --\npackage a\n" + use + "\ntype T struct{ app.Loader }\n\ntype U struct {\n\tT\n\tReader app.Loader\n}\n\nvar y = U{}.Loader\n",
			"rename these by hand first:\n  a/a.go:"},
		"many problems": {"-- site/a/a.go --\npackage a\n" + use + "-- site/b/b.go --\npackage b\n" + strings.Repeat("\nvar _ = y\n", 12), "and 2 more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := module(t, c.files)
			before := tree(t, dir)
			_, err := upgrade.Rewrite(t.Context(), dir, host)
			require.ErrorContains(t, err, c.problem)
			require.Equal(t, before, tree(t, dir))
		})
	}
}

// The host may be in the module cache, whose files cannot be written.
func TestTheHostIsOnlyRead(t *testing.T) {
	t.Parallel()
	dir := module(t, "-- site/a/a.go --\npackage a\n\nimport \"example.org/host/app\"\n\nvar x = app.Max\n")
	hostDir := filepath.Join(filepath.Dir(dir), "host")
	before := tree(t, hostDir)
	require.NoError(t, os.Chmod(filepath.Join(hostDir, "app/app.go"), 0o400))
	_, err := upgrade.Rewrite(t.Context(), dir, host)
	require.NoError(t, err)
	require.Equal(t, before, tree(t, hostDir))
}

// In the host's own module the old names are replaced as well, but where they are declared.
func TestTheHostItself(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(filepath.Dir(module(t, "-- host/domains/a.go --\npackage domains\n\nimport \"example.org/host/app\"\n\nvar x = app.Max\n"+
		"-- host/app/local.go --\npackage app\n\nfunc local() int {\n\tconst Max = 1\n\treturn Max\n}\n\nvar max = Max\n")), "host")
	want := tree(t, dir)
	want["domains/a.go"] = strings.Replace(want["domains/a.go"], "Max", "Most", 1)
	want["app/local.go"] = strings.Replace(want["app/local.go"], "max = Max", "max = Most", 1)
	result, err := upgrade.Rewrite(t.Context(), dir, host)
	require.NoError(t, err)
	require.Equal(t, []string{"app/local.go", "domains/a.go"}, result.Changed)
	require.Empty(t, result.Left)
	require.Equal(t, want, tree(t, dir))
}
