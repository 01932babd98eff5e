package site_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"plugboard/app/plug/scaffold"
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

// host is a copy of this repository under a path with a dot, which versions are published of to a proxy that is a folder.
// Nothing of it leaves the machine.
type host struct {
	t                *testing.T
	dir, path, proxy string
}

// newHost copies the repository. Its path is the same in each run of this folder, so that the go command need not build again what has
// not changed since the last. What it has kept of the versions of that run is removed, since they have other files now; the
// index that it keeps of them is turned off, see [service.command]. A run waits for another in this folder.
func newHost(t *testing.T) *host {
	t.Helper()
	if testing.Short() {
		t.Skip("publishes and builds the project")
	}
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	h := &host{t: t, dir: t.TempDir(), proxy: t.TempDir()}
	require.NoError(t, os.CopyFS(h.dir, only{os.DirFS(root), []string{".git", ".cache", "bin", "data", "docs/benchmarks"}}))
	sum := sha256.Sum256([]byte(root))
	h.path = "plug.test/" + hex.EncodeToString(sum[:6]) + "/plugboard"
	lock := flock.New(filepath.Join(os.TempDir(), strings.ReplaceAll(h.path, "/", "-")+".lock"))
	_, err = lock.TryLockContext(t.Context(), time.Second)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, lock.Unlock()) })
	h.forget()
	t.Cleanup(h.forget)
	_, err = scaffold.Adopt(h.dir, h.path)
	require.NoError(t, err)
	return h
}

// forget removes what the go command keeps of the published versions: the downloads, and the folders of their files, which
// may not be written to.
func (h *host) forget() {
	h.t.Helper()
	cache, err := exec.CommandContext(context.WithoutCancel(h.t.Context()), "go", "env", "GOMODCACHE").Output()
	require.NoError(h.t, err)
	for _, below := range []string{"", "cache/download"} {
		folder := filepath.Join(strings.TrimSpace(string(cache)), filepath.FromSlash(below), filepath.FromSlash(path.Dir(h.path)))
		err := filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				err = os.Chmod(name, 0o700)
			}
			return err
		})
		if !errors.Is(err, fs.ErrNotExist) {
			require.NoError(h.t, err)
		}
		require.NoError(h.t, os.RemoveAll(folder))
	}
}

// publish publishes the copy as it is. The layout of the proxy's folder is that of the GOPROXY protocol
// (https://go.dev/ref/mod#goproxy-protocol).
func (h *host) publish(version string) {
	h.t.Helper()
	versions := filepath.Join(h.proxy, filepath.FromSlash(h.path), "@v")
	require.NoError(h.t, os.MkdirAll(versions, 0o750))
	mod, err := os.ReadFile(filepath.Join(h.dir, "go.mod"))
	require.NoError(h.t, err)
	var archive bytes.Buffer
	require.NoError(h.t, zip.CreateFromDir(&archive, module.Version{Path: h.path, Version: version}, h.dir))
	for ext, text := range map[string][]byte{
		".mod": mod, ".zip": archive.Bytes(), ".info": []byte(`{"Version":"` + version + `","Time":"2026-01-01T00:00:00Z"}`),
	} {
		require.NoError(h.t, os.WriteFile(filepath.Join(versions, version+ext), text, 0o600))
	}
	list, err := os.OpenFile(filepath.Join(versions, "list"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(h.t, err)
	_, err = io.WriteString(list, version+"\n")
	require.NoError(h.t, err)
	require.NoError(h.t, list.Close())
	h.t.Logf("%s %s: %d kB", h.path, version, archive.Len()/1024) //nolint:mnd // a kB
}

// edit replaces a text in a file of the copy.
func (h *host) edit(file, old, with string) {
	h.t.Helper()
	replace(h.t, filepath.Join(h.dir, filepath.FromSlash(file)), old, with)
}

// replace replaces the first occurrence of a text in a file.
func replace(t *testing.T, name, old, with string) {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Contains(t, string(text), old, name)
	require.NoError(t, os.WriteFile(name, []byte(strings.Replace(string(text), old, with, 1)), 0o600))
}

// write writes a file of a folder.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	name = filepath.Join(dir, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o750))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

// service is a folder in which a service is made with nothing but what the host has published.
type service struct {
	t    *testing.T
	host *host
	dir  string
	// cpu is what the commands have taken of the processors.
	cpu time.Duration
}

func (h *host) service() *service {
	return &service{t: h.t, host: h, dir: h.t.TempDir()}
}

// command is a command in the service's folder, without the settings of whoever runs the tests. The go command takes a version for
// what never changes, and keeps an index of its files; without goindex=0 it would go by that of the last run.
func (s *service) command(ctx context.Context, words ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = s.dir
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(v, "APP_") && !strings.HasPrefix(name, "MAKE") && name != "MFLAGS" && name != "GOFLAGS" {
			cmd.Env = append(cmd.Env, v)
		}
	}
	proxies, err := exec.CommandContext(ctx, "go", "env", "GOPROXY").Output()
	require.NoError(s.t, err)
	cmd.Env = append(cmd.Env, "GOWORK=off", "GODEBUG=goindex=0", "GONOSUMDB=plug.test", "GOPROXY=file://"+filepath.ToSlash(s.host.proxy)+","+strings.TrimSpace(string(proxies)))
	return cmd
}

// run runs a command line and returns what it prints.
func (s *service) run(line string) (string, error) {
	begin := time.Now()
	cmd := s.command(s.t.Context(), strings.Fields(line)...)
	output, err := cmd.CombinedOutput()
	if cmd.ProcessState != nil {
		s.cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	s.t.Logf("%5.1f s  %s", time.Since(begin).Seconds(), line)
	return string(output), err
}

func (s *service) must(line string) string {
	s.t.Helper()
	output, err := s.run(line)
	require.NoError(s.t, err, "%s\n%s", line, output)
	return output
}

func (s *service) fails(line string, want ...string) {
	s.t.Helper()
	output, err := s.run(line)
	require.Error(s.t, err, "%s\n%s", line, output)
	for _, w := range want {
		require.Contains(s.t, output, w)
	}
}

func (s *service) read(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, filepath.FromSlash(name)))
	require.NoError(s.t, err)
	return string(text)
}
