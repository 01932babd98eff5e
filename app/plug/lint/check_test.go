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
	for name, from := range map[string]string{"m/main.go": "m/main.go", "host/app/app.go": "m/app/app.go", "gorm.io/gorm/gorm.go": "gorm.io/gorm/gorm.go"} {
		text, err := os.ReadFile(filepath.Join("testdata", "src", from))
		require.NoError(t, err)
		write(name, text)
	}
	write("gorm.io/gorm/go.mod", []byte("module gorm.io/gorm\n\ngo 1.26\n"))
	const gorm = "\n\ngo 1.26\n\nrequire gorm.io/gorm v0.0.0\n\nreplace gorm.io/gorm => ../gorm.io/gorm\n"
	write("host/go.mod", []byte("module "+site.Host()+gorm))
	write("m/go.mod", []byte("module m"+gorm+"\nrequire "+site.Host()+" v0.0.0\n\nreplace "+site.Host()+" => ../host\n"))
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
