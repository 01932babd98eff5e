package upgrade

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
)

// directive is the line of a comment that says what a deprecated declaration is called now.
const directive = "//plug:renamed"

// key names a declaration.
type key struct {
	pkg string // the import path
	typ string // the type whose method or field it is, or ""
	old string
}

// String names the declaration in a sentence.
func (k key) String() string {
	if k.typ != "" {
		return k.typ + "." + k.old
	}
	return k.pkg[strings.LastIndexByte(k.pkg, '/')+1:] + "." + k.old
}

// declarations are what the host's comments say about names.
type declarations struct {
	renamed    map[key]string // the new names
	deprecated map[key]string // what the comment says after "Deprecated:"
}

// declarations reads the comments of the host's packages.
func (s *site) declarations() (*declarations, error) {
	d := &declarations{renamed: map[key]string{}, deprecated: map[key]string{}}
	for _, importPath := range slices.Sorted(maps.Keys(s.hosts)) {
		for _, name := range s.hosts[importPath].GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, fmt.Errorf("read the host's %s: %w", importPath, err)
			}
			d.read(importPath, file)
		}
	}
	return d, nil
}

func (d *declarations) read(pkg string, file *ast.File) {
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			d.add(key{pkg, receiver(decl), decl.Name.Name}, decl.Doc)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				d.readSpec(pkg, decl, spec)
			}
		}
	}
}

func (d *declarations) readSpec(pkg string, decl *ast.GenDecl, spec ast.Spec) {
	doc := func(own *ast.CommentGroup) *ast.CommentGroup {
		if own == nil && !decl.Lparen.IsValid() {
			return decl.Doc
		}
		return own
	}
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			d.add(key{pkg, "", name.Name}, doc(spec.Doc))
		}
	case *ast.TypeSpec:
		d.add(key{pkg, "", spec.Name.Name}, doc(spec.Doc))
		var members *ast.FieldList
		switch t := spec.Type.(type) {
		case *ast.StructType:
			members = t.Fields
		case *ast.InterfaceType:
			members = t.Methods
		default:
			return
		}
		for _, member := range members.List {
			for _, name := range member.Names {
				d.add(key{pkg, spec.Name.Name, name.Name}, member.Doc)
			}
		}
	}
}

// receiver returns the name of a method's type, or "" for a function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return ""
	}
	typ := f.Recv.List[0].Type
	for {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ = t.X
		case *ast.ParenExpr:
			typ = t.X
		case *ast.IndexExpr:
			typ = t.X
		case *ast.IndexListExpr:
			typ = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}

// add keeps what a declaration's comment says.
func (d *declarations) add(k key, doc *ast.CommentGroup) {
	if doc == nil || !ast.IsExported(k.old) {
		return
	}
	for _, c := range doc.List {
		line := strings.Fields(c.Text)
		if len(line) == 2 && line[0] == directive && token.IsIdentifier(line[1]) && line[1] != k.old {
			d.renamed[k] = line[1]
		}
	}
	if _, text, ok := strings.Cut("\n\n"+doc.Text(), "\n\nDeprecated: "); ok {
		text, _, _ = strings.Cut(text, "\n\n")
		d.deprecated[k] = strings.Join(strings.Fields(text), " ")
	}
}

func (d *declarations) list() []Rename {
	var all []Rename
	for k, to := range d.renamed {
		all = append(all, Rename{Package: k.pkg, Type: k.typ, Old: k.old, New: to})
	}
	slices.SortFunc(all, func(a, b Rename) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Old, b.Old))
	})
	return all
}
