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
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"plugboard/app/plug/internal/plugtest"
	"plugboard/app/plug/scaffold"
)

// host is a copy of this repository under a path with a dot, which versions are published of to a proxy that is a folder.
// Nothing of it leaves the machine.
type host struct {
	*plugtest.Folder

	path, proxy string
}

// newHost copies the repository. Its path is the same in each run of this folder, so that the go command need not build again what has
// not changed since the last. What it has kept of the versions of that run is removed, since they have other files now; the
// index that it keeps of them is turned off, see [host.service]. A run waits for another in this folder.
func newHost(t *testing.T) *host {
	t.Helper()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	h := &host{Folder: plugtest.Copy(t, root, "docs/benchmarks"), proxy: t.TempDir()}
	sum := sha256.Sum256([]byte(root))
	h.path = "plug.test/" + hex.EncodeToString(sum[:6]) + "/plugboard"
	lock := flock.New(filepath.Join(os.TempDir(), strings.ReplaceAll(h.path, "/", "-")+".lock"))
	_, err = lock.TryLockContext(t.Context(), time.Second)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, lock.Unlock()) })
	h.forget()
	t.Cleanup(h.forget)
	_, err = scaffold.Adopt(h.Dir, h.path)
	require.NoError(t, err)
	return h
}

// forget removes what the go command keeps of the published versions: the downloads, and the folders of their files, which
// may not be written to.
func (h *host) forget() {
	h.T.Helper()
	cache, err := exec.CommandContext(context.WithoutCancel(h.T.Context()), "go", "env", "GOMODCACHE").Output()
	require.NoError(h.T, err)
	for _, below := range []string{"", "cache/download"} {
		folder := filepath.Join(strings.TrimSpace(string(cache)), filepath.FromSlash(below), filepath.FromSlash(path.Dir(h.path)))
		err := filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				err = os.Chmod(name, 0o700)
			}
			return err
		})
		if !errors.Is(err, fs.ErrNotExist) {
			require.NoError(h.T, err)
		}
		require.NoError(h.T, os.RemoveAll(folder))
	}
}

// publish publishes the copy as it is. The layout of the proxy's folder is that of the GOPROXY protocol
// (https://go.dev/ref/mod#goproxy-protocol).
func (h *host) publish(version string) {
	h.T.Helper()
	versions := filepath.Join(h.proxy, filepath.FromSlash(h.path), "@v")
	require.NoError(h.T, os.MkdirAll(versions, 0o750))
	mod, err := os.ReadFile(filepath.Join(h.Dir, "go.mod"))
	require.NoError(h.T, err)
	var archive bytes.Buffer
	require.NoError(h.T, zip.CreateFromDir(&archive, module.Version{Path: h.path, Version: version}, h.Dir))
	for ext, text := range map[string][]byte{
		".mod": mod, ".zip": archive.Bytes(), ".info": []byte(`{"Version":"` + version + `","Time":"2026-01-01T00:00:00Z"}`),
	} {
		require.NoError(h.T, os.WriteFile(filepath.Join(versions, version+ext), text, 0o600))
	}
	list, err := os.OpenFile(filepath.Join(versions, "list"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(h.T, err)
	_, err = io.WriteString(list, version+"\n")
	require.NoError(h.T, err)
	require.NoError(h.T, list.Close())
	h.T.Logf("%s %s: %d kB", h.path, version, archive.Len()/1024) //nolint:mnd // a kB
}

// service is a folder in which a service is made with nothing but what the host has published.
type service struct {
	*plugtest.Folder

	host *host
}

// service returns an empty folder, whose commands get modules from the host's proxy first. The go command takes a version for what
// never changes, and keeps an index of its files; without goindex=0 it would go by that of the last run.
func (h *host) service() *service {
	h.T.Helper()
	proxies, err := exec.CommandContext(h.T.Context(), "go", "env", "GOPROXY").Output()
	require.NoError(h.T, err)
	s := &service{Folder: plugtest.New(h.T), host: h}
	s.Env = []string{"GODEBUG=goindex=0", "GONOSUMDB=plug.test", "GOPROXY=file://" + filepath.ToSlash(h.proxy) + "," + strings.TrimSpace(string(proxies))}
	return s
}
