package upgrade

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"slices"

	"golang.org/x/tools/go/packages"
)

// uses are the places where the service uses names of the host that are remarkable.
type uses struct {
	*site
	*names
	edits map[string]map[int]edit // by file and offset
	left  map[Remark]bool
}

// edit replaces an identifier.
type edit struct{ old, now string }

func newUses(s *site, d *declarations) *uses {
	return &uses{
		site:  s,
		names: &names{declarations: d, fields: map[*types.Var]key{}, indexed: map[*types.Package]bool{}, followers: map[*types.Var]string{}},
		edits: map[string]map[int]edit{},
		left:  map[Remark]bool{},
	}
}

// source is a file of the service as one package sees it.
type source struct {
	pkg       *packages.Package
	file      *ast.File
	name      string
	generated bool
	// selectors are the selector expressions, by the identifier that is selected.
	selectors map[*ast.Ident]*ast.SelectorExpr
}

// find looks through all files.
func (u *uses) find() {
	var all []source
	for _, p := range u.packages {
		for _, file := range p.Syntax {
			name := p.Fset.PositionFor(file.FileStart, false).Filename
			if u.contains(name) { // and not a file that was made for cgo or for a test's main function
				all = append(all, source{pkg: p, file: file, name: name, generated: ast.IsGenerated(file), selectors: selectors(file)})
			}
		}
	}
	for _, s := range all {
		if !s.generated {
			u.follow(s.pkg.Types, u.embedded(s))
		}
	}
	for _, s := range all {
		ast.Inspect(s.file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				u.use(s, id)
			}
			return true
		})
	}
}

func selectors(file *ast.File) map[*ast.Ident]*ast.SelectorExpr {
	found := map[*ast.Ident]*ast.SelectorExpr{}
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			found[sel.Sel] = sel
		}
		return true
	})
	return found
}

// embedded returns the fields of a file that embed a renamed type, with their new names.
func (u *uses) embedded(s source) map[*types.Var]string {
	found := map[*types.Var]string{}
	ast.Inspect(s.file, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		field, ok := s.pkg.TypesInfo.Defs[id].(*types.Var)
		if !ok || !field.Embedded() {
			return true
		}
		if _, to, ok := u.newName(s.pkg.TypesInfo.Uses[id]); ok {
			found[field] = to
		}
		return true
	})
	return found
}

// use looks at an identifier: it is replaced, or remarked on.
func (u *uses) use(s source, id *ast.Ident) {
	obj := s.pkg.TypesInfo.Uses[id]
	k, to, renamed := u.newName(obj)
	switch {
	case !renamed:
		if k, ok := u.keyOf(obj); ok && u.deprecated[k] != "" && s.pkg.PkgPath != k.pkg {
			u.note(s, id, fmt.Sprintf("%s is deprecated: %s", k, u.deprecated[k]))
		}
	case s.generated:
		u.note(s, id, fmt.Sprintf("%s is called %s now; the file is generated, so generate it again", id.Name, to))
	case u.taken(s, id, k, obj, to):
		u.note(s, id, fmt.Sprintf("%s is called %s now; here that is the name of something else, so rename it by hand", id.Name, to))
	default:
		offset := s.pkg.Fset.PositionFor(id.Pos(), false).Offset
		if u.edits[s.name] == nil {
			u.edits[s.name] = map[int]edit{}
		}
		u.edits[s.name][offset] = edit{id.Name, to}
	}
}

// taken says whether the new name means something else where the old one is used.
func (u *uses) taken(s source, id *ast.Ident, k key, obj types.Object, to string) bool {
	sel := s.selectors[id]
	if sel == nil { // a dot import, or a key of a composite literal
		if v, ok := obj.(*types.Var); ok && v.IsField() {
			return false
		}
		_, found := s.pkg.Types.Scope().Innermost(id.Pos()).LookupParent(to, id.Pos())
		return found != nil && found.Parent() != obj.Pkg().Scope()
	}
	selection := s.pkg.TypesInfo.Selections[sel]
	if selection == nil { // of a package
		return false
	}
	found, index, _ := types.LookupFieldOrMethod(selection.Recv(), true, s.pkg.Types, to)
	switch {
	case found == nil:
		return false
	case u.hosts[k.pkg] == nil: // a field of the service, which does not have its new name yet
		return len(index) <= len(selection.Index())
	}
	return found.Pkg() == nil || found.Pkg().Path() != k.pkg || len(index) != len(selection.Index())
}

func (u *uses) note(s source, id *ast.Ident, text string) {
	u.remark(s.name, s.pkg.Fset.PositionFor(id.Pos(), false), text)
}

func (u *uses) remark(file string, at token.Position, text string) {
	u.left[Remark{File: u.relative(file), Line: at.Line, Text: text}] = true
}

func (u *uses) remarks() []Remark { return slices.SortedFunc(maps.Keys(u.left), compareRemarks) }
