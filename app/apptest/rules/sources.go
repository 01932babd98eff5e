package rules

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"plugboard/app/plug/lint"
	plug "plugboard/app/plug/site"
)

// testTested is the rule that plugins are tested.
func testTested(t *testing.T, s *site) {
	t.Helper()
	problems, err := checkTested(s.tree)
	if err != nil {
		t.Fatal(err)
	}
	report(t, problems)
}

// checkTested finds plugins without a test, and such whose test mentions nothing of them. The shape of plugin files, their imports and their
// place in the list are rules of plug lint.
func checkTested(tree fs.FS) ([]string, error) {
	inFiles, err := pluginFiles(tree)
	if err != nil {
		return nil, err
	}
	var problems []string
	for _, name := range inFiles {
		test := strings.TrimSuffix(name, ".go") + "_test.go"
		if _, err := fs.Stat(tree, test); err != nil {
			problems = append(problems, name+": the plugin has no test; write "+path.Base(test))
			continue
		}
		declared, _, err := identifiers(tree, name)
		if err != nil {
			return nil, err
		}
		_, used, err := identifiers(tree, test)
		if err != nil {
			return nil, err
		}
		if !mentions(used, declared) {
			problems = append(problems, fmt.Sprintf("%s: mentions nothing that %s declares; test the plugin there", test, path.Base(name)))
		}
	}
	return problems, nil
}

// mentions reports whether a name is among the used ones, or part of one: TestGetProduct mentions GetProduct.
func mentions(used, names []string) bool {
	return slices.ContainsFunc(used, func(use string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(use, name) })
	})
}

// identifiers returns the exported names that a file declares, and all that it uses.
func identifiers(tree fs.FS, name string) (declared, used []string, err error) {
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, nil, fmt.Errorf("read sources: %w", err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, fmt.Errorf("read sources: %w", err)
	}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				declared = append(declared, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				declared = append(declared, namesOf(spec)...)
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			used = append(used, id.Name)
		}
		return true
	})
	return slices.DeleteFunc(declared, func(name string) bool { return !ast.IsExported(name) }), used, nil
}

func namesOf(spec ast.Spec) []string {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		return []string{s.Name.Name}
	case *ast.ValueSpec:
		names := make([]string, len(s.Names))
		for i, id := range s.Names {
			names[i] = id.Name
		}
		return names
	default:
		return nil
	}
}

// testLint is the rule that the rules of plug lint hold.
func testLint(t *testing.T, s *site) {
	t.Helper()
	found, err := lint.Check(t.Context(), s.root, plug.Contract(), []string{"./..."})
	if err != nil {
		t.Fatalf("lint: %v", err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

// testLinked is the rule that the service links no developer's tools.
func testLinked(t *testing.T, s *site) {
	t.Helper()
	linked, err := dependencies(t.Context(), s.root)
	if err != nil {
		t.Fatal(err)
	}
	report(t, checkLinked(linked, plug.Host()))
}

// dependencies returns the packages that the command in a folder links.
func dependencies(ctx context.Context, folder string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", ".")
	cmd.Dir = folder
	output, err := cmd.Output()
	if err != nil {
		text := err.Error()
		if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Output returns it as it is
			text = string(exit.Stderr)
		}
		return nil, fmt.Errorf("list what the service links: %s", text)
	}
	return strings.Fields(string(output)), nil
}

// checkLinked finds packages among the linked ones that are for developers: those of the host's module, and their libraries.
func checkLinked(linked []string, host string) []string {
	if !contains(linked, host+"/app") {
		return []string{"the service does not link " + host + "/app; the test belongs beside main.go"}
	}
	tools := []string{
		host + "/app/plug", host + "/app/apptest", "github.com/santhosh-tekuri/jsonschema", "github.com/swaggo/swag", "github.com/fsnotify/fsnotify",
		"golang.org/x/tools", "github.com/stretchr/testify", "pgregory.net/rapid", "testing",
	}
	var problems []string
	for _, pkg := range linked {
		for _, tool := range tools {
			if pkg == tool || strings.HasPrefix(pkg, tool+"/") {
				problems = append(problems, fmt.Sprintf("the service links %s, which is for developers; only tests may import it (go mod why says through which import)", pkg))
			}
		}
	}
	return problems
}
