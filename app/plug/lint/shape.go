package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

func shapeRule() definition {
	return define("shape", "a plugin file is one plugin, named after the file, with its parts in the fixed order", checkShape)
}

// shaped is a plugin file while it is held against the shape.
type shaped struct {
	rule

	file     *ast.File
	feature  string // "create_product"
	exported string // "CreateProduct"
	at       map[string]declared
}

// declared is where a part stands.
type declared struct {
	index int
	pos   token.Pos
}

func checkShape(r rule) {
	if !r.plugins() || strings.HasSuffix(r.Pkg.Name(), "_test") {
		return
	}
	for _, f := range r.sources() {
		name := r.fileName(f.Package)
		if name == "doc.go" {
			continue
		}
		feature := strings.TrimSuffix(name, ".go")
		s := shaped{rule: r, file: f, feature: feature, exported: Exported(feature), at: map[string]declared{}}
		s.check()
	}
}

// Exported returns the Go name of a plugin file's feature: CreateProduct for create_product.
func Exported(feature string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(feature, "_") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

func (s shaped) parts() []string {
	return []string{
		"var " + s.exported, "type " + s.exported + "Plugin", "func New" + s.exported + "Plugin", "method OnBoot", "method Execute",
	}
}

func (s shaped) check() {
	for i, decl := range s.file.Decls {
		for name, pos := range s.declared(decl) {
			s.at[name] = declared{i + 1, pos}
		}
	}
	parts, last := s.parts(), 0
	for _, part := range parts {
		switch at := s.at[part]; {
		case at.index == 0:
			s.report(s.file.Name.Pos(), "%s is missing; the file %s.go declares %s", part, s.feature, strings.Join(parts, ", "))
		case at.index < last:
			s.report(at.pos, "%s stands too early; the order is %s", part, strings.Join(parts, ", "))
		default:
			last = at.index
		}
	}
	s.checkOthers(parts)
}

func (s shaped) checkOthers(parts []string) {
	plugin := s.at[parts[0]].index
	for name, at := range s.at {
		kind, ident, _ := strings.Cut(name, " ")
		if !ast.IsExported(ident) || slices.Contains(parts, name) {
			continue
		}
		switch {
		case kind == "type" && plugin > 0 && at.index > plugin:
			s.report(at.pos, "%s stands below the plugin; move it up: requests, responses and events come first", name)
		case kind == "var":
			s.report(at.pos, "%s: a plugin file has one exported variable, the plugin; a second plugin goes into a file of its own, anything else is a constant or a field", name)
		}
	}
}

// declared returns the names in a declaration: "type X", "var X", "func X" or, for the plugin's own methods, "method X".
func (s shaped) declared(decl ast.Decl) map[string]token.Pos {
	found := map[string]token.Pos{}
	switch d := decl.(type) {
	case *ast.FuncDecl:
		switch {
		case d.Recv == nil:
			found["func "+d.Name.Name] = d.Pos()
		case receiverName(d) == s.exported+"Plugin":
			found["method "+d.Name.Name] = d.Pos()
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				found["type "+spec.Name.Name] = spec.Pos()
			case *ast.ValueSpec:
				if d.Tok == token.CONST {
					continue
				}
				for _, name := range spec.Names {
					found["var "+name.Name] = name.Pos()
				}
				s.checkValue(spec)
			}
		}
	}
	return found
}

// checkValue checks app.Plugin[*XPlugin]("domain.file", NewXPlugin).
func (s shaped) checkValue(spec *ast.ValueSpec) {
	if spec.Names[0].Name != s.exported || len(spec.Values) != 1 {
		return
	}
	want := fmt.Sprintf("app.Plugin[*%sPlugin](%s, New%sPlugin)", s.exported, strconv.Quote(s.domain+"."+s.feature), s.exported)
	if got := printed(spec.Values[0]); got != want {
		s.report(spec.Values[0].Pos(), "the plugin is %s; a file %s.go in the domain %s declares %s", got, s.feature, s.domain, want)
	}
}

// printed prints the forms of expression that a plugin's declaration consists of.
func printed(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.CallExpr:
		args := make([]string, len(e.Args))
		for i, arg := range e.Args {
			args[i] = printed(arg)
		}
		return printed(e.Fun) + "(" + strings.Join(args, ", ") + ")"
	case *ast.IndexExpr:
		return printed(e.X) + "[" + printed(e.Index) + "]"
	case *ast.SelectorExpr:
		return printed(e.X) + "." + e.Sel.Name
	case *ast.StarExpr:
		return "*" + printed(e.X)
	case *ast.Ident:
		return e.Name
	case *ast.BasicLit:
		return e.Value
	default:
		return fmt.Sprintf("%T", e)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

func settingsRule() definition {
	return define("settings", "each field of a domain's settings has a comment, which becomes its documentation", checkSettings)
}

// checkSettings looks at the structs of settings: those whose fields have the tag key.
func checkSettings(r rule) {
	if r.room != "domain" {
		return
	}
	for _, f := range r.sources() {
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.StructType)
			if !ok {
				return true
			}
			for _, field := range s.Fields.List {
				if key, has := tagOf(field).Lookup("key"); has && strings.TrimSpace(field.Doc.Text()) == "" {
					r.report(field.Pos(), "the setting %s has no comment above it; write what it does and its unit, which the list of settings and the error messages show", key)
				}
			}
			return true
		})
	}
}
