package scaffold

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
)

// grouped returns a Go file with its imports in sorted groups: the standard library, other modules, the host, the module
// itself, which may be the host. The file has one import declaration with parentheses, and no comments in it; otherwise it
// is returned as it is.
func grouped(text, module, host string) (string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", text, parser.ImportsOnly)
	if err != nil {
		return "", fmt.Errorf("parse imports: %w", err)
	}
	if len(file.Decls) != 1 {
		return text, nil
	}
	decl, ok := file.Decls[0].(*ast.GenDecl)
	if !ok || !decl.Lparen.IsValid() {
		return text, nil
	}
	var groups [4][]string
	for _, spec := range file.Imports {
		path := importPath(spec)
		group := 0
		switch first, _, _ := strings.Cut(path, "/"); {
		case within(path, module):
			group = 3
		case within(path, host):
			group = 2
		case strings.Contains(first, "."):
			group = 1
		}
		groups[group] = append(groups[group], "\t"+spec.Path.Value+"\n")
	}
	var blocks []string
	for _, group := range groups {
		if slices.Sort(group); len(group) > 0 {
			blocks = append(blocks, strings.Join(group, ""))
		}
	}
	from, to := fset.Position(decl.Lparen).Offset+1, fset.Position(decl.Rparen).Offset
	return text[:from] + "\n" + strings.Join(blocks, "\n") + text[to:], nil
}

// Untidy reports whether Go files of the module in dir import a package of no module that its go.mod requires directly. The
// command "go mod tidy" adds it.
func Untidy(dir string, files []string) (bool, error) {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod")) //nolint:gosec // the module's own
	if err != nil {
		return false, fmt.Errorf("read go.mod: %w", errors.Unwrap(err))
	}
	mod, err := modfile.ParseLax("go.mod", text, nil)
	if err != nil {
		return false, fmt.Errorf("parse go.mod: %w", err)
	}
	known := []string{mod.Module.Mod.Path}
	for _, require := range mod.Require {
		if !require.Indirect {
			known = append(known, require.Mod.Path)
		}
	}
	for _, name := range files {
		if filepath.Ext(name) != ".go" {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, filepath.FromSlash(name)), nil, parser.ImportsOnly)
		if err != nil {
			return false, fmt.Errorf("parse imports: %w", err)
		}
		for _, spec := range file.Imports {
			path := importPath(spec)
			first, _, _ := strings.Cut(path, "/")
			if strings.Contains(first, ".") && !slices.ContainsFunc(known, func(module string) bool { return within(path, module) }) {
				return true, nil
			}
		}
	}
	return false, nil
}

// within reports whether the package is the other, or lies in its folder.
func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// addImport adds an import of the module's to a file: to the group of its domains, else to the group of its other
// packages, else to a group of its own at the end.
func addImport(text, module, path string) (string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", text, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return "", fmt.Errorf("parse imports: %w", err)
	}
	line := "\t" + strconv.Quote(path) + "\n"
	for _, folder := range []string{module + "/domains", module} {
		for _, spec := range slices.Backward(file.Imports) {
			if within(importPath(spec), folder) && inParentheses(file, spec) {
				at := lineAfter(text, fset.Position(spec.End()).Offset)
				return text[:at] + line + text[at:], nil // format.Source sorts the group
			}
		}
	}
	if len(file.Decls) == 0 {
		return "", errors.New("it imports nothing")
	}
	decl := file.Decls[len(file.Decls)-1].(*ast.GenDecl) // all of them are imports
	if decl.Lparen.IsValid() {
		at := fset.Position(decl.Rparen).Offset
		return strings.TrimRight(text[:at], " \t\n") + "\n\n" + line + text[at:], nil
	}
	from, to := fset.Position(decl.Specs[0].Pos()).Offset, fset.Position(decl.End()).Offset
	return text[:from] + "(\n\t" + text[from:to] + "\n\n" + line + ")" + text[to:], nil
}

func inParentheses(file *ast.File, spec *ast.ImportSpec) bool {
	return slices.ContainsFunc(file.Decls, func(d ast.Decl) bool {
		decl, ok := d.(*ast.GenDecl)
		return ok && decl.Lparen.IsValid() && decl.Pos() <= spec.Pos() && spec.End() <= decl.End()
	})
}

// lineAfter returns where the line after the offset begins.
func lineAfter(text string, offset int) int {
	if i := strings.IndexByte(text[offset:], '\n'); i >= 0 {
		return offset + i + 1
	}
	return len(text)
}

func importPath(spec *ast.ImportSpec) string { return strings.Trim(spec.Path.Value, "`\"") }
