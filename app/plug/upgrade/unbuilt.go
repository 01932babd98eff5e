package upgrade

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// unbuilt remarks on Go files of the module that are not built on this system and seem to use an old name. Without types that is
// a guess.
func (s *site) unbuilt(renames []Rename, remark func(file string, at token.Position, text string)) error {
	built := map[string]bool{}
	for _, p := range s.packages {
		for _, name := range p.CompiledGoFiles {
			built[name] = true
		}
	}
	return filepath.WalkDir(s.dir, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != s.dir && s.elsewhere(name):
			return fs.SkipDir
		case !entry.Type().IsRegular() || filepath.Ext(name) != ".go" || built[name]:
			return nil
		}
		positions := token.NewFileSet()
		file, _ := parser.ParseFile(positions, name, nil, parser.SkipObjectResolution) // what cannot be parsed is looked at in part
		if file != nil {
			s.guess(file, renames, func(id *ast.Ident, to string) {
				remark(name, positions.PositionFor(id.Pos(), false), fmt.Sprintf("%s seems to be the host's, which is called %s now; the file is not built "+
					"on this system, so rename it by hand", id.Name, to))
			})
		}
		return nil
	})
}

// elsewhere says whether Go does not count a folder among the module's.
func (s *site) elsewhere(folder string) bool {
	base := filepath.Base(folder)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "vendor" {
		return true
	}
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}

// guess finds identifiers that look like old names.
func (s *site) guess(file *ast.File, renames []Rename, found func(id *ast.Ident, to string)) {
	imported := s.imported(file)
	for _, r := range renames {
		local, imports := imported[r.Package]
		ast.Inspect(file, func(n ast.Node) bool {
			var id *ast.Ident
			switch n := n.(type) {
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if r.Type != "" || imports && ok && x.Name == local {
					id = n.Sel
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && r.Type != "" {
					id = key
				}
			case *ast.Ident:
				if r.Type == "" && imports && local == "." {
					id = n
				}
			}
			if id != nil && id.Name == r.Old {
				found(id, r.New)
			}
			return true
		})
	}
}

// imported returns the local names of the host's packages in a file, by import path.
func (s *site) imported(file *ast.File) map[string]string {
	names := map[string]string{}
	for _, spec := range file.Imports {
		importPath, err := strconv.Unquote(spec.Path.Value)
		host := s.hosts[importPath]
		switch {
		case err != nil || host == nil:
		case spec.Name != nil:
			names[importPath] = spec.Name.Name
		default:
			names[importPath] = host.Name
		}
	}
	return names
}
