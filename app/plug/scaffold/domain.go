package scaffold

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// makeDomain makes a domain's folder, and adds the domain to main.go.
func (t *tree) makeDomain(folder string, v values) error {
	t.render(folder+"/"+v.Domain+".go", "domain.go.tmpl", v)
	t.render(folder+"/plugins/doc.go", "doc.go.tmpl", v)
	t.render(folder+"/models/"+strings.ToLower(v.Entity)+".go", "model.go.tmpl", v)
	t.render(folder+"/migrations/migrations.go", "migrations.go.tmpl", v)
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.render(folder+"/migrations/"+dialect+"/00001_create_"+v.Table+".sql", dialect+".sql.tmpl", v)
	}
	return t.addToMain(v)
}

func (t *tree) addToMain(v values) error {
	text, err := t.read("main.go")
	if err != nil {
		return err
	}
	imported := regexp.MustCompile(`(?m)^\t"`+regexp.QuoteMeta(v.Module)+`/domains/\w+"\n`).FindAllStringIndex(text, -1)
	if imported == nil {
		return fmt.Errorf("add %s to main.go: it imports no domain after which to add it", v.Domain)
	}
	at := imported[len(imported)-1][1]
	text = text[:at] + "\t\"" + v.Module + "/domains/" + v.Domain + "\"\n" + text[at:]
	text, err = appendArgument(text, "fx.Options", v.Domain+".Module")
	if err != nil {
		return fmt.Errorf("add %s to main.go: %w", v.Domain, err)
	}
	t.changed["main.go"] = text
	return nil
}

// list adds the plugin to the domain's list.
func (t *tree) list(file, plugin string) error {
	text, err := t.read(file)
	if err != nil {
		return err
	}
	if !strings.Contains(text, "/plugins\"\n") {
		return fmt.Errorf("add the plugin to %s: the file does not import its plugins", file)
	}
	if text, err = appendArgument(text, "app.Domain", "plugins."+plugin); err != nil {
		return fmt.Errorf("add the plugin to %s: %w", file, err)
	}
	t.changed[file] = text
	return nil
}

// appendArgument adds an argument, on a line of its own, to the variable's call of a function.
func appendArgument(text, function, argument string) (string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", text, parser.SkipObjectResolution)
	if err != nil {
		return "", fmt.Errorf("parse: %w", err)
	}
	at := -1
	for _, decl := range file.Decls {
		if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.VAR {
			ast.Inspect(d, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if ok && at < 0 && text[fset.Position(call.Fun.Pos()).Offset:fset.Position(call.Fun.End()).Offset] == function {
					at = fset.Position(call.Rparen).Offset
				}
				return at < 0
			})
		}
	}
	if at < 0 {
		return "", fmt.Errorf("there is no variable made with %s(…)", function)
	}
	before := strings.TrimRight(text[:at], " \t")
	if !strings.HasSuffix(before, "\n") {
		return "", errors.New("its list must have one entry a line, and the closing ) on its own")
	}
	if strings.Contains(before, "\t"+argument+",") {
		return "", fmt.Errorf("%s is in its list already", argument)
	}
	return before + "\t" + argument + ",\n" + text[at:], nil
}

var (
	eventsRow  = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]*) \\| ([^|\n]*)\\|$")
	moduleName = regexp.MustCompile(`(?m)^\t(\w+)\.Module,$`)
)

// noteSubscriber adds the plugin to the table of events in docs/architecture.md, where there is one. Subscribers stand
// in the order of main.go.
func (t *tree) noteSubscriber(p Plugin) {
	const file = "docs/architecture.md"
	text, err := t.read(file)
	if err != nil {
		return
	}
	main, err := t.read("main.go")
	if err != nil {
		return
	}
	var order []string
	for _, m := range moduleName.FindAllStringSubmatch(main, -1) {
		order = append(order, m[1])
	}
	t.changed[file] = eventsRow.ReplaceAllStringFunc(text, func(row string) string {
		m := eventsRow.FindStringSubmatch(row)
		if m[1] != p.Topic {
			return row
		}
		var heard []string
		if cell := strings.TrimSpace(m[3]); cell != "" {
			heard = strings.Split(cell, ", ")
		}
		at := len(heard)
		for at > 0 && slices.Index(order, domainOf(heard[at-1])) > slices.Index(order, p.Domain) {
			at--
		}
		heard = slices.Insert(heard, at, "`"+p.Domain+"."+p.Name+"`")
		return fmt.Sprintf("| `%s` | %s | %s |", m[1], m[2], strings.Join(heard, ", "))
	})
}

func domainOf(cell string) string {
	domain, _, _ := strings.Cut(strings.Trim(cell, "`"), ".")
	return domain
}
