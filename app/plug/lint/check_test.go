package lint_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/plug/lint"
)

// planted makes a module of testdata's events, and returns its folder.
func planted(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, pkg := range []string{"events", "gorm.io/gorm"} {
		require.NoError(t, os.CopyFS(filepath.Join(dir, pkg), os.DirFS(filepath.Join("testdata", "src", pkg))))
	}
	for name, text := range map[string]string{
		"gorm.io/gorm/go.mod": "module gorm.io/gorm\n\ngo 1.26\n",
		"events/go.mod":       "module events\n\ngo 1.26\n\nrequire gorm.io/gorm v0.0.0\n\nreplace gorm.io/gorm => ../gorm.io/gorm\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return filepath.Join(dir, "events")
}

// What the rules find is the same when plug runs them, over all packages or over the one that is asked for, and when go
// vet runs plug.
func TestCheck(t *testing.T) {
	t.Parallel()
	dir := planted(t)
	all, err := lint.Check(t.Context(), dir, []string{"./..."})
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

	alone, err := lint.Check(t.Context(), dir, []string{"."})
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
	_, err := lint.Check(t.Context(), dir, []string{"./domains/shop"})
	require.ErrorContains(t, err, "shop.go:3:13: cannot use")
	_, err = lint.Check(t.Context(), dir, []string{"./nothing"})
	require.ErrorContains(t, err, "directory not found")
}
