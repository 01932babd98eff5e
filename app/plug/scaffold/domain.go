package scaffold

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
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
	first := !strings.Contains(text, `"`+v.Module+`/domains/`)
	if text, err = addModule(text, v.Domain+".Module", first); err == nil {
		text, err = addImport(text, v.Module, v.Module+"/domains/"+v.Domain)
	}
	if err != nil {
		return fmt.Errorf("add %s to main.go: %w", v.Domain, err)
	}
	t.changed["main.go"] = text
	return nil
}

// addModule adds a domain to the list of main.go. The first one stands apart from what is there.
func addModule(text, module string, first bool) (string, error) {
	list, err := findList(text, "fx.Options")
	if err != nil {
		return "", err
	}
	if text = list.spread(); first && len(list.call.Args) > 0 {
		module = "\n\t" + module
	}
	return appendArgument(text, "fx.Options", module)
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

// argumentList is a call of a function in a file.
type argumentList struct {
	text string
	fset *token.FileSet
	call *ast.CallExpr
}

// findList finds the first call of the function that makes a variable.
func findList(text, function string) (argumentList, error) {
	list := argumentList{text: text, fset: token.NewFileSet()}
	file, err := parser.ParseFile(list.fset, "", text, parser.SkipObjectResolution)
	if err != nil {
		return list, fmt.Errorf("parse: %w", err)
	}
	for _, decl := range file.Decls {
		if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.VAR {
			ast.Inspect(d, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok && list.call == nil && list.between(call.Fun.Pos(), call.Fun.End()) == function {
					list.call = call
				}
				return list.call == nil
			})
		}
	}
	if list.call == nil {
		return list, fmt.Errorf("there is no variable made with %s(…)", function)
	}
	return list, nil
}

func (l argumentList) at(pos token.Pos) int { return l.fset.Position(pos).Offset }

func (l argumentList) between(from, to token.Pos) string { return l.text[l.at(from):l.at(to)] }

// spread returns the text with one argument a line, when the whole list is on one line.
func (l argumentList) spread() string {
	if strings.Contains(l.between(l.call.Lparen, l.call.Rparen), "\n") {
		return l.text
	}
	var lines strings.Builder
	for _, arg := range l.call.Args {
		lines.WriteString("\t" + l.between(arg.Pos(), arg.End()) + ",\n")
	}
	return l.text[:l.at(l.call.Lparen)+1] + "\n" + lines.String() + l.text[l.at(l.call.Rparen):]
}

// appendArgument adds an argument, on a line of its own, to the variable's call of a function.
func appendArgument(text, function, argument string) (string, error) {
	list, err := findList(text, function)
	if err != nil {
		return "", err
	}
	at := list.at(list.call.Rparen)
	before := strings.TrimRight(text[:at], " \t")
	if !strings.HasSuffix(before, "\n") {
		return "", errors.New("its list must have one entry a line, and the closing ) on its own")
	}
	if strings.Contains(before, "\t"+strings.TrimSpace(argument)+",") {
		return "", fmt.Errorf("%s is in its list already", strings.TrimSpace(argument))
	}
	return before + "\t" + argument + ",\n" + text[at:], nil
}
