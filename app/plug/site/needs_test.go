package site_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app/plug/internal/plugtest"
)

// page is a page below docs/needs, with its blocks in their order.
type page struct {
	name   string
	blocks []pageBlock
}

// pageBlock is a command, when it has no title, or a file.
type pageBlock struct{ language, title, text string }

// concernsAll reports whether the block changes what the other pages have made.
func (b pageBlock) concernsAll() bool {
	return b.title == "main.go" && (b.language == "go" || strings.Contains(b.text, "host.DefaultAccess("))
}

var (
	pageFence = regexp.MustCompile("(?ms)^```([a-z]*)(?: title=\"([^\"]+)\")?\n(.*?)^```$")
	// inBoth is a title that names the same file in two folders: migrations/{sqlite,postgres}/00001_x.sql.
	inBoth = regexp.MustCompile(`^(.*)\{(.*)\}(.*)$`)
	hunk   = regexp.MustCompile(`(?m)^@@.*\n`)
)

// followsThePages does what each page of docs/needs says, one after the other in one service, and then checks that service once:
// the pages do not get in each other's way. A page that shows main.go, or says there who may call all that there is, has a service of its own.
func (h *host) followsThePages() {
	begin := time.Now()
	together := h.service()
	together.Must("go run " + h.path + "/app/plug@v0.1.0 init " + shop)
	empty := together.copied()
	for _, p := range h.pages() {
		s := together
		if slices.ContainsFunc(p.blocks, pageBlock.concernsAll) {
			s = empty.copied()
		}
		s.follows(p)
		if s != together {
			s.keepsTheRules()
		}
	}
	together.keepsTheRules()
	h.T.Logf("all pages of docs/needs: %.1f s, in which the commands took %.1f s of one processor", time.Since(begin).Seconds(), together.CPU.Seconds())
}

// pages reads the pages as the host publishes them.
func (h *host) pages() []page {
	h.T.Helper()
	files, err := filepath.Glob(filepath.Join(h.Dir, "docs", "needs", "*.md"))
	require.NoError(h.T, err)
	require.NotEmpty(h.T, files)
	var all []page
	for _, name := range files {
		if filepath.Base(name) == "README.md" {
			continue
		}
		text, err := os.ReadFile(name)
		require.NoError(h.T, err)
		all = append(all, readPage(h.T, filepath.Base(name), string(text)))
	}
	return all
}

func readPage(t *testing.T, name, text string) page {
	t.Helper()
	p := page{name: name}
	for _, m := range pageFence.FindAllStringSubmatch(text, -1) {
		p.blocks = append(p.blocks, pageBlock{language: m[1], title: m[2], text: m[3]})
	}
	require.True(t, slices.ContainsFunc(p.blocks, func(b pageBlock) bool { return strings.HasSuffix(b.title, "_test.go") }), "%s has no test", name)
	return p
}

// follows carries out the blocks of a page in their order. The documents are made once, at the end.
func (s *service) follows(p page) {
	s.T.Helper()
	for _, b := range p.blocks {
		switch {
		case b.title == "":
			require.Equal(s.T, "sh", b.language, "%s: a block is a command, or has the title of a file", p.name)
			cmd := s.Command(s.T.Context(), "sh", "-ec", strings.ReplaceAll(b.text, "go tool plug new ", "go tool plug new --no-docs "))
			output, err := cmd.CombinedOutput()
			require.NoError(s.T, err, "%s: %s\n%s", p.name, b.text, output)
			s.CPU += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		case b.language == "diff":
			for _, name := range named(b.title) {
				for _, change := range hunk.Split(b.text, -1) {
					s.replaces(p, name, change)
				}
			}
		default:
			for _, name := range named(b.title) {
				s.Write(name, b.text)
			}
		}
	}
}

// replaces makes one change of a diff block, whose context fits exactly one place of the file.
func (s *service) replaces(p page, name, change string) {
	s.T.Helper()
	var before, after strings.Builder
	for line := range strings.Lines(change) {
		if line[0] != '+' {
			before.WriteString(line[1:])
		}
		if line[0] != '-' {
			after.WriteString(line[1:])
		}
	}
	require.Equal(s.T, 1, strings.Count(s.Read(name), before.String()), "%s: this is not in %s, or more than once:\n%s", p.name, name, before.String())
	s.Replace(name, before.String(), after.String())
}

// named returns the files that a block's title names.
func named(title string) []string {
	m := inBoth.FindStringSubmatch(title)
	if m == nil {
		return []string{title}
	}
	var all []string
	for part := range strings.SplitSeq(m[2], ",") {
		all = append(all, m[1]+part+m[3])
	}
	return all
}

// copied returns a copy of the service as it is.
func (s *service) copied() *service {
	s.T.Helper()
	c := s.host.service()
	require.NoError(s.T, os.CopyFS(c.Dir, os.DirFS(s.Dir)))
	return c
}

func (s *service) keepsTheRules() {
	s.T.Helper()
	for _, line := range []string{"go mod tidy", "go tool plug docs", "go tool plug lint", "go vet ./...", "go test ./..."} {
		s.Must(line)
	}
}

// A page cannot say what nobody does: what does not fit a file is found where the pages are followed.
func TestChangesOfAPageFitTheirFile(t *testing.T) {
	t.Parallel()
	s := &service{Folder: plugtest.New(t)}
	s.Write("a/x.go", "package x\n\nvar a = 1\nvar b = 2\n")
	s.Write("b/x.go", "package x\n\nvar a = 1\nvar b = 2\n")
	p := readPage(t, "x.md", "```diff title=\"{a,b}/x.go\"\n package x\n+\n+import \"y\"\n@@\n-var a = 1\n+var a = 3\n var b = 2\n```\n"+
		"```go title=\"x_test.go\"\npackage x\n```\n```sh\necho go tool plug new c >> a/x.go\n```\n")
	s.follows(p)
	const want = "package x\n\nimport \"y\"\n\nvar a = 3\nvar b = 2\n"
	require.Equal(t, want, s.Read("b/x.go"))
	require.Equal(t, want+"go tool plug new --no-docs c\n", s.Read("a/x.go"))
	require.Equal(t, "package x\n", s.Read("x_test.go"))
}
