package main

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// The most lines that a page of needs has: with its files, and beside them. One plugin with its test is some hundred lines.
const (
	mostOfPage = 190
	mostBeside = 35
)

// The pages that begin with "I need". That their files work is a test of app/plug/site.
func TestNeedsHaveOneShortPageEach(t *testing.T) {
	t.Parallel()
	require.Empty(t, checkNeeds(t, repository()))

	good := "# I need x\n\n```go title=\"x_test.go\"\npackage x\n```\n"
	tree := fstest.MapFS{
		needs + "README.md":  {Data: []byte("- [good](good.md)\n- [bare](bare.md)\n- [long](long.md)\n- [talk](talk.md)\n- [gone](gone.md)")},
		needs + "good.md":    {Data: []byte(good)},
		needs + "hidden.md":  {Data: []byte(good)},
		needs + "bare.md":    {Data: []byte("# Something\n\n```go\npackage x\n```\n")},
		needs + "long.md":    {Data: []byte(strings.Replace(good, "package x\n", strings.Repeat("// x\n", mostOfPage), 1))},
		needs + "talk.md":    {Data: []byte(good + strings.Repeat("x\n", mostBeside))},
		"docs/needsless.md":  {Data: []byte("# Other")},
		"docs/needs/x/y.txt": {Data: []byte("no page")},
	}
	require.Equal(t, []string{
		"docs/needs/bare.md: the title does not begin with \"# I need\"",
		"docs/needs/bare.md: there is no test",
		"docs/needs/bare.md: a go block without the title of its file",
		"docs/needs/hidden.md: docs/needs/README.md does not link to it",
		fmt.Sprintf("docs/needs/long.md: %d lines; at most %d", mostOfPage+4, mostOfPage),
		fmt.Sprintf("docs/needs/talk.md: %d lines beside its files; at most %d", mostBeside+3, mostBeside),
	}, checkNeeds(t, tree))
}

func checkNeeds(t *testing.T, tree fs.FS) (problems []string) {
	t.Helper()
	index, shown := read(t, tree, needs+"README.md"), blocks(t, tree)
	for _, name := range files(t, tree, ".md") {
		if !strings.HasPrefix(name, needs) || name == needs+"README.md" {
			continue
		}
		text := read(t, tree, name)
		say := func(format string, args ...any) { problems = append(problems, name+": "+fmt.Sprintf(format, args...)) }
		if !strings.HasPrefix(text, "# I need ") {
			say("the title does not begin with %q", "# I need")
		}
		if !strings.Contains(index, "]("+path.Base(name)+")") {
			say("%sREADME.md does not link to it", needs)
		}
		own := slices.DeleteFunc(slices.Clone(shown), func(b block) bool { return b.file != name })
		if !slices.ContainsFunc(own, func(b block) bool { return strings.HasSuffix(b.title, "_test.go") }) {
			say("there is no test")
		}
		for _, b := range own {
			if b.language != "sh" && b.title == "" {
				say("a %s block without the title of its file", b.language)
			}
		}
		if n := strings.Count(text, "\n"); n > mostOfPage {
			say("%d lines; at most %d", n, mostOfPage)
		}
		if n := strings.Count(fence.ReplaceAllString(text, ""), "\n"); n > mostBeside {
			say("%d lines beside its files; at most %d", n, mostBeside)
		}
	}
	return problems
}
