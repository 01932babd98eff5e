package annotate

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"plugboard/app/plug/internal/edit"
	"plugboard/infra/host/manifest"
)

// source is a plugin file.
type source struct {
	fset *token.FileSet
	file *ast.File
}

func annotateFile(name string, text []byte, routes []manifest.Endpoint, docs *fieldDocs) ([]byte, error) {
	s := source{fset: token.NewFileSet()}
	var err error
	if s.file, err = parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution); err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	taken := map[*ast.FuncDecl]manifest.Endpoint{}
	var edits []edit.Edit
	for _, r := range routes {
		handler, err := s.handler(r)
		if err != nil {
			return nil, err
		}
		if other, twice := taken[handler]; twice {
			return nil, fmt.Errorf("%s %s and %s %s have one handler, %s, which can describe one of them; give each a method of its own",
				other.Method, other.Path, r.Method, r.Path, handler.Name.Name)
		}
		taken[handler] = r
		edits = append(edits, s.editDoc(handler, r, docs))
	}
	after := edit.Apply(text, edits)
	if formatted, err := format.Source(after); err != nil || !bytes.Equal(formatted, after) && bytes.Equal(mustFormat(text), text) {
		return nil, errors.Join(errors.New("the annotations would not be as gofmt writes them"), err)
	}
	return after, nil
}

// mustFormat returns text as gofmt writes it, nil when it does not parse.
func mustFormat(text []byte) []byte {
	formatted, err := format.Source(text)
	if err != nil {
		return nil
	}
	return formatted
}

// handler finds the method that the route's registration names: app.Handle(p.Execute) on the line it was registered on.
func (s source) handler(r manifest.Endpoint) (*ast.FuncDecl, error) {
	_, text, _ := strings.Cut(r.Source, ":")
	line, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("read source %q: %w", r.Source, err)
	}
	name := ""
	ast.Inspect(s.file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) < 2 || s.fset.Position(call.Pos()).Line > line || s.fset.Position(call.End()).Line < line {
			return true
		}
		if sel, ok := call.Args[min(2, len(call.Args)-1)].(*ast.SelectorExpr); ok && r.Kind == "raw" {
			name = sel.Sel.Name
		}
		if handle, ok := call.Args[1].(*ast.CallExpr); ok && len(handle.Args) == 1 {
			if sel, ok := handle.Args[0].(*ast.SelectorExpr); ok {
				name = sel.Sel.Name
			}
		}
		return name == ""
	})
	for _, decl := range s.file.Decls {
		if d, ok := decl.(*ast.FuncDecl); ok && d.Recv != nil && d.Name.Name == name {
			return d, nil
		}
	}
	if r.Kind == "raw" {
		return nil, fmt.Errorf("%s %s: the handler on line %d cannot be annotated; register it as b.Raw(%[1]q, %[2]q, p.Serve) with a method of this file, or say app.Hidden()",
			r.Method, r.Path, line)
	}
	return nil, fmt.Errorf("%s %s: no handler is found on line %d; register it as b.%s(%q, app.Handle(p.Execute)) with a method of this file",
		r.Method, r.Path, line, r.Method, r.Path)
}

// editDoc replaces the doc comment of handler by its prose, the annotations, and its lines for tools.
func (s source) editDoc(handler *ast.FuncDecl, r manifest.Endpoint, docs *fieldDocs) edit.Edit {
	e := edit.Edit{From: s.fset.Position(handler.Pos()).Offset}
	e.To = e.From
	if handler.Doc != nil {
		e.From, e.To = s.fset.Position(handler.Doc.Pos()).Offset, s.fset.Position(handler.Doc.End()).Offset
	}
	b := s.block(handler, r, docs)
	c := parseComment(handler.Doc)
	if len(c.prose) == 0 {
		c.prose = []string{"// " + b.placeholder()}
	}
	lines := slices.Concat(c.prose, []string{"//"}, b.lines())
	if said, derived := b.said(), b.derived(); said.mark() == derived.mark() {
		c.directives = append(c.directives, derivedLine+derived.mark())
	}
	if len(c.directives) > 0 {
		lines = slices.Concat(lines, []string{"//"}, c.directives)
	}
	e.Text = strings.Join(lines, "\n")
	if handler.Doc == nil {
		e.Text += "\n"
	}
	return e
}

// block reads the comment above the handler of an endpoint.
func (s source) block(handler *ast.FuncDecl, e manifest.Endpoint, docs *fieldDocs) block {
	c := parseComment(handler.Doc)
	b := block{Endpoint: e, old: parseOld(c.annotations), docs: docs, handler: handler.Name.Name, prose: plain(c.prose), mark: c.mark, pkg: docs.packageOf(e)}
	if b.response, b.request = s.types(handler); e.Kind == "raw" {
		b.response, b.request = s.local(e.Response), s.local(e.Request)
	}
	return b
}

// types returns the types of the handler's answer and request as the file writes them. An alias of the envelope is
// preferred.
func (s source) types(handler *ast.FuncDecl) (response, request string) {
	results, params := handler.Type.Results, handler.Type.Params
	if params != nil && len(params.List) > 0 {
		request = s.print(params.List[len(params.List)-1].Type)
	}
	if results == nil || len(results.List) == 0 {
		return "", request
	}
	response = "app.Response[" + s.print(results.List[0].Type) + "]"
	for _, decl := range s.file.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range d.Specs {
			if t, ok := spec.(*ast.TypeSpec); ok && t.Assign.IsValid() && s.print(t.Type) == response {
				return t.Name.Name, request
			}
		}
	}
	return response, request
}

// packageOf returns the package of an endpoint's handler.
func (d *fieldDocs) packageOf(e manifest.Endpoint) string {
	_, pkg, _ := d.from.File(e.Source)
	return pkg
}

// local is the name of a type, as reflection has it, as the file writes it.
func (s source) local(name string) string {
	name = folders.ReplaceAllString(name, "") // reflection names type arguments in full
	return strings.ReplaceAll(name, s.file.Name.Name+".", "")
}

var folders = regexp.MustCompile(`(?:[\w.~-]+/)+`)

func (s source) print(e ast.Expr) string {
	var b strings.Builder
	if err := printer.Fprint(&b, s.fset, e); err != nil {
		return ""
	}
	return b.String()
}

// Comments knows the doc comments of a service's sources. It is for one goroutine.
type Comments struct{ docs *fieldDocs }

// NewComments returns the comments of the sources.
func NewComments(from Sources) Comments { return Comments{docs: newFieldDocs(from)} }

// Sentence returns the first sentence of the comment on a "Type", "Type.Field", "Type.Method" or "function" of a package of
// the sources, without the name it begins with and without a full stop; "" when there is none.
func (c Comments) Sentence(pkg, name string) string {
	first, _ := sentence(c.docs.of(pkg, name), name[strings.LastIndex(name, ".")+1:])
	return first
}

// Declared takes the name of a declaration apart, as schemas have it: "a/b.Type.Field" is the package "a/b" and "Type.Field".
func Declared(name string) (pkg, declaration string) {
	folder := strings.LastIndexByte(name, '/') + 1
	last, declaration, _ := strings.Cut(name[folder:], ".")
	return name[:folder] + last, declaration
}

// Text returns the whole comment on a declaration, without the name it begins with; "" when there is none.
func (c Comments) Text(pkg, name string) string {
	first, rest := sentence(c.docs.of(pkg, name), name[strings.LastIndex(name, ".")+1:])
	if rest != "" {
		first += ". " + rest
	}
	return first
}

// fieldDocs knows the doc comments of types, fields, functions and methods, by folder.
type fieldDocs struct {
	from    Sources
	folders map[string]map[string]string
}

func newFieldDocs(from Sources) *fieldDocs {
	return &fieldDocs{from: from, folders: map[string]map[string]string{}}
}

// of returns the doc comment of "Type", "Type.Field", "Type.Method" or "function" of a package of the sources, or "".
func (d *fieldDocs) of(pkg, name string) string {
	folder := d.from.Folder(pkg)
	if folder == "" {
		return ""
	}
	return d.folder(folder)[name]
}

func (d *fieldDocs) folder(folder string) map[string]string {
	if known, ok := d.folders[folder]; ok {
		return known
	}
	found := map[string]string{}
	d.folders[folder] = found
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return found
	}
	for _, name := range names {
		text, err := os.ReadFile(name) //nolint:gosec // a source of the service
		if err != nil {
			continue
		}
		if f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution); err == nil {
			ast.Inspect(f, func(n ast.Node) bool { return collect(n, found) })
		}
	}
	return found
}

func collect(n ast.Node, found map[string]string) bool {
	if f, ok := n.(*ast.FuncDecl); ok {
		found[receiver(f)+f.Name.Name] = f.Doc.Text()
		return false
	}
	d, ok := n.(*ast.GenDecl)
	if !ok {
		_, file := n.(*ast.File)
		return file
	}
	for _, spec := range d.Specs {
		t, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		found[t.Name.Name] = t.Doc.Text()
		if found[t.Name.Name] == "" {
			found[t.Name.Name] = d.Doc.Text()
		}
		if s, ok := t.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				for _, name := range f.Names {
					found[t.Name.Name+"."+name.Name] = f.Doc.Text()
				}
			}
		}
	}
	return false
}

// receiver returns the type that f is a method of, with a dot, or "".
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return ""
	}
	t := f.Recv.List[0].Type
	if pointer, ok := t.(*ast.StarExpr); ok {
		t = pointer.X
	}
	if name, ok := t.(*ast.Ident); ok {
		return name.Name + "."
	}
	return ""
}

// Package returns the first sentence of the comment on a package of the sources, without "Package name" before it.
func (c Comments) Package(pkg string) string {
	names, err := filepath.Glob(filepath.Join(c.docs.from.Folder(pkg), "*.go"))
	if err != nil {
		return ""
	}
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil || f.Doc == nil || strings.HasSuffix(name, "_test.go") {
			continue
		}
		first, _ := sentence(f.Doc.Text(), "Package "+f.Name.Name)
		return first
	}
	return ""
}
