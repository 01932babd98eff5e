package scaffold

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
)

// checkList says why there cannot be such a list.
func (t *tree) checkList(v values) error {
	var problems []error
	if v.Method != http.MethodGet {
		problems = append(problems, fmt.Errorf("a list is asked for with GET, not with %s", v.Method))
	}
	if len(v.Params) > 0 {
		problems = append(problems, fmt.Errorf("a list is made for a path without parameters, not for %s; add the parameter by hand, with the condition that it stands for", v.Path))
	}
	if t.exists("domains/"+v.Domain) && t.entityFields(v)["ID"] != "int64" {
		problems = append(problems, fmt.Errorf("a list reads the domain's own entity, and domains/%s/models has no type %s with a field ID int64; write this list by hand, as domains/products has it",
			v.Domain, v.Entity))
	}
	return errors.Join(problems...)
}

// hasNames reports whether the domain's table is, or will be, one that this package made: the list is then sorted by name as
// well. Of another table nobody knows here which columns have an index.
func (t *tree) hasNames(v values) bool {
	if !t.exists("domains/" + v.Domain) {
		return true
	}
	owner, err := t.owner(v.Table)
	made, _ := path.Match("domains/"+v.Domain+"/migrations/*/*.sql", owner)
	return err == nil && made && maps.Equal(t.entityFields(v), map[string]string{"ID": "int64", "Name": "string"})
}

// entityFields returns the fields of the domain's entity with their types, if these are plain names.
func (t *tree) entityFields(v values) map[string]string {
	files, err := filepath.Glob(t.path("domains/" + v.Domain + "/models/*.go"))
	if err != nil {
		return nil
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			continue
		}
		for _, decl := range file.Decls {
			if entity := structOf(decl, v.Entity); entity != nil {
				return plainFields(entity)
			}
		}
	}
	return nil
}

// structOf returns the struct type of the name that decl declares, or nil.
func structOf(decl ast.Decl, name string) *ast.StructType {
	types, ok := decl.(*ast.GenDecl)
	if !ok {
		return nil
	}
	for _, spec := range types.Specs {
		if spec, ok := spec.(*ast.TypeSpec); ok && spec.Name.Name == name {
			entity, _ := spec.Type.(*ast.StructType)
			return entity
		}
	}
	return nil
}

func plainFields(entity *ast.StructType) map[string]string {
	fields := map[string]string{}
	for _, f := range entity.Fields.List {
		kind := ""
		if id, ok := f.Type.(*ast.Ident); ok {
			kind = id.Name
		}
		for _, name := range f.Names {
			fields[name.Name] = kind
		}
	}
	return fields
}

var migrationNumber = regexp.MustCompile(`^(\d+)_`)

// addNameIndex adds a migration with the index that the list is sorted by, unless the table has one.
func (t *tree) addNameIndex(v values) error {
	index := regexp.MustCompile(`(?i)\bON\s+` + v.Table + `\s*\(name\b`)
	for _, dialect := range []string{"sqlite", "postgres"} {
		folder := "domains/" + v.Domain + "/migrations/" + dialect
		files, err := filepath.Glob(t.path(folder + "/*.sql"))
		if err != nil {
			return fmt.Errorf("look for migrations: %w", err)
		}
		last, found := 0, false
		for _, file := range files {
			text, err := os.ReadFile(file) //nolint:gosec // the module's own
			if err != nil {
				return fmt.Errorf("look for migrations: %w", err)
			}
			found = found || index.Match(text)
			if m := migrationNumber.FindStringSubmatch(filepath.Base(file)); m != nil {
				number, _ := strconv.Atoi(m[1]) // digits
				last = max(last, number)
			}
		}
		if !found {
			t.render(fmt.Sprintf("%s/%05d_%s_by_name.sql", folder, last+1, v.Table), "index.sql.tmpl", v)
		}
	}
	return nil
}
