package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// A walk is read in one sitting: see docs/architecture.md.
const (
	walkCalls = 20
	walkFiles = 8
)

var (
	walkPattern = regexp.MustCompile(`(?ms)^<!-- walk: (.*?) -->\n(.*?)^<!-- end of walk -->$`)
	stepPattern = regexp.MustCompile("^[0-9]+\\. `([\\w.]+)` in `([\\w./]+\\.go)`")
)

// walks returns what is wrong with the walks of a document: a step that names no function of the file, and a walk that is too long.
func walks(tree fs.FS, document string) (names, problems []string) {
	for _, m := range walkPattern.FindAllStringSubmatch(document, -1) {
		names = append(names, m[1])
		files, calls := map[string]bool{}, 0
		for line := range strings.Lines(m[2]) {
			step := stepPattern.FindStringSubmatch(line)
			if step == nil {
				problems = append(problems, fmt.Sprintf("walk %s: not a step: %s", m[1], strings.TrimSpace(line)))
				continue
			}
			calls++
			files[step[2]] = true
			if !declares(tree, step[2], step[1]) {
				problems = append(problems, fmt.Sprintf("walk %s: there is no %s in %s", m[1], step[1], step[2]))
			}
		}
		if calls > walkCalls || len(files) > walkFiles {
			problems = append(problems, fmt.Sprintf("walk %s: %d calls through %d files, at most %d and %d", m[1], calls, len(files), walkCalls, walkFiles))
		}
	}
	return names, problems
}

// declares reports whether a file declares a function, or a method written as type.method.
func declares(tree fs.FS, file, name string) bool {
	text, err := fs.ReadFile(tree, file)
	if err != nil {
		return false
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution)
	if err != nil {
		return false
	}
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		full := f.Name.Name
		if f.Recv != nil {
			full = receiver(f.Recv.List[0].Type) + "." + full
		}
		if full == name {
			return true
		}
	}
	return false
}

func receiver(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.IndexListExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}

// Each walk of docs/architecture.md leads through functions that exist, in at most twenty calls and eight files.
func TestWalksLeadThroughTheSources(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("docs/architecture.md")
	require.NoError(t, err)
	names, problems := walks(os.DirFS("."), string(document))
	require.Empty(t, problems)
	require.Subset(t, names, []string{"request", "job", "setting", "publish", "outcome", "transaction", "migration"})
}

func TestAWalkThatLeadsAstrayIsFound(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{"a/a.go": {Data: []byte("package a\n\nfunc f() {}\n\ntype t[E any] struct{}\n\nfunc (*t[E]) g() {}\n")}}
	walk := func(steps ...string) string {
		return "<!-- walk: w -->\n" + strings.Join(steps, "\n") + "\n<!-- end of walk -->\n"
	}
	_, problems := walks(tree, walk("1. `f` in `a/a.go` begins", "2. `t.g` in `a/a.go`"))
	require.Empty(t, problems)
	for _, step := range []string{"1. `g` in `a/a.go`", "1. `f` in `a/b.go`", "and then f"} {
		_, problems = walks(tree, walk(step))
		require.Len(t, problems, 1, step)
	}
	long := make([]string, walkCalls+1)
	for i := range long {
		long[i] = fmt.Sprintf("%d. `f` in `a/a.go`", i+1)
	}
	_, problems = walks(tree, walk(long...))
	require.Len(t, problems, 1)
}
