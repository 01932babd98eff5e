package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// repository is the tree the tests of this package look at. Each rule is a function of a tree, so that it
// can be seen to fail on a planted one.
func repository() fs.FS { return os.DirFS(".") }

// elsewhere are folders that are not sources, or are modules of their own.
var elsewhere = []string{".git", ".cache", "bin", "data", "docs/benchmarks", ".ci/tools"}

// files returns the repository's files whose names end in one of the endings; all without any.
func files(t *testing.T, tree fs.FS, endings ...string) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(elsewhere, name):
			return fs.SkipDir
		case slices.Contains(elsewhere, name): // a worktree of Git has a file .git
		case entry.Type().IsRegular() && (len(endings) == 0 || slices.Contains(endings, path.Ext(name))):
			found = append(found, name)
		}
		return nil
	})
	require.NoError(t, err)
	return found
}

func read(t *testing.T, tree fs.FS, name string) string {
	t.Helper()
	text, err := fs.ReadFile(tree, name)
	require.NoError(t, err)
	return string(text)
}

// machinePath is how the path of somebody's home or checkout looks.
var machinePath = regexp.MustCompile(`(^|[\s"'(=:])/(home|Users|root|work)/[A-Za-z0-9._-]+`)

// checkMachinePaths finds files that name a place on the machine they were written on.
func checkMachinePaths(t *testing.T, tree fs.FS, checkout string) []string {
	var problems []string
	for _, name := range files(t, tree) {
		text := read(t, tree, name)
		if strings.ContainsRune(text, 0) { // a build's or a test's output
			continue
		}
		if found := machinePath.FindString(text); found != "" {
			problems = append(problems, name+": "+strings.TrimSpace(found))
		}
		if checkout != "" && strings.Contains(text, checkout) {
			problems = append(problems, name+": "+checkout)
		}
	}
	return problems
}

func TestNoFileNamesTheMachineItWasWrittenOn(t *testing.T) {
	t.Parallel()
	checkout, err := filepath.Abs(".")
	require.NoError(t, err)
	require.Empty(t, checkMachinePaths(t, repository(), checkout))

	planted := fstest.MapFS{
		"a.md": {Data: []byte("see /" + "home/ann/src/notes")},
		"b.go": {Data: []byte("// /somewhere/plugboard/main.go:7")},
		"c.go": {Data: []byte("// /homes are fine")},
	}
	require.Equal(t, []string{"a.md: /" + "home/ann", "b.go: /somewhere/plugboard"},
		checkMachinePaths(t, planted, "/somewhere/plugboard"))
}
