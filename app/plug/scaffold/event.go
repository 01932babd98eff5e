package scaffold

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// eventField is a field of an event that a subscriber reads.
type eventField struct{ Go, Type, Name string }

// event returns the fields of simple types, which need no import, of the event that is published under the topic.
func (t *tree) event(topic string) ([]eventField, error) {
	files, err := filepath.Glob(t.path("domains/*/plugins/*.go"))
	if err != nil {
		return nil, fmt.Errorf("look for events: %w", err)
	}
	published := map[string][]eventField{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("look for events: %w", err)
		}
		maps.Copy(published, publishedIn(file))
	}
	fields, ok := published[topic]
	if !ok {
		topics := strings.Join(slices.Sorted(maps.Keys(published)), ", ")
		if topic == "" {
			return nil, fmt.Errorf("--kind subscriber needs --topic; published are: %s", topics)
		}
		return nil, fmt.Errorf("nobody publishes %s; published are: %s", topic, topics)
	}
	return fields, nil
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
