package lint

import (
	"go/ast"
	"go/types"
	"iter"
	"reflect"
	"strconv"
	"strings"
)

func modelsRule() definition {
	return define("models", "models/ holds entities that mirror a table, and nothing else", checkModels)
}

func checkModels(r rule) {
	if r.room != "domain" || r.layer != "models" {
		return
	}
	entities := r.entities()
	for _, f := range r.sources() {
		for _, decl := range f.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					r.report(d.Pos(), "models/ holds entities that mirror a table; move func %s into the plugin that uses it", d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok {
						r.checkModel(s, entities)
					}
				}
			}
		}
	}
}

// checkModel reports a struct that mirrors no table. Other types are those of columns.
func (r rule) checkModel(s *ast.TypeSpec, entities map[string]string) {
	fields, ok := s.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, field := range fields.Fields.List {
		tag := tagOf(field)
		for _, key := range []string{"json", "form", "uri", "header", "binding"} {
			if _, has := tag.Lookup(key); has {
				r.report(field.Pos(), "an entity mirrors a table and has no %s tag; requests and responses are declared at the top of the plugin file", key)
				return
			}
		}
	}
	if _, ok := entities[s.Name.Name]; !ok {
		r.report(s.Pos(), "%s mirrors no table: it has neither a gorm tag nor a TableName; move it into the plugin file that uses it", s.Name.Name)
	}
}

func tagOf(field *ast.Field) reflect.StructTag {
	if field.Tag == nil {
		return ""
	}
	text, err := strconv.Unquote(field.Tag.Value)
	if err != nil {
		return ""
	}
	return reflect.StructTag(text)
}

// structs returns the struct types that the package declares, by name, in the order of their names.
func (r rule) structs() iter.Seq2[string, *types.Struct] {
	return func(yield func(string, *types.Struct) bool) {
		for _, name := range r.Pkg.Scope().Names() {
			obj, ok := r.Pkg.Scope().Lookup(name).(*types.TypeName)
			if !ok {
				continue
			}
			if s, ok := obj.Type().Underlying().(*types.Struct); ok && !yield(name, s) {
				return
			}
		}
	}
}

// entities returns the entities of a models package and their tables.
func (r rule) entities() map[string]string {
	found := map[string]string{}
	for name, s := range r.structs() {
		table := r.tableName(name)
		for i := range s.NumFields() {
			if _, tagged := reflect.StructTag(s.Tag(i)).Lookup("gorm"); tagged && table == "" {
				table = defaultTable(name)
			}
		}
		if table != "" {
			found[name] = table
		}
	}
	return found
}

// tableName returns the result of the type's TableName method, or "".
func (r rule) tableName(typ string) string {
	return r.constantMethod(typ, "TableName")
}

// constantMethod returns the constant string that a method of a type of this package returns, or "".
func (r rule) constantMethod(typ, method string) string {
	for _, f := range r.Files {
		for _, decl := range f.Decls {
			d, ok := decl.(*ast.FuncDecl)
			if !ok || d.Recv == nil || d.Name.Name != method || receiverName(d) != typ || d.Body == nil || len(d.Body.List) != 1 {
				continue
			}
			ret, ok := d.Body.List[0].(*ast.ReturnStmt)
			if !ok || len(ret.Results) != 1 {
				continue
			}
			return r.constant(ret.Results[0])
		}
	}
	return ""
}

// constant returns the value of a constant string expression, or "".
func (r rule) constant(e ast.Expr) string {
	if v := r.TypesInfo.Types[e].Value; v != nil {
		if text, err := strconv.Unquote(v.ExactString()); err == nil {
			return text
		}
	}
	return ""
}

// receiverName returns the name of the type a method is declared on.
func receiverName(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	id, ok := t.(*ast.Ident)
	if !ok {
		return ""
	}
	return strings.TrimSpace(id.Name)
}
