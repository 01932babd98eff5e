package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The sources have a line for each point, also with -short: who loses one learns of it at once.
func TestOverlayFindsTheLinesOfThePoints(t *testing.T) {
	t.Parallel()
	b, err := newBuilder(t.Context(), t.TempDir())
	require.NoError(t, err)
	_, err = b.overlay(points())
	require.NoError(t, err)
}

// overlaid makes the overlay of a module with one source, the points given, and returns what becomes of the source.
func overlaid(t *testing.T, source string, points ...point) (string, error) {
	t.Helper()
	b := &builder{root: t.TempDir(), folder: t.TempDir()}
	put := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Join(b.root, filepath.Dir(name)), 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(b.root, name), []byte(text), 0o600))
	}
	put("go.mod", "module example.org/m\n")
	put("infra/rooms/deep/deep.go", source)
	put("infra/rooms/deep/deep_test.go", "package deep\n\n//crash:point in a test\n")
	put("infra/rooms/testdata/t.go", "package t\n\n//crash:point in test data\n")
	put("app/apptest/crash/service/main.go", "package main\n")
	if _, err := b.overlay(points); err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(b.folder, "overlay", "infra_rooms_deep_deep.go"))
	require.NoError(t, err)
	return string(text), nil
}

// What a source calls its variables is said by its own line, so a renamed one changes nothing here.
func TestOverlayPutsCodeInThePlaceOfALine(t *testing.T) {
	t.Parallel()
	text, err := overlaid(t, `package deep

import "context"

func f(c context.Context, them []int) error {
	//crash:point after it
	//crash:point after some: len(them)>0
	//crash:point never done: c f
	return nil
}
`, point{"after it", 1, ""}, point{"after some", 1, ""}, point{"never done", 1, "if sabotage.Skip($1, $2, $1) { return nil }"})
	require.NoError(t, err)
	require.Equal(t, `package deep; import "example.org/m/infra/sabotage"

import "context"

func f(c context.Context, them []int) error {
sabotage.Point("after it")
sabotage.Point("after some", len(them)>0)
if sabotage.Skip(c, f, c) { return nil }
	return nil
}
`, text)
}

func TestOverlayRefusesOtherLinesThanItHasPoints(t *testing.T) {
	t.Parallel()
	const source = "package deep\n\n//crash:point after it: a b\n//crash:point after it\n//crash:point mistake: a\n//crash:point unheard of\n"
	_, err := overlaid(t, source, point{"after it", 1, ""}, point{"mistake", 1, "sabotage.Make($1, $2)"}, point{"missing", 2, ""})
	require.EqualError(t, err, `infra/rooms/deep/deep.go: the crash point "after it" takes one condition at most, not 2
infra/rooms/deep/deep.go: the crash point "mistake" takes 2 arguments, not 1
infra/rooms/deep/deep.go: there is no crash point "unheard of"; see points in app/apptest/crash/overlay.go
the sources below infra and app/apptest/crash/service have 2 lines "//crash:point after it" instead of 1
the sources below infra and app/apptest/crash/service have 0 lines "//crash:point missing" instead of 2`)
}
