package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"
)

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
