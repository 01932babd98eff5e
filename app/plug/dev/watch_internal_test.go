//go:build unix

package dev

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// put writes files, whose folders it makes.
func put(t *testing.T, root string, files ...string) {
	t.Helper()
	for _, file := range files {
		name := filepath.Join(root, file)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte(file), 0o600))
	}
}

// watching watches a tree with some folders.
func watching(t *testing.T) (root string, w *watcher) {
	t.Helper()
	root = t.TempDir()
	put(t, root, "main.go", "domains/shop/shop.go", "domains/data/data.go", "bin/x", "data/x", "vendor/x/x.go", ".git/config", "web/node_modules/x.js", "tools/go.mod", "tools/sub/x.go")
	w, err := watch(root)
	require.NoError(t, err)
	t.Cleanup(w.close)
	return root, w
}

// sees waits until exactly these files were told, in one turn or several, and nothing else before.
func sees(t *testing.T, root string, w *watcher, want ...string) {
	t.Helper()
	missing := map[string]bool{}
	for _, file := range want {
		missing[filepath.Join(root, file)] = true
	}
	late := time.After(20 * time.Second)
	for len(missing) > 0 {
		select {
		case files := <-w.changes:
			for _, file := range files {
				if !missing[file] { // a file that is written in two steps may be told twice
					require.Contains(t, want, must(t, root, file))
				}
				delete(missing, file)
			}
		case err := <-w.errors:
			require.NoError(t, err)
		case <-late:
			require.Empty(t, missing, "not told")
		}
	}
}

func must(t *testing.T, root, file string) string {
	t.Helper()
	name, err := filepath.Rel(root, file)
	require.NoError(t, err)
	return name
}

// What cannot change the binary is not told of; what can is, however it is written.
func TestWatch(t *testing.T) {
	t.Parallel()
	root, w := watching(t)
	put(t, root,
		"main_test.go", "domains/shop/.shop.go.swp", "domains/shop/shop.go~", "domains/shop/#shop.go#", "domains/shop/.#shop.go", "domains/shop/4913", "x.tmp",
		"site.db", "site.db-wal", "site.db.lock", "bin/y", "data/y", "vendor/x/y.go", ".git/index", "web/node_modules/y.js", "tools/y.go", "tools/sub/y.go")
	require.NoError(t, os.Chmod(filepath.Join(root, "main.go"), 0o640))
	put(t, root, "domains/shop/shop.go", "domains/data/data.go", "web/page.html", "go.sum")
	sees(t, root, w, "domains/shop/shop.go", "domains/data/data.go", "web/page.html", "go.sum")

	require.NoError(t, os.Rename(filepath.Join(root, "x.tmp"), filepath.Join(root, "main.go")))
	sees(t, root, w, "main.go")
	require.NoError(t, os.Remove(filepath.Join(root, "main.go")))
	sees(t, root, w, "main.go")
}

// New folders are watched, whatever was in them before, and other modules are not.
func TestWatchNewFolders(t *testing.T) {
	t.Parallel()
	root, w := watching(t)
	put(t, root, "domains/new/plugins/a.go")
	sees(t, root, w, "domains/new/plugins/a.go")
	put(t, root, "domains/new/plugins/b.go")
	sees(t, root, w, "domains/new/plugins/b.go")

	elsewhere := t.TempDir()
	put(t, elsewhere, "moved/deep/c.go", "other/go.mod", "other/d.go")
	require.NoError(t, os.Rename(filepath.Join(elsewhere, "moved"), filepath.Join(root, "moved")))
	sees(t, root, w, "moved/deep/c.go")
	require.NoError(t, os.Rename(filepath.Join(elsewhere, "other"), filepath.Join(root, "other")))
	put(t, root, "other/d.go", "moved/deep/e.go")
	sees(t, root, w, "moved/deep/e.go")

	require.NoError(t, os.RemoveAll(filepath.Join(root, "moved")))
	sees(t, root, w, "moved", "moved/deep", "moved/deep/c.go", "moved/deep/e.go")
}

// Many files that are written one after the other are one change, which waits half a second at most.
func TestWatchTellsChangesTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		events := &fsnotify.Watcher{Events: make(chan fsnotify.Event), Errors: make(chan error)}
		w := &watcher{tree{"/m"}, events, make(chan []string), make(chan error, 1), make(chan struct{}), make(chan struct{})}
		go w.run()
		write := func(name string) { events.Events <- fsnotify.Event{Name: name, Op: fsnotify.Write} }
		pause := func() { time.Sleep(20 * time.Millisecond) } //nolint:forbidigo // in a bubble

		begin := time.Now()
		for _, name := range []string{"/m/b.go", "/m/a.go", "/m/b.go"} {
			write(name)
			pause()
		}
		require.Equal(t, []string{"/m/a.go", "/m/b.go"}, <-w.changes)
		require.Equal(t, 70*time.Millisecond, time.Since(begin))

		begin = time.Now()
		var waited time.Duration
		for waited == 0 {
			write("/m/a.go")
			pause()
			select {
			case <-w.changes:
				waited = time.Since(begin)
			default:
			}
		}
		require.InDelta(t, 0.5, waited.Seconds(), 0.03)

		events.Errors <- fsnotify.ErrEventOverflow
		require.Contains(t, <-w.changes, "/m", "something in it has changed")
		events.Errors <- errors.New("the system says no")
		require.EqualError(t, <-w.errors, "the system says no")
		close(w.done)
		<-w.ended
	})
}

func TestWatchNeedsAFolder(t *testing.T) {
	t.Parallel()
	require.True(t, tree{"/m"}.isWatched("/m"))
	require.False(t, tree{"/m"}.isWatched("/elsewhere"))
	require.True(t, tree{"/m"}.isWatched("/m/domains/bin"))
	_, err := watch("/dev/null/nowhere")
	require.Error(t, err)
}
