package lint

import (
	"cmp"
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
	"gorm.io/gorm/schema"
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

func tablesRule() *analysis.Analyzer {
	return analyzer("tables", "SQL names only tables of its own domain", checkTables, new(Tables))
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
	if fn == nil || receiver(fn) != gormDB || len(call.Args) == 0 {
		return nil
	}
	switch fn.Name() {
	case "Table":
		name := r.constant(call.Args[0])
		if strings.ContainsAny(name, "(?") {
			return tablesIn(name)
		}
		if words := strings.Fields(name); len(words) > 0 {
			return []string{bare(words[0])}
		}
	case "Raw", "Exec", "Joins", "Where", "Not", "Or", "Having", "Select":
		text := r.constant(call.Args[0])
		if fn.Name() == "Joins" && !strings.Contains(text, " ") {
			return nil // an association
		}
		return tablesIn(text)
	}
	return nil
}

var (
	tableWord  = regexp.MustCompile("(?i)\\b(?:FROM|JOIN|INTO|UPDATE|TABLE)\\s+(?:ONLY\\s+|IF\\s+(?:NOT\\s+)?EXISTS\\s+)*([\"`\\[]?[a-z_][\\w.\"`\\]]*)(\\s*\\()?")
	commonName = regexp.MustCompile(`(?i)(?:\bWITH(?:\s+RECURSIVE)?|,)\s+([a-z_]\w*)(?:\s*\([^)]*\))?\s+AS\s*(?:NOT\s+|MATERIALIZED\s*)*\(`)
	sqlText    = regexp.MustCompile(`'(?:[^']|'')*'`)
	notTables  = []string{"set", "nothing", "select", "lateral", "of", "skip", "nowait"}
)

// tablesIn returns the tables that an SQL text names. Its strings, the names it gives itself by WITH, and functions
// are none. "DO UPDATE SET", "FOR UPDATE OF" and "IS DISTINCT FROM x" name none either.
func tablesIn(text string) []string {
	text = sqlText.ReplaceAllString(text, "''")
	text = regexp.MustCompile(`(?i)\b(DO|FOR(\s+NO\s+KEY)?)\s+UPDATE\b|\bDISTINCT\s+FROM\b|\bEXTRACT\s*\([^)]*\)`).ReplaceAllString(text, "")
	var common []string
	for _, m := range commonName.FindAllStringSubmatch(text, -1) {
		common = append(common, strings.ToLower(m[1]))
	}
	var tables []string
	for _, m := range tableWord.FindAllStringSubmatch(text, -1) {
		name := bare(m[1])
		called := m[2] != "" && !strings.HasPrefix(strings.ToUpper(m[0]), "INTO")
		if !called && !slices.Contains(common, strings.ToLower(name)) && !slices.Contains(notTables, strings.ToLower(name)) {
			tables = append(tables, name)
		}
	}
	return tables
}

// bare returns a table's name without its schema and quotes.
func bare(name string) string {
	parts := strings.Split(name, ".")
	return strings.Trim(parts[len(parts)-1], "\"`[]")
}
