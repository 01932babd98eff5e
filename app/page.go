package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

// Page is the result of a list endpoint.
type Page[T any] struct {
	// Items are the entries of this page, in the order of the list.
	Items []T `json:"items"`
	// Next is the cursor of the page after this one; null on the last page.
	Next *string `json:"next" example:"m0p3yX8zQ5pbIiIsMjBd"`
	// Total counts the entries on all pages. It is there only when the query asked for it, and counts up to 10,000.
	Total *int64 `json:"total,omitempty" example:"1"`
}

// MaxTotal is the most that [Page].Total counts to: a list that says 10,000 has that many entries or more.
const MaxTotal = 10_000

// PageQuery is embedded in the request of a list endpoint and gives it the parameters limit, cursor, offset and total.
// What is out of range is refused with 422.
type PageQuery struct {
	// Limit is the most entries to return.
	Limit int `form:"limit" default:"20" binding:"min=1,max=100" example:"20"`
	// Cursor is the "next" of the page before; without it the list begins.
	Cursor string `form:"cursor" binding:"max=4096" checks:"cursor=is of a page of this list"`
	// Offset is the number of entries to skip. It is for short lists: the database reads what is skipped. A cursor
	// goes on from any place at the same cost.
	Offset int `form:"offset" default:"0" binding:"min=0,max=10000" checks:"cursor=is not given with cursor" example:"0"`
	// Total asks for the number of entries on all pages, counted up to 10,000.
	Total bool `form:"total" example:"false"`
}

// FindPage returns the page that query asks for, of the rows that db selects: db has the model, its conditions and the
// context. Sort is as for [SortBy], and each sort order needs an index: (name, id) for "name" and "-name". The column must
// never be NULL. T is the type of the entries; it has a field for the column id and one for each column it may be sorted by
// (tagged json:"-" when the answer does not show it), since the cursor of the next page is made of them.
//
// A cursor names the last row of its page by these two values. Whoever follows cursors sees every row once that stays in its
// place meanwhile, whatever is stored or deleted between two pages. A cursor of another list (another path, other
// parameters, another sort order) or a changed one is refused with 422.
func FindPage[T any](db *gorm.DB, query PageQuery, sort string) (Page[T], error) {
	db = db.Session(&gorm.Session{}) // each statement below starts from here
	var page Page[T]
	find := func(ctx context.Context) (err error) {
		page, err = findPage[T](db.WithContext(ctx), query, sort)
		return err
	}
	where, _ := db.Statement.Clauses["WHERE"].Expression.(clause.Where)
	if !searches(where.Exprs) {
		return page, find(db.Statement.Context)
	}
	pool, ok := db.Statement.ConnPool.(Searcher)
	if !ok {
		return page, errors.New("app.FindPage: this *gorm.DB is not the host's; in tests, get one from apptest")
	}
	err := pool.Search(db.Statement.Context, find)
	return page, err
}

func findPage[T any](db *gorm.DB, query PageQuery, sort string) (page Page[T], err error) {
	order, err := newListOrder[T](db, sort)
	if err != nil {
		return page, err
	}
	if query.Total {
		if page.Total, err = countRows(db); err != nil {
			return page, err
		}
	}
	limit := min(max(query.Limit, 1), maxLimit)
	rows := db.Order(SortBy(sort)).Limit(limit + 1).Offset(query.Offset)
	if query.Cursor != "" {
		if query.Offset > 0 {
			return page, Violations{{Field: "offset", Rule: "cursor", Message: "must not be given with cursor"}}
		}
		after, err := order.after(query.Cursor)
		if err != nil {
			return page, err
		}
		rows = rows.Where(after)
	}
	if err := rows.Find(&page.Items).Error; err != nil {
		return page, fmt.Errorf("find rows: %w", err)
	}
	if len(page.Items) <= limit {
		return page, nil
	}
	page.Items = slices.Delete(page.Items, limit, len(page.Items))
	next, err := order.cursor(&page.Items[limit-1])
	page.Next = &next
	return page, err
}

// maxLimit is the most entries of a page, also where a plugin is called without the host's checks.
const maxLimit = 100

// countRows counts the rows that db selects, up to [MaxTotal].
func countRows(db *gorm.DB) (*int64, error) {
	var total int64
	some := db.Session(&gorm.Session{}).Select("1").Limit(MaxTotal)
	err := db.Session(&gorm.Session{NewDB: true}).Table("(?) AS counted", some).Count(&total).Error
	if err != nil {
		return nil, fmt.Errorf("count rows: %w", err)
	}
	return &total, nil
}

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

// listOrder is the order of one list and makes its cursors. A cursor is the base64 form of a checksum and a JSON list of the
// values by which the last row of a page is ordered. The checksum covers the list it belongs to as well: it keeps a
// cursor from being used for another list, and shows a damaged one. It is no signature, and need not be: whoever makes up a
// cursor gets rows that the same list would show anyway.
type listOrder struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call of FindPage
	fields []*schema.Field // of T: the sort column, and the id
	desc   bool
	list   string // names the list, for the checksum
}

// checksumLength is how many bytes of the checksum a cursor carries.
const checksumLength = 8

func newListOrder[T any](db *gorm.DB, sort string) (*listOrder, error) {
	columns := SortBy(sort).Columns
	o := &listOrder{ctx: db.Statement.Context, desc: columns[0].Desc, list: listOf(db.Statement.Context) + " " + sort}
	parsed := &gorm.Statement{DB: db}
	if err := parsed.Parse(new(T)); err != nil {
		return nil, fmt.Errorf("app.FindPage: read the fields of the entries: %w", err)
	}
	for _, c := range columns {
		f := parsed.Schema.FieldsByDBName[c.Column.Name]
		switch {
		case f == nil:
			return nil, fmt.Errorf("app.FindPage: %s has no field for the column %q, of which the cursor is made; add one, tagged json:\"-\" to keep it out of the answer",
				reflect.TypeFor[T](), c.Column.Name)
		case f.FieldType.Kind() == reflect.Pointer:
			return nil, fmt.Errorf("app.FindPage: the column %q may be NULL, so that the list cannot be ordered by it", f.DBName)
		}
		o.fields = append(o.fields, f)
	}
	return o, nil
}

// listOf names the list that a request asks for: its path and its parameters, without those of [PageQuery].
func listOf(ctx context.Context) string {
	call := CallFrom(ctx)
	if call == nil || call.URL == nil {
		return ""
	}
	values := call.URL.Query()
	for _, own := range []string{"limit", "cursor", "offset", "total", "sort"} {
		values.Del(own)
	}
	return (&url.URL{Path: call.URL.Path, RawQuery: values.Encode()}).String()
}

// cursor returns the cursor for the rows after row, a pointer to an entry.
func (o *listOrder) cursor(row any) (string, error) {
	values := make([]any, len(o.fields))
	for i, f := range o.fields {
		values[i], _ = f.ValueOf(o.ctx, reflect.ValueOf(row).Elem())
	}
	text, err := json.Marshal(values)
	if err != nil {
		return "", fmt.Errorf("app.FindPage: make a cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(append(o.checksum(text), text...)), nil
}

func (o *listOrder) checksum(text []byte) []byte {
	sum := sha256.Sum256(append([]byte(o.list+"\x00"), text...))
	return sum[:checksumLength]
}

// after returns the condition for the rows after a cursor. Both databases use an index on the columns for it.
func (o *listOrder) after(cursor string) (clause.Expression, error) {
	otherList := Violations{{Field: "cursor", Rule: "cursor", Message: "is not a cursor of this list; leave it out to begin again"}}
	packed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(packed) < checksumLength {
		return nil, otherList
	}
	sum, text := packed[:checksumLength], packed[checksumLength:]
	if !bytes.Equal(sum, o.checksum(text)) {
		return nil, otherList
	}
	var values []jsontext.Value
	if json.Unmarshal(text, &values) != nil || len(values) != len(o.fields) {
		return nil, otherList
	}
	vars := make([]any, 2*len(o.fields))
	for i, f := range o.fields {
		value := reflect.New(f.FieldType)
		if json.Unmarshal(values[i], value.Interface()) != nil {
			return nil, otherList
		}
		vars[i], vars[len(o.fields)+i] = clause.Column{Name: f.DBName}, value.Elem().Interface()
	}
	tuple := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(o.fields)), ", ") + ")"
	comparison := " > "
	if o.desc {
		comparison = " < "
	}
	return clause.Expr{SQL: tuple + comparison + tuple, Vars: vars}, nil
}
