package lint_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/plug/lint"
	"plugboard/app/plug/site"
)

// planted makes a module of what main.go of testdata imports, and returns its folder. The contract is in another module, as
// for a service.
func planted(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, text []byte) {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o750))
		require.NoError(t, os.WriteFile(name, text, 0o600))
	}
	for _, domain := range []string{"bank", "cart", "loop", "price", "shop", "wrong"} {
		folder := filepath.Join("m", "domains", domain)
		files := os.DirFS(filepath.Join("testdata", "src"))
		require.NoError(t, fs.WalkDir(files, folder, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := fs.ReadFile(files, name)
			write(name, bytes.ReplaceAll(text, []byte(`"m/app"`), []byte(strconv.Quote(site.Contract()))))
			return err
		}))
	}
	const gin = "github.com/gin-gonic/gin"
	for name, from := range map[string]string{
		"m/main.go": "m/main.go", "host/app/app.go": "m/app/app.go", "gorm.io/gorm/gorm.go": "gorm.io/gorm/gorm.go", gin + "/gin.go": gin + "/gin.go",
	} {
		text, err := os.ReadFile(filepath.Join("testdata", "src", from))
		require.NoError(t, err)
		write(name, text)
	}
	required := "\n\ngo 1.26\n"
	for _, module := range []string{"gorm.io/gorm", gin} {
		write(module+"/go.mod", []byte("module "+module+"\n\ngo 1.26\n"))
		required += "\nrequire " + module + " v0.0.0\n\nreplace " + module + " v0.0.0 => ../" + module + "\n"
	}
	write("host/go.mod", []byte("module "+site.Host()+required))
	write("m/go.mod", []byte("module m"+required+"\nrequire "+site.Host()+" v0.0.0\n\nreplace "+site.Host()+" => ../host\n"))
	return filepath.Join(dir, "m")
}

// What the rules find is the same when plug runs them, over all packages or over the one that is asked for, and when go
// vet runs plug.
func TestCheck(t *testing.T) {
	t.Parallel()
	dir := planted(t)
	all, err := lint.Check(t.Context(), dir, site.Contract(), []string{"./..."})
	require.NoError(t, err)
	require.NotEmpty(t, all)
	const cycle = "domains/bank/plugins/pay.go:34: plugin bank.pay closes a cycle"
	var lines, ofMain []string
	for _, f := range all {
		lines = append(lines, f.String())
		if f.Position.Filename == "main.go" {
			ofMain = append(ofMain, f.String())
		}
	}
	require.Contains(t, strings.Join(ofMain, "\n"), "main.go:4:2: "+cycle)

	alone, err := lint.Check(t.Context(), dir, site.Contract(), []string{"."})
	require.NoError(t, err)
	require.Len(t, alone, len(ofMain))
	for i, f := range alone {
		require.Equal(t, ofMain[i], f.String())
	}

	vetted := vet(t, dir)
	for _, line := range lines {
		require.Contains(t, vetted, line)
	}
	require.Equal(t, strings.Count(strings.Join(lines, "\n"), ".go:"), strings.Count(vetted, ".go:"), vetted)
}

func vet(t *testing.T, dir string) string {
	t.Helper()
	tool, err := exec.CommandContext(t.Context(), "go", "tool", "-n", "plug").Output()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "go", "vet", "-vettool="+strings.TrimSpace(string(tool)), "./...")
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	require.Error(t, err)
	return string(output)
}

func TestCheckOfWhatDoesNotCompile(t *testing.T) {
	t.Parallel()
	dir := planted(t)
	file := filepath.Join(dir, "domains", "shop", "shop.go")
	require.NoError(t, os.WriteFile(file, []byte("package shop\n\nvar x int = \"\"\n"), 0o600))
	_, err := lint.Check(t.Context(), dir, site.Contract(), []string{"./domains/shop"})
	require.ErrorContains(t, err, "shop.go:3:13: cannot use")
	_, err = lint.Check(t.Context(), dir, site.Contract(), []string{"./nothing"})
	require.ErrorContains(t, err, "directory not found")
}

// A service's plug.yaml allows libraries, when plug runs the rules as when go vet does; what is wrong with it is said by line.
// The libraries are read where the compiler found them.
func TestLibrariesOfAService(t *testing.T) {
	t.Parallel()
	dir := planted(t)
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	for lib, body := range map[string]string{
		"dials": "package dials\n\nimport \"net\"\n\nvar Conn, _ = net.Dial(\"tcp\", \"\")\n", "pure": "package pure\n\nvar One = 1\n",
	} {
		write("../"+lib+"/go.mod", "module example.org/"+lib+"\n\ngo 1.26\n")
		write("../"+lib+"/"+lib+".go", body)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	write("go.mod", string(mod)+"\nrequire (\n\texample.org/dials v0.0.0\n\texample.org/pure v0.0.0\n)\n\nreplace (\n\texample.org/dials => ../dials\n\texample.org/pure => ../pure\n)\n")
	write("domains/libs/plugins/doc.go", "package plugins\n\nimport (\n\t_ \"example.org/dials\"\n\t_ \"example.org/pure\"\n)\n")
	check := func() (lines []string) {
		found, err := lint.Check(t.Context(), dir, site.Contract(), []string{"./domains/libs/..."})
		require.NoError(t, err)
		for _, f := range found {
			require.Equal(t, "imports", f.Rule)
			lines = append(lines, f.String())
		}
		return lines
	}
	const refused = "domains/libs/plugins/doc.go:4:2: example.org/dials reaches the outside by itself (net.Dial in example.org/dials/dials.go)"
	lines := check()
	require.Len(t, lines, 1)
	require.Contains(t, lines[0], refused)
	require.Contains(t, vet(t, dir), refused)

	write("plug.yaml", "libraries:\n  - example.org/dials # the device is on this machine\n")
	require.Empty(t, check())
	require.NotContains(t, vet(t, dir), "example.org/dials")

	write("plug.yaml", "# ours\nlibrary:\n  - example.org/dials\n")
	lines = check()
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], refused)
	require.Equal(t, `plug.yaml:2:1: plug.yaml: there is no key "library"; the only one is libraries`, lines[1])
	require.Contains(t, vet(t, dir), `plug.yaml:2:1: plug.yaml: there is no key "library"`)
}
