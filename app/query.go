package app

import (
	"strings"

	"gorm.io/gorm/clause"
)

// Contains is a condition for db.Where: the column contains text, literally (% and _ have no meaning)
// and without regard to case. It means the same on both databases. The column is a name of the
// plugin's own, never input.
//
// No index helps such a search: the database may read the whole table. [FindPage] therefore lets only a quarter of the
// readers search at a time, and ends a search after the setting database.search_timeout. Ask for at least two
// characters: binding:"omitempty,min=2,max=100".
func Contains(column, text string) clause.Expression {
	return substring{column: column, text: text}
}

// substring is the condition made by [Contains].
type substring struct{ column, text string }

// Build implements clause.Expression.
func (s substring) Build(builder clause.Builder) {
	escaped := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s.text)
	clause.Expr{
		SQL:  `LOWER(?) LIKE LOWER(?) ESCAPE '\'`,
		Vars: []any{clause.Column{Name: s.column}, "%" + escaped + "%"},
	}.Build(builder)
}

// searches reports whether one of the conditions is a substring search.
func searches(conditions []clause.Expression) bool {
	for _, c := range conditions {
		var inner []clause.Expression
		switch c := c.(type) {
		case substring:
			return true
		case clause.AndConditions:
			inner = c.Exprs
		case clause.OrConditions:
			inner = c.Exprs
		case clause.NotConditions:
			inner = c.Exprs
		}
		if searches(inner) {
			return true
		}
	}
	return false
}

// SortBy is an ordering for db.Order: "name" ascending, "-name" descending, and by id in the same direction where the
// column is equal, so that the order is total and an index on the column serves it in both directions. An empty sort
// orders by id alone. The value must come from an allow-list: give the request's field a rule such as
// binding:"omitempty,oneof=name -name".
func SortBy(sort string) clause.OrderBy {
	column, desc := strings.CutPrefix(sort, "-")
	id := clause.OrderByColumn{Column: clause.Column{Name: "id"}, Desc: desc}
	if column == "" || column == "id" {
		return clause.OrderBy{Columns: []clause.OrderByColumn{id}}
	}
	return clause.OrderBy{Columns: []clause.OrderByColumn{
		{Column: clause.Column{Name: column}, Desc: desc}, id,
	}}
}
