// Package plugtest runs commands in folders of tests.
//
// It is for the tests of plug, which make projects and services and do with them what a developer does. Its functions fail the
// test when they cannot do their work. A Folder is for one goroutine.
package plugtest

import (
	"context"
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

// Folder is a folder in which commands are run.
type Folder struct {
	T   *testing.T
	Dir string
	// Env are variables that its commands have besides those of whoever runs the tests.
	Env []string
	// CPU is what the commands of [Folder.Run] have taken of the processors.
	CPU time.Duration
}

// New returns an empty folder of the test's.
func New(t *testing.T) *Folder {
	t.Helper()
	return &Folder{T: t, Dir: t.TempDir()}
}

// Copy returns a copy of the repository in root, without what commands have made in it and the further folders. It skips
// short tests.
func Copy(t *testing.T, root string, without ...string) *Folder {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a copy of the project")
	}
	f := New(t)
	require.NoError(t, os.CopyFS(f.Dir, only{os.DirFS(root), append(without, ".git", ".cache", "bin", "data")}))
	return f
}

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

// Command is a command in the folder, without the settings of whoever runs the tests.
func (f *Folder) Command(ctx context.Context, words ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // the test's
	cmd.Dir = f.Dir
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(v, "APP_") && !strings.HasPrefix(name, "MAKE") && name != "MFLAGS" && name != "GOFLAGS" {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(append(cmd.Env, "GOWORK=off"), f.Env...)
	return cmd
}

// Run runs a command line, whose words stand between spaces, and returns what it prints.
func (f *Folder) Run(line string) (string, error) {
	begin := time.Now()
	cmd := f.Command(f.T.Context(), strings.Fields(line)...)
	output, err := cmd.CombinedOutput()
	if cmd.ProcessState != nil {
		f.CPU += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	f.T.Logf("%5.1f s  %s", time.Since(begin).Seconds(), line)
	return string(output), err
}

// Must runs a command line that succeeds, and returns what it prints.
func (f *Folder) Must(line string) string {
	f.T.Helper()
	output, err := f.Run(line)
	require.NoError(f.T, err, "%s\n%s", line, output)
	return output
}

// Fails runs a command line that fails and prints each of want.
func (f *Folder) Fails(line string, want ...string) {
	f.T.Helper()
	output, err := f.Run(line)
	require.Error(f.T, err, "%s\n%s", line, output)
	for _, w := range want {
		require.Contains(f.T, output, w)
	}
}

// Read returns the text of a file of the folder.
func (f *Folder) Read(name string) string {
	f.T.Helper()
	text, err := os.ReadFile(f.path(name))
	require.NoError(f.T, err)
	return string(text)
}

// Write writes a file of the folder, and the folders above it.
func (f *Folder) Write(name, text string) {
	f.T.Helper()
	require.NoError(f.T, os.MkdirAll(filepath.Dir(f.path(name)), 0o750))
	require.NoError(f.T, os.WriteFile(f.path(name), []byte(text), 0o600))
}

// Replace replaces the first occurrence of a text in a file of the folder.
func (f *Folder) Replace(name, old, with string) {
	f.T.Helper()
	text := f.Read(name)
	require.Contains(f.T, text, old, name)
	f.Write(name, strings.Replace(text, old, with, 1))
}

func (f *Folder) path(name string) string { return filepath.Join(f.Dir, filepath.FromSlash(name)) }
