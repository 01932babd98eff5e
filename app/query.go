package app

import (
	"fmt"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Contains is a condition for db.Where: the column contains text, literally (% and _ have no meaning)
// and without regard to case. It means the same on both databases. The column is a name of the
// plugin's own, never input.
func Contains(column, text string) clause.Expression {
	escaped := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
	return clause.Expr{
		SQL:  `LOWER(?) LIKE LOWER(?) ESCAPE '\'`,
		Vars: []any{clause.Column{Name: column}, "%" + escaped + "%"},
	}
}

// SortBy is an ordering for db.Order: "name" ascending, "-name" descending, then by id, so that the
// order is total. An empty sort orders by id alone. The value must come from an allow-list: give the
// request's field a rule such as binding:"omitempty,oneof=name -name".
func SortBy(sort string) clause.OrderBy {
	id := clause.OrderByColumn{Column: clause.Column{Name: "id"}}
	column, desc := strings.CutPrefix(sort, "-")
	if column == "" || column == "id" {
		id.Desc = desc
		return clause.OrderBy{Columns: []clause.OrderByColumn{id}}
	}
	return clause.OrderBy{Columns: []clause.OrderByColumn{
		{Column: clause.Column{Name: column}, Desc: desc}, id,
	}}
}

// FindPage returns the page that query asks for, of the rows that db selects: db has the model, its conditions and the
// context. Sort is as for [SortBy]. The total is counted by a statement of its own, so a row that is stored between the
// two may be in one of them alone.
func FindPage[T any](db *gorm.DB, query PageQuery, sort string) (Page[T], error) {
	db = db.Session(&gorm.Session{}) // each statement below starts from here
	var total int64
	if err := db.Count(&total).Error; err != nil {
		return Page[T]{}, fmt.Errorf("count rows: %w", err)
	}
	var items []T
	if err := db.Order(SortBy(sort)).Limit(query.Limit).Offset(query.Offset).Find(&items).Error; err != nil {
		return Page[T]{}, fmt.Errorf("find rows: %w", err)
	}
	return NewPage(items, total, query), nil
}
