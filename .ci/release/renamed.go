package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// directive is the line of a comment that says what a deprecated declaration is called now. app/plug/upgrade reads it.
const directive = "//plug:renamed"

// holder is a declaration that may have the directive.
type holder struct {
	name *ast.Ident
	// find returns the declaration of another name in the same place.
	find func(name string) types.Object
}

// checkRenames finds directives that lead nowhere.
func checkRenames(s *sources) []string {
	var problems []string
	for _, p := range s.packages {
		holders := map[*ast.CommentGroup]holder{}
		for _, file := range p.Syntax {
			addHolders(holders, p, file)
		}
		for _, file := range p.Syntax {
			for _, group := range file.Comments {
				for _, c := range group.List {
					if problem := checkRename(p, holders, group, c); problem != "" {
						at := p.Fset.Position(c.Pos())
						problems = append(problems, fmt.Sprintf("%s/%s:%d: %s", s.folder(p.PkgPath), baseName(at), at.Line, problem))
					}
				}
			}
		}
	}
	return problems
}

func baseName(at token.Position) string {
	return at.Filename[strings.LastIndexAny(at.Filename, `/\`)+1:]
}

// checkRename says what is wrong with a line of a comment, or "".
func checkRename(p *packages.Package, holders map[*ast.CommentGroup]holder, group *ast.CommentGroup, c *ast.Comment) string {
	to, ok := directiveOf(c)
	if !ok {
		return ""
	}
	h, held := holders[group]
	switch {
	case !held:
		return directive + " stands on nothing that can have two names: that is a function, a method, a type, a constant, a variable, or a field of a " +
			"declared struct, with a comment of its own; the methods of interfaces cannot"
	case !token.IsIdentifier(to):
		return directive + " is followed by the new name alone, as in: " + directive + " NewName"
	case !isDeprecated(group):
		return h.name.Name + ` has ` + directive + ` and is not deprecated; its comment needs a paragraph "Deprecated: use ` + to + `."`
	}
	old, now := p.TypesInfo.Defs[h.name], h.find(to)
	switch {
	case now == nil || now == old:
		return fmt.Sprintf("%s is said to be called %s, which is not declared beside it", h.name.Name, to)
	case reflect.TypeOf(old) != reflect.TypeOf(now):
		return fmt.Sprintf("%s is said to be called %s, which is something else", h.name.Name, to)
	}
	for other, next := range holders {
		if p.TypesInfo.Defs[next.name] == now && slices.ContainsFunc(other.List, func(c *ast.Comment) bool { _, ok := directiveOf(c); return ok }) {
			return fmt.Sprintf("%s is said to be called %s, which has been renamed itself; name the last of them", h.name.Name, to)
		}
	}
	return ""
}

func directiveOf(c *ast.Comment) (to string, ok bool) {
	line := strings.Fields(c.Text)
	if len(line) == 0 || line[0] != directive {
		return "", false
	}
	return strings.Join(line[1:], " "), true
}

func isDeprecated(group *ast.CommentGroup) bool {
	return strings.Contains("\n\n"+group.Text(), "\n\nDeprecated: ")
}

func addHolders(holders map[*ast.CommentGroup]holder, p *packages.Package, file *ast.File) {
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			holders[decl.Doc] = holder{decl.Name, besides(p, p.TypesInfo.Defs[decl.Name])}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				addSpec(holders, p, decl, spec)
			}
		}
	}
	delete(holders, nil)
}

func addSpec(holders map[*ast.CommentGroup]holder, p *packages.Package, decl *ast.GenDecl, spec ast.Spec) {
	doc := func(own *ast.CommentGroup) *ast.CommentGroup {
		if own == nil && !decl.Lparen.IsValid() {
			return decl.Doc
		}
		return own
	}
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		if len(spec.Names) == 1 {
			holders[doc(spec.Doc)] = holder{spec.Names[0], p.Types.Scope().Lookup}
		}
	case *ast.TypeSpec:
		holders[doc(spec.Doc)] = holder{spec.Name, p.Types.Scope().Lookup}
		if s, ok := spec.Type.(*ast.StructType); ok {
			for _, field := range s.Fields.List {
				if len(field.Names) == 1 {
					holders[field.Doc] = holder{field.Names[0], fieldsOf(p.TypesInfo.Defs[spec.Name])}
				}
			}
		}
	}
}

// besides returns how a function's or a method's siblings are found.
func besides(p *packages.Package, f types.Object) func(string) types.Object {
	fn, ok := f.(*types.Func)
	if !ok || fn.Signature().Recv() == nil {
		return p.Types.Scope().Lookup
	}
	return func(name string) types.Object {
		found, _, _ := types.LookupFieldOrMethod(fn.Signature().Recv().Type(), true, p.Types, name)
		return found
	}
}

// fieldsOf returns how the fields of a struct are found.
func fieldsOf(tn types.Object) func(string) types.Object {
	return func(name string) types.Object {
		s, ok := tn.Type().Underlying().(*types.Struct)
		if !ok {
			return nil
		}
		for f := range s.Fields() {
			if f.Name() == name {
				return f
			}
		}
		return nil
	}
}
