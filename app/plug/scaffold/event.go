package scaffold

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// eventField is a field of an event that a subscriber reads.
type eventField struct{ Go, Type, Name string }

var topicForm = regexp.MustCompile(`^[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*$`)

// event returns the fields of simple types, which need no import, of the event that is published under the plugin's topic.
func (t *tree) event(p Plugin) ([]eventField, error) {
	published := map[string][]eventField{}
	err := t.eachPlugin(func(_ string, file *ast.File) { maps.Copy(published, publishedIn(file)) })
	if err != nil {
		return nil, err
	}
	fields, ok := published[p.Topic]
	topics := cmp.Or(strings.Join(slices.Sorted(maps.Keys(published)), ", "), "none")
	switch {
	case p.Topic == "":
		return nil, fmt.Errorf("--kind subscriber needs --topic; published are: %s", topics)
	case ok && p.Ahead:
		return nil, fmt.Errorf("%s is published already; leave out --ahead", p.Topic)
	case !ok && !p.Ahead:
		return nil, fmt.Errorf("nobody publishes %s; published are: %s; give --ahead to make the subscriber before its publisher", p.Topic, topics)
	}
	return fields, nil
}

// checkAnswered says which plugin answers the topic already.
func (t *tree) checkAnswered(v values) error {
	var problem error
	err := t.eachPlugin(func(name string, file *ast.File) {
		if slices.Contains(answeredIn(file), v.Topic) {
			problem = fmt.Errorf("%s answers %s already; give another --topic", name, v.Topic)
		}
	})
	return errors.Join(err, problem)
}

// eachPlugin parses the files of all plugins. Their names are those from the module's root.
func (t *tree) eachPlugin(visit func(name string, file *ast.File)) error {
	files, err := filepath.Glob(t.path("domains/*/plugins/*.go"))
	if err != nil {
		return fmt.Errorf("look for plugins: %w", err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("look for plugins: %w", err)
		}
		rel, _ := filepath.Rel(t.dir, name)
		visit(filepath.ToSlash(rel), file)
	}
	return nil
}

// answeredIn returns the topics of the queries that the file answers by app.Reply(p.Method).
func answeredIn(file *ast.File) []string {
	topics, queries, replies := map[string]string{}, map[string]string{}, map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if name, topic := topicOf(n); name != "" {
				topics[name] = topic
			}
			if params := n.Type.Params.List; n.Recv != nil && len(params) == 2 {
				if query, ok := params[1].Type.(*ast.Ident); ok {
					queries[n.Name.Name] = query.Name
				}
			}
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Reply" && len(n.Args) == 1 {
				if method, ok := n.Args[0].(*ast.SelectorExpr); ok {
					replies[method.Sel.Name] = true
				}
			}
		}
		return true
	})
	var answered []string
	for method := range replies {
		answered = append(answered, topics[queries[method]])
	}
	return answered
}

// publishedIn returns the events that the file announces, by topic.
func publishedIn(file *ast.File) map[string][]eventField {
	topics, structs, announced := map[string]string{}, map[string]*ast.StructType{}, map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.TypeSpec:
			if s, ok := n.Type.(*ast.StructType); ok {
				structs[n.Name.Name] = s
			}
		case *ast.FuncDecl:
			if name, topic := topicOf(n); name != "" {
				topics[name] = topic
			}
		case *ast.CallExpr:
			noteAnnounced(n, announced)
		}
		return true
	})
	found := map[string][]eventField{}
	for name := range announced {
		if topic := topics[name]; topic != "" && structs[name] != nil {
			found[topic] = simpleFields(structs[name])
		}
	}
	return found
}

// noteAnnounced adds the events of a call b.Publishes(A{}, B{}).
func noteAnnounced(call *ast.CallExpr, announced map[string]bool) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Publishes" {
		return
	}
	for _, arg := range call.Args {
		if lit, ok := arg.(*ast.CompositeLit); ok {
			if id, ok := lit.Type.(*ast.Ident); ok {
				announced[id.Name] = true
			}
		}
	}
}

// topicOf returns the type and the constant of a method Topic.
func topicOf(d *ast.FuncDecl) (name, topic string) {
	if d.Recv == nil || d.Name.Name != "Topic" || d.Body == nil || len(d.Body.List) != 1 {
		return "", ""
	}
	id, ok := d.Recv.List[0].Type.(*ast.Ident)
	ret, returns := d.Body.List[0].(*ast.ReturnStmt)
	if !ok || !returns || len(ret.Results) != 1 {
		return "", ""
	}
	lit, ok := ret.Results[0].(*ast.BasicLit)
	if !ok {
		return "", ""
	}
	topic, err := strconv.Unquote(lit.Value)
	if err != nil {
		return "", ""
	}
	return id.Name, topic
}

func simpleFields(s *ast.StructType) []eventField {
	var fields []eventField
	for _, f := range s.Fields.List {
		typ, ok := f.Type.(*ast.Ident)
		if !ok || f.Tag == nil || !slices.Contains([]string{"string", "bool", "int", "int32", "int64", "uint", "uint32", "uint64", "float64"}, typ.Name) {
			continue
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			continue
		}
		json, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		for _, name := range f.Names {
			if json != "" && json != "-" {
				fields = append(fields, eventField{Go: name.Name, Type: typ.Name, Name: json})
			}
		}
	}
	return fields
}
