package lint

import (
	"cmp"
	"go/ast"
	"maps"
	"slices"
	"strings"

	"gorm.io/gorm/schema"

	"plugboard/app/plug/lint/internal/sqltables"
)

// Tables is the package fact of a models package: the tables its entities mirror.
type Tables struct {
	// Names are sorted.
	Names []string
}

// AFact implements analysis.Fact.
func (*Tables) AFact() {}

// defaultTable is the table that GORM gives to an entity without a TableName.
func defaultTable(entity string) string { return schema.NamingStrategy{}.TableName(entity) }

func tablesRule() definition {
	return define("tables", "SQL names only tables of its own domain", checkTables, new(Tables))
}

func checkTables(r rule) {
	switch {
	case r.room != "domain":
		return
	case r.layer == "models":
		names := slices.Sorted(maps.Values(r.entities()))
		r.ExportPackageFact(&Tables{Names: names})
		return
	}
	own := r.ownTables()
	for _, f := range r.sources() {
		eachCall(f, func(call *ast.CallExpr) {
			for _, table := range r.tablesNamed(call) {
				if !slices.Contains(own, strings.ToLower(table)) {
					r.report(call.Pos(), "the table %s is not one of the domain %s, which has %s; learn of another domain's rows from its events, and keep what you need of them in a table of your own",
						table, r.domain, cmp.Or(strings.Join(own, ", "), "none"))
				}
			}
		})
	}
}

func (r rule) ownTables() []string {
	var own []string
	for _, pkg := range r.Pkg.Imports() {
		var tables Tables
		if pkg.Path() == r.module+"/domains/"+r.domain+"/models" && r.ImportPackageFact(pkg, &tables) {
			own = append(own, tables.Names...)
		}
	}
	return own
}

// tablesNamed returns the tables that a call of GORM names in its text.
func (r rule) tablesNamed(call *ast.CallExpr) []string {
	fn := r.callee(call)
	if fn == nil || fn.Pkg() == nil || fn.Pkg().Path() != gormPackage {
		return nil
	}
	at, ok := sqlArguments[strings.TrimPrefix(receiver(fn)+"."+fn.Name(), gormDB)]
	if !ok || len(call.Args) <= at {
		return nil
	}
	text := r.constant(call.Args[at])
	switch fn.Name() {
	case "Table":
		return sqltables.In("FROM " + text)
	case "Joins", "InnerJoins":
		if !strings.Contains(text, " ") {
			return nil // an association
		}
	}
	return sqltables.In(text)
}

const gormPackage = "gorm.io/gorm"

// sqlArguments says which argument of GORM's methods, and of its function Expr, is SQL.
var sqlArguments = map[string]int{
	".Table": 0, ".Raw": 0, ".Exec": 0, ".Joins": 0, ".InnerJoins": 0, ".Where": 0, ".Not": 0, ".Or": 0, ".Having": 0, ".Select": 0,
	".Order": 0, ".Group": 0, ".Distinct": 0, ".Pluck": 0, ".First": 1, ".Take": 1, ".Last": 1, ".Find": 1, ".Delete": 1, ".Expr": 0,
}
