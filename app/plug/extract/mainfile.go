package extract

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"strconv"
	"strings"

	"plugboard/app/plug/internal/edit"
)

// editMain puts host.Infra in the place of the host's modules, and host.Main in that of whatever ran them. Everything else
// in the list stays.
func (v *Service) editMain(fset *token.FileSet, file *ast.File, text []byte) ([]edit.Edit, error) {
	m := &mainFile{fset: fset, text: text, names: map[string]string{}}
	for _, decl := range file.Decls {
		if imports, ok := decl.(*ast.GenDecl); ok && imports.Tok == token.IMPORT {
			m.imports(imports, v.old, v.Site.Host+"/infra/host")
		}
	}
	ast.Inspect(file, m.visit)
	return m.edits, m.err
}

type mainFile struct {
	fset  *token.FileSet
	text  []byte
	names map[string]string // the host's packages by the names that the file gives them
	infra bool              // host.Infra is written
	edits []edit.Edit
	err   error
}

// imports has the first of the host's packages replaced by the one that a service has, and removes the others.
func (m *mainFile) imports(decl *ast.GenDecl, old, host string) {
	for _, spec := range decl.Specs {
		s := spec.(*ast.ImportSpec)
		imported, err := strconv.Unquote(s.Path.Value)
		rel, ours := strings.CutPrefix(imported, old+"/")
		if err != nil || !ours || !hostPart(rel) {
			continue
		}
		name := path.Base(rel)
		if s.Name != nil {
			name = s.Name.Name
		}
		m.names[name] = rel
		switch {
		case len(m.names) == 1:
			m.replace(s, strconv.Quote(host))
		case decl.Lparen.IsValid():
			m.remove(s)
		default:
			m.remove(decl)
		}
	}
}

// visit edits the references to packages of the host below a node.
func (m *mainFile) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		for _, arg := range n.Args {
			if sel := m.module(arg); sel != nil {
				m.replaceModule(sel)
			}
		}
	case *ast.SelectorExpr:
		if sel := m.module(n); sel != nil {
			if m.err == nil && !m.listed(sel) {
				at := m.fset.Position(sel.Pos())
				m.err = fmt.Errorf("main.go:%d: %s stands outside of a list; put it into the call of fx.Options, with the other modules, and commit that first; nothing was changed",
					at.Line, m.text[at.Offset:m.fset.Position(sel.End()).Offset])
			}
			return false
		}
		if id, ok := n.X.(*ast.Ident); ok && m.names[id.Name] != "" { // host.Main, cli.Main, httpserver.Spec
			m.replace(id, "host")
			return false
		}
	}
	return true
}

// module returns the reference to a module of the host that e is, or nil.
func (m *mainFile) module(e ast.Expr) *ast.SelectorExpr {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Module" {
		return nil
	}
	if id, ok := sel.X.(*ast.Ident); !ok || m.names[id.Name] == "" {
		return nil
	}
	return sel
}

func (m *mainFile) replaceModule(sel *ast.SelectorExpr) {
	if m.infra {
		m.remove(sel)
		return
	}
	m.infra = true
	m.replace(sel, "host.Infra")
}

// listed reports whether the reference was replaced as an element of a list.
func (m *mainFile) listed(sel *ast.SelectorExpr) bool {
	at := m.fset.Position(sel.Pos()).Offset
	for _, e := range m.edits {
		if e.From <= at && at < e.To {
			return true
		}
	}
	return false
}

func (m *mainFile) replace(n ast.Node, with string) {
	m.edits = append(m.edits, edit.Edit{From: m.fset.Position(n.Pos()).Offset, To: m.fset.Position(n.End()).Offset, Text: with})
}

// remove removes a node with the comma behind it; and its line, with the comment at its end, if nothing else is there.
func (m *mainFile) remove(n ast.Node) {
	from, to := m.fset.Position(n.Pos()).Offset, m.fset.Position(n.End()).Offset
	for to < len(m.text) && strings.ContainsRune(", \t", rune(m.text[to])) {
		to++
	}
	begin, end := from, to
	for begin > 0 && strings.ContainsRune(" \t", rune(m.text[begin-1])) {
		begin--
	}
	for end < len(m.text) && m.text[end] != '\n' {
		end++
	}
	rest := string(m.text[to:end])
	if (begin == 0 || m.text[begin-1] == '\n') && (rest == "" || strings.HasPrefix(rest, "//")) {
		from, to = begin, min(end+1, len(m.text))
	}
	m.edits = append(m.edits, edit.Edit{From: from, To: to})
}
