package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// The bounds of what a reader can hold in the head.
const (
	mostLines         = 400 // of a production file
	mostFiles         = 20  // production files of a package
	mostFunctionLines = 30  // of 95 in 100 functions
	mostMethodFiles   = 4   // files with methods of one type
)

// source is a Go file of a tree.
type source struct {
	name string
	test bool
	// lines are all lines, code those that are neither empty nor a comment alone.
	lines, code int
	file        *ast.File
	positions   *token.FileSet
}

// sources parses the Go files of a tree, but those that tests read as data.
func sources(t *testing.T, tree fs.FS) []source {
	t.Helper()
	var all []source
	for _, name := range files(t, tree, ".go") {
		if strings.Contains(name, "testdata/") {
			continue
		}
		text := read(t, tree, name)
		s := source{name: name, test: strings.HasSuffix(name, "_test.go"), positions: token.NewFileSet()}
		for line := range strings.Lines(text) {
			s.lines++
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
				s.code++
			}
		}
		var err error
		s.file, err = parser.ParseFile(s.positions, name, text, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		all = append(all, s)
	}
	return all
}

// checkSizes finds files, packages and functions that are too long.
func checkSizes(all []source) []string {
	var problems []string
	var lengths []int
	perPackage := map[string]int{}
	for _, s := range all {
		if s.test {
			continue
		}
		perPackage[path.Dir(s.name)]++
		if s.lines > mostLines {
			problems = append(problems, fmt.Sprintf("%s has %d lines; %d are allowed", s.name, s.lines, mostLines))
		}
		for _, decl := range s.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				lengths = append(lengths, s.positions.Position(f.End()).Line-s.positions.Position(f.Pos()).Line+1)
			}
		}
	}
	for folder, n := range perPackage {
		if n > mostFiles {
			problems = append(problems, fmt.Sprintf("%s has %d production files; %d are allowed", folder, n, mostFiles))
		}
	}
	slices.Sort(problems)
	slices.Sort(lengths)
	if n := len(lengths); n > 0 && lengths[(n-1)*95/100] > mostFunctionLines {
		problems = append(problems, fmt.Sprintf("5 in 100 functions have %d lines or more; %d are allowed", lengths[(n-1)*95/100], mostFunctionLines))
	}
	return problems
}

// checkPackageComments finds packages whose purpose takes more than one sentence: two packages in one, or one of which nobody has said
// yet what it is for.
func checkPackageComments(all []source) []string {
	var problems []string
	for _, s := range all {
		words := strings.Join(strings.Fields(s.file.Doc.Text()), " ") + " "
		if first, _, _ := strings.Cut(words, ". "); !s.test && strings.Contains(first, " and ") {
			problems = append(problems, s.name+": "+first)
		}
	}
	return problems
}

// checkMethods finds types of a room whose methods are in too many files.
func checkMethods(all []source, room string) []string {
	found := map[string]map[string]bool{}
	for _, s := range all {
		if s.test || !strings.HasPrefix(s.name, room) {
			continue
		}
		for _, decl := range s.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv == nil {
				continue
			}
			name := path.Dir(s.name) + "." + receiver(f.Recv.List[0].Type)
			if found[name] == nil {
				found[name] = map[string]bool{}
			}
			found[name][s.name] = true
		}
	}
	var problems []string
	for name, in := range found {
		if len(in) > mostMethodFiles {
			problems = append(problems, fmt.Sprintf("%s has methods in %d files; %d are allowed", name, len(in), mostMethodFiles))
		}
	}
	slices.Sort(problems)
	return problems
}

// checkTests finds rooms with fewer lines of tests than of code.
func checkTests(all []source, rooms ...string) []string {
	var problems []string
	for _, room := range rooms {
		code, tests := 0, 0
		for _, s := range all {
			switch {
			case !strings.HasPrefix(s.name, room):
			case s.test:
				tests += s.code
			default:
				code += s.code
			}
		}
		if tests < code {
			problems = append(problems, fmt.Sprintf("%s has %d lines of code, and only %d of tests", room, code, tests))
		}
	}
	return problems
}

// A room stays so small that a reader finds the way in it without its builder.
func TestTheHouseIsReadable(t *testing.T) {
	t.Parallel()
	all := sources(t, repository())
	for _, problem := range slices.Concat(checkSizes(all), checkPackageComments(all), checkTests(all, "infra/eventbus/", "infra/database/"),
		checkMethods(all, "infra/eventbus/")) {
		t.Error(problem)
	}
}

func TestAnUnreadableHouseIsFound(t *testing.T) {
	t.Parallel()
	function := "package a\n\nfunc f() {\n" + strings.Repeat("\tprintln()\n", 29) + "}\n"
	tree := fstest.MapFS{
		"a/a.go":          {Data: []byte("// Package a reads and\n// writes. It is small.\npackage a\n")},
		"a/b.go":          {Data: []byte("// Package a is one. This and that belongs to it.\npackage a\n")},
		"a/a_test.go":     {Data: []byte("package a\n\n// no code\n")},
		"a/testdata/a.go": {Data: []byte("no Go")},
		"long/long.go":    {Data: []byte("package long\n" + strings.Repeat("\n", mostLines))},
		"short/short.go":  {Data: []byte("package short\n" + strings.Repeat("\n", mostLines-1))},
	}
	for i := range mostFiles + 1 {
		tree[fmt.Sprintf("many/%d.go", i)] = &fstest.MapFile{Data: []byte(function)}
	}
	for i := range mostMethodFiles + 1 {
		tree[fmt.Sprintf("methods/%d.go", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "package methods\n\nfunc (*t) m%d() {}\n", i)}
	}
	all := sources(t, tree)
	require.Equal(t, []string{"methods.t has methods in 5 files; 4 are allowed"}, checkMethods(all, "methods/"))
	require.Equal(t, []string{
		"long/long.go has 401 lines; 400 are allowed",
		"many has 21 production files; 20 are allowed",
		"5 in 100 functions have 31 lines or more; 30 are allowed",
	}, checkSizes(all))
	require.Equal(t, []string{"a/a.go: Package a reads and writes"}, checkPackageComments(all))
	require.Equal(t, []string{"a/ has 2 lines of code, and only 1 of tests"}, checkTests(all, "a/", "none/"))
}
