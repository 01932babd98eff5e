package extract

import (
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Write makes the service of the clone: it removes the host's files, rewrites the imports of the others, and writes the
// files that every service has. It returns what is left to do by hand, each as a sentence. Everything it removes is in the
// clone's history.
func (v *Service) Write() (left []string, err error) {
	texts := map[string][]byte{}
	for name, text := range v.kept {
		texts[name] = text
		if path.Ext(name) != ".go" {
			continue
		}
		after, problems, err := v.rewrite(name, text)
		if err != nil {
			return nil, err
		}
		texts[name] = after
		left = append(left, problems...)
	}
	if _, ok := texts["main.go"]; !ok {
		return nil, errors.New("the clone has no main.go")
	}
	for _, name := range v.files {
		if _, stays := texts[name]; stays {
			continue
		}
		if err := os.Remove(filepath.Join(v.dir, filepath.FromSlash(name))); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("remove a file of the host: %w", err)
		}
		v.removeEmpty(path.Dir(name))
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		file := filepath.Join(v.dir, filepath.FromSlash(name))
		if err := os.WriteFile(file, texts[name], 0o644); err != nil { //nolint:gosec // a source; one that is there keeps its mode
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
	}
	if err := v.Site.Complete(v.dir); err != nil {
		return nil, err
	}
	slices.Sort(left)
	return left, nil
}

// removeEmpty removes folders that have become empty.
func (v *Service) removeEmpty(folder string) {
	for folder != "." && os.Remove(filepath.Join(v.dir, filepath.FromSlash(folder))) == nil {
		folder = path.Dir(folder)
	}
}

// rewrite returns a Go file with the imports that it needs as part of the service, and what it still needs of the host
// that the host does not offer to services.
func (v *Service) rewrite(name string, text []byte) (after []byte, left []string, err error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	var edits []edit
	if name == "main.go" {
		edits = v.editMain(fset, file, text)
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		rel, ours := strings.CutPrefix(imported, v.old+"/")
		if err != nil || !ours {
			continue
		}
		to, offered := v.target(rel)
		if name == "main.go" && hostPart(rel) {
			continue // editMain has removed it
		}
		if !offered {
			left = append(left, fmt.Sprintf("%s imports %s of the host, which may change in any release", name, rel))
		}
		edits = append(edits, edit{fset.Position(spec.Path.Pos()).Offset, fset.Position(spec.Path.End()).Offset, strconv.Quote(to)})
	}
	after = apply(text, edits)
	if formatted, err := format.Source(after); err == nil {
		after = formatted // imports are sorted anew
	}
	return after, left, nil
}

// target returns what the service imports instead of a package of the clone, and whether the host offers it to services.
func (v *Service) target(rel string) (pkg string, offered bool) {
	domain := ""
	if strings.HasPrefix(rel, "domains/") {
		domain = domainOf(rel)
	}
	switch {
	case slices.Contains(v.Own, domain), rel == "docs", v.own[rel]:
		return v.Site.Module + "/" + rel, true
	case slices.Contains(v.Hosted, domain):
		return v.Site.Host + "/" + rel, true
	}
	return v.Site.Host + "/" + rel, slices.Contains([]string{"app", "app/apptest", "app/apptest/rules", "infra/host"}, rel)
}

// hostPart reports whether main.go of the clone imports the package for what host.Infra is now.
func hostPart(rel string) bool {
	return slices.Contains([]string{
		"infra/database", "infra/eventbus", "infra/host", "infra/host/cli", "infra/httpserver", "infra/logging", "infra/telemetry", "infra/workpool",
	}, rel)
}

// edit replaces a part of a file.
type edit struct {
	from, to int
	text     string
}

func apply(text []byte, edits []edit) []byte {
	slices.SortFunc(edits, func(a, b edit) int { return b.from - a.from })
	for _, e := range edits {
		text = slices.Concat(text[:e.from], []byte(e.text), text[e.to:])
	}
	return text
}

// editMain puts host.Infra in the place of the host's modules, and host.Main in that of whatever ran them. Everything else
// in the list stays.
func (v *Service) editMain(fset *token.FileSet, file *ast.File, text []byte) []edit {
	m := &mainFile{fset: fset, text: text, names: map[string]string{}}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		rel, ours := strings.CutPrefix(imported, v.old+"/")
		if err != nil || !ours || !hostPart(rel) {
			continue
		}
		name := path.Base(rel)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		m.names[name] = rel
		with := ""
		if len(m.names) == 1 {
			with = "\t" + strconv.Quote(v.Site.Host+"/infra/host") + "\n"
		}
		m.line(spec, with)
	}
	ast.Inspect(file, m.visit)
	return m.edits
}

type mainFile struct {
	fset  *token.FileSet
	text  []byte
	names map[string]string // the host's packages by the names that the file gives them
	infra bool              // host.Infra is written
	edits []edit
}

// visit edits a reference to a package of the host.
func (m *mainFile) visit(n ast.Node) bool {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return true
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok || m.names[id.Name] == "" {
		return true
	}
	switch {
	case sel.Sel.Name == "Module" && !m.infra:
		m.infra = true
		m.line(sel, "\thost.Infra,\n")
	case sel.Sel.Name == "Module":
		m.line(sel, "")
	default: // host.Main, cli.Main, httpserver.Spec
		m.edits = append(m.edits, edit{m.fset.Position(id.Pos()).Offset, m.fset.Position(id.End()).Offset, "host"})
	}
	return false
}

// line replaces the line of a node.
func (m *mainFile) line(n ast.Node, with string) {
	from, to := m.fset.Position(n.Pos()).Offset, m.fset.Position(n.End()).Offset
	for from > 0 && m.text[from-1] != '\n' {
		from--
	}
	for to < len(m.text) && m.text[to] != '\n' {
		to++
	}
	m.edits = append(m.edits, edit{from, min(to+1, len(m.text)), with})
}
