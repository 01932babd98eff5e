//go:build unix

package dev

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tiny is a service that checks whether its file of settings says "good".
const tiny = `package main

import "os"

func main() {
	text, _ := os.ReadFile(os.Getenv("APP_CONFIG"))
	if string(text) != "good" {
		println("the settings say " + string(text))
		os.Exit(1)
	}
}
`

// building makes a builder for a tiny service.
func building(t *testing.T) (b *builder, source, settings string) {
	t.Helper()
	dir, settings := t.TempDir(), filepath.Join(t.TempDir(), "settings.yaml")
	source = filepath.Join(dir, "main.go")
	save(t, filepath.Join(dir, "go.mod"), "module example.org/tiny\n\ngo 1.26\n")
	save(t, source, tiny)
	save(t, settings, "good")
	environ, err := prepared(append(os.Environ(), "GOWORK=off", "APP_CONFIG="+settings, "LISTEN_FDS=1"))
	require.NoError(t, err)
	require.NotContains(t, environ, "LISTEN_FDS=1")
	return &builder{dir: dir, temp: t.TempDir(), environ: environ}, source, settings
}

func save(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

// Only what builds and passes its check is a version; what is the same as the one that runs is said to be.
func TestBuild(t *testing.T) {
	t.Parallel()
	b, source, settings := building(t)
	first := <-b.begin(t.Context(), nil).result()
	require.NoError(t, first.err)
	require.FileExists(t, first.binary.file)
	require.Nil(t, first.sameAs)

	again := <-b.begin(t.Context(), first.binary).result()
	require.NoError(t, again.err)
	require.Same(t, first.binary, again.sameAs)

	save(t, settings, "bad") // other settings make another service
	wrong := <-b.begin(t.Context(), first.binary).result()
	require.ErrorContains(t, wrong.err, "the new version does not pass its check: exit status 1\n\nthe settings say bad")

	save(t, settings, "good")
	save(t, source, strings.Replace(tiny, "say ", "are ", 1))
	other := <-b.begin(t.Context(), first.binary).result()
	require.NoError(t, other.err)
	require.Nil(t, other.sameAs)

	save(t, source, tiny+"}")
	broken := <-b.begin(t.Context(), first.binary).result()
	require.ErrorContains(t, broken.err, "the build failed: exit status 1\n\n")
	require.ErrorContains(t, broken.err, "main.go:12:1: syntax error")
	files, err := os.ReadDir(b.temp)
	require.NoError(t, err)
	require.Len(t, files, 3, "what is no version leaves no file")
}

// A build that is cancelled is over when cancel returns, with all its processes.
func TestCancelledBuild(t *testing.T) {
	t.Parallel()
	b, _, _ := building(t)
	b.begin(t.Context(), nil).cancel()
	files, err := os.ReadDir(b.temp)
	require.NoError(t, err)
	require.Empty(t, files)
	(*pending)(nil).cancel()

	ctx, cancel := context.WithCancel(t.Context())
	marker := filepath.Join(b.temp, "begun")
	b.environ = append(b.environ, "MARKER="+marker)
	go func() {
		for {
			if _, err := os.Stat(marker); err == nil {
				cancel()
				return
			}
		}
	}()
	// The inner shell waits in short steps: a signal that comes right before a step begins is looked at after it.
	_, err = b.command(ctx, "sh", "-c", `sleep 1000 | sh -c 'trap ": > $MARKER.told; exit 1" INT; : > "$MARKER"; while :; do sleep 0.05; done'`)
	require.Error(t, err)
	require.FileExists(t, marker+".told", "what the command started goes on")
}

func TestSame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	long := strings.Repeat("x", 200_000)
	for name, text := range map[string]string{"a": long, "b": long, "longer": long + "x", "other": long[:150_000] + "y" + long[150_001:], "part": long[:64<<10]} {
		save(t, filepath.Join(dir, name), text)
	}
	for name, want := range map[string]bool{"b": true, "longer": false, "other": false, "part": false, "none": false} {
		require.Equal(t, want, same(filepath.Join(dir, "a"), filepath.Join(dir, name)), name)
		require.Equal(t, want, same(filepath.Join(dir, name), filepath.Join(dir, "a")), name)
	}
}

// The last lines of what a service says are kept, whole.
func TestTail(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	last := &tail{to: &all}
	for range 10_000 {
		_, err := last.Write([]byte("one more line\n"))
		require.NoError(t, err)
	}
	require.Len(t, all.String(), 140_000)
	require.True(t, strings.HasPrefix(last.text(), "one more line\n"))
	require.InDelta(t, mostKept, len(last.text()), 20)
}
