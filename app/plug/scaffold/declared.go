package scaffold

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	pathpkg "path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// declaration is a name that a file declares for its package, or imports.
type declaration struct {
	name, file, pkg string
	kind            token.Token // TYPE, VAR, CONST, FUNC or IMPORT
}

// declarations returns the declarations and imports of the files of a pattern, from the module's root. It skips files
// that are no Go; the compiler reports them.
func (t *tree) declarations(pattern string) []declaration {
	files, err := filepath.Glob(t.path(pattern))
	if err != nil {
		return nil
	}
	var all []declaration
	for _, name := range files {
		rel, err := filepath.Rel(t.dir, name)
		if err != nil {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			continue
		}
		for _, decl := range file.Decls {
			for _, d := range declaredBy(decl) {
				d.file, d.pkg = filepath.ToSlash(rel), file.Name.Name
				all = append(all, d)
			}
		}
	}
	return all
}

func declaredBy(decl ast.Decl) []declaration {
	if f, ok := decl.(*ast.FuncDecl); ok {
		if f.Recv != nil {
			return nil
		}
		return []declaration{{name: f.Name.Name, kind: token.FUNC}}
	}
	var all []declaration
	for _, spec := range decl.(*ast.GenDecl).Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			all = append(all, declaration{name: spec.Name.Name, kind: token.TYPE})
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				all = append(all, declaration{name: name.Name, kind: decl.(*ast.GenDecl).Tok})
			}
		case *ast.ImportSpec:
			name := packageName(importPath(spec))
			if spec.Name != nil {
				name = spec.Name.Name
			}
			all = append(all, declaration{name: name, kind: token.IMPORT})
		}
	}
	return all
}

var majorVersion = regexp.MustCompile(`(?:/|\.)v[0-9]+$`)

// packageName returns the name that a package most likely has: the last part of its path without its version.
func packageName(path string) string { return pathpkg.Base(majorVersion.ReplaceAllString(path, "")) }

// inMain reports whether the name means something else in the package of main.go than an existing domain.
func (t *tree) inMain(domain string) bool {
	return !t.exists("domains/"+domain) && slices.ContainsFunc(t.declarations("*.go"), func(d declaration) bool {
		return d.name == domain && d.pkg == "main" && (d.kind != token.IMPORT || d.file == "main.go")
	})
}

// checkNames says which file has a name that the new plugin would declare: any, in its own domain; in others those of
// schemas.
func (t *tree) checkNames(v values) error {
	folder := "domains/" + v.Domain + "/plugins/"
	mine := []string{folder + v.Name + ".go", folder + v.Name + "_test.go"}
	for _, d := range t.declarations("domains/*/plugins/*.go") {
		switch own, test := strings.HasPrefix(d.file, folder), strings.HasSuffix(d.file, "_test.go"); {
		case d.kind == token.IMPORT || slices.Contains(mine, d.file):
		case own && test && slices.Contains([]string{"Test" + v.Go, "Test" + v.Go + "Subscribes", "Test" + v.Go + "IsScheduled", "asks" + v.Go}, d.name):
			return fmt.Errorf("%s declares %s already; take another name", d.file, d.name)
		case test || !own && d.kind != token.TYPE && d.kind != token.VAR || !v.declares(d.name):
		case own:
			return fmt.Errorf("%s declares %s already; take another name", d.file, d.name)
		default:
			return fmt.Errorf("%s declares %s already, and schemas of one name would be renamed in the description; take another name", d.file, v.Go)
		}
	}
	return nil
}

// declares reports whether a plugin of v's name has the name for itself.
func (v values) declares(name string) bool {
	if name == "New"+v.Go+"Plugin" {
		return true
	}
	part, ok := strings.CutPrefix(name, v.Go)
	return ok && slices.Contains([]string{"", "Request", "Data", "Item", "Response", "Event", "Query", "Answer", "Plugin"}, part)
}
