package main_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// only is a file system without some folders.
type only struct {
	fs.FS

	without []string
}

// ReadDir implements fs.ReadDirFS.
func (o only) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(o.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return slices.Contains(o.without, path.Join(name, e.Name())) || !e.IsDir() && !e.Type().IsRegular()
	}), err
}

// project is a copy of this repository, in which commands are run.
type project struct {
	t   *testing.T
	dir string
	// cpu is what the commands have taken of the processors.
	cpu time.Duration
}

// copyOf copies the sources of this repository to a folder of the test's.
func copyOf(t *testing.T) *project {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a copy of the project")
	}
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	p := &project{t: t, dir: t.TempDir()}
	skip := []string{".git", ".cache", "bin", "data"}
	require.NoError(t, os.CopyFS(p.dir, only{os.DirFS(root), skip}))
	return p
}

// command is a command in the copy, without the settings of whoever runs the tests.
func (p *project) command(line string) *exec.Cmd {
	words := strings.Fields(line)
	cmd := exec.CommandContext(p.t.Context(), words[0], words[1:]...)
	cmd.Dir = p.dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "APP_") && !strings.HasPrefix(v, "MAKE") && !strings.HasPrefix(v, "MFLAGS") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "GOWORK=off")
	return cmd
}

// run runs a command in the copy and returns what it prints.
func (p *project) run(line string) (string, error) {
	begin := time.Now()
	cmd := p.command(line)
	output, err := cmd.CombinedOutput()
	if cmd.ProcessState != nil {
		p.cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	p.t.Logf("%5.1f s  %s", time.Since(begin).Seconds(), line)
	return string(output), err
}

// must runs a command in the copy, which succeeds, and returns what it prints.
func (p *project) must(line string) string {
	p.t.Helper()
	output, err := p.run(line)
	require.NoError(p.t, err, "%s\n%s", line, output)
	return output
}

func (p *project) fails(line string, want ...string) {
	p.t.Helper()
	output, err := p.run(line)
	require.Error(p.t, err, "%s\n%s", line, output)
	for _, w := range want {
		require.Contains(p.t, output, w)
	}
}

// read returns the text of a file of the copy.
func (p *project) read(file string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, filepath.FromSlash(file)))
	require.NoError(p.t, err)
	return string(text)
}

// replace changes a file of the copy.
func (p *project) replace(file, old, with string) {
	p.t.Helper()
	name := filepath.Join(p.dir, file)
	text, err := os.ReadFile(name)
	require.NoError(p.t, err)
	require.Contains(p.t, string(text), old)
	require.NoError(p.t, os.WriteFile(name, []byte(strings.Replace(string(text), old, with, 1)), 0o600))
}
