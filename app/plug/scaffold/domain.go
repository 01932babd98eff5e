package scaffold

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
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
