package docs

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
)

// contextContract lists the exported parts of app and app/apptest, each with the first sentence of its comment. It
// leaves out the host's half, in the files host_*.go.
func (p *Project) contextContract(b *page) error {
	for _, folder := range []struct{ title, pkg string }{
		{"## What a plugin is written against: package app", p.contract},
		{"## What a plugin is tested with: package apptest", p.contract + "/apptest"},
	} {
		b.line("%s\n\n```go", folder.title)
		pkg, fset, err := p.parsePackage(folder.pkg)
		if err != nil {
			return err
		}
		c := contract{page: b, fset: fset}
		for _, f := range pkg.Funcs {
			c.function(f)
		}
		for _, t := range pkg.Types {
			c.declaredType(t)
		}
		b.line("```\n")
	}
	return nil
}

func (p *Project) parsePackage(path string) (*doc.Package, *token.FileSet, error) {
	names, err := filepath.Glob(filepath.Join(p.Sources.Folder(path), "*.go"))
	if err != nil {
		return nil, nil, fmt.Errorf("list %s: %w", path, err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(filepath.Base(name), "host_") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, fmt.Errorf("parse %s: %w", path, err)
		}
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, path)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", path, err)
	}
	return pkg, fset, nil
}

// contract writes declarations.
type contract struct {
	*page

	fset *token.FileSet
}

// forHost reports whether a comment says that its declaration is not for plugins.
func forHost(comment string) bool {
	comment = strings.Join(strings.Fields(comment), " ")
	return slices.ContainsFunc([]string{"for the host", "to the host", "for implementations of", "implements "}, func(s string) bool {
		return strings.Contains(comment, s)
	})
}

func (c contract) function(f *doc.Func) {
	if forHost(f.Doc) {
		return
	}
	decl := *f.Decl
	decl.Doc, decl.Body = nil, nil
	c.line("%s // %s", c.print(&decl), c.sentence(f.Doc, f.Name))
}

// sentence returns the first sentence of a comment without the name it begins with.
func (c contract) sentence(comment, name string) string {
	first, _, _ := strings.Cut(strings.Join(strings.Fields(comment), " ")+" ", ". ")
	return strings.TrimPrefix(strings.TrimSuffix(strings.TrimSpace(first), "."), name+" ")
}

// print writes a declaration on one line.
func (c contract) print(node any) string {
	var b strings.Builder
	if err := (&printer.Config{Mode: printer.RawFormat}).Fprint(&b, c.fset, node); err != nil {
		return ""
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// declaredType writes a type with its constants, functions and methods, and the parts of structs and interfaces. Of a
// type for the host it writes only the functions that make one.
func (c contract) declaredType(t *doc.Type) {
	host := forHost(t.Doc)
	for _, spec := range t.Decl.Specs {
		s, ok := spec.(*ast.TypeSpec)
		if !ok || s.Name.Name != t.Name || host {
			continue
		}
		c.line("type %s%s // %s", s.Name.Name, c.parameters(s)+c.kind(s.Type), c.sentence(t.Doc, t.Name))
		c.parts(s.Type)
	}
	for _, group := range t.Consts {
		c.constants(group)
	}
	for _, f := range t.Funcs {
		c.function(f)
	}
	for _, f := range t.Methods {
		if !host {
			c.function(f)
		}
	}
}

// constants names the constants of a group, each with the comment on its line.
func (c contract) constants(group *doc.Value) {
	var all []string
	for _, spec := range group.Decl.Specs {
		s, ok := spec.(*ast.ValueSpec)
		if !ok {
			continue
		}
		for _, name := range s.Names {
			text := name.Name
			if comment := strings.TrimSpace(s.Comment.Text()); comment != "" {
				text += " (" + comment + ")"
			}
			all = append(all, text)
		}
	}
	c.line("const %s", strings.Join(all, ", "))
}

func (c contract) parameters(s *ast.TypeSpec) string {
	if s.TypeParams == nil {
		return ""
	}
	var all []string
	for _, f := range s.TypeParams.List {
		for _, name := range f.Names {
			all = append(all, name.Name+" "+c.print(f.Type))
		}
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func (c contract) kind(e ast.Expr) string {
	switch e.(type) {
	case *ast.StructType:
		return " struct"
	case *ast.InterfaceType:
		return " interface"
	default:
		return " " + c.print(e)
	}
}

func (c contract) parts(e ast.Expr) {
	var fields []*ast.Field
	switch e := e.(type) {
	case *ast.StructType:
		fields = e.Fields.List
	case *ast.InterfaceType:
		fields = e.Methods.List
	}
	if slices.ContainsFunc(fields, func(f *ast.Field) bool { return len(f.Names) == 0 && c.print(f.Type) == "fx.Option" }) {
		return // it is for a list, and its fields are for the host
	}
	for _, f := range fields {
		for _, name := range f.Names {
			if !name.IsExported() {
				continue
			}
			line := "\t" + name.Name
			if _, method := f.Type.(*ast.FuncType); method {
				line += strings.TrimPrefix(c.print(f.Type), "func")
			} else {
				line += " " + c.print(f.Type)
			}
			if text := c.sentence(f.Doc.Text(), name.Name); text != "" {
				line += " // " + text
			}
			c.line("%s", line)
		}
	}
}
