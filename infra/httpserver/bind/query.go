package bind

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"plugboard/app"
	"plugboard/infra/httpserver/bind/rules"
	"plugboard/infra/httpserver/bind/wire"
)

// maxParameters is how many parameters a query or a form may have.
const maxParameters = 256

// pair is one name and value of a query or a form.
type pair struct{ name, value string }

// parsePairs splits a query or a URL-encoded form into its pairs. Messages to the caller call it what, "query" or "form". Unlike
// url.ParseQuery, parsePairs drops nothing: it returns an error for a part that it does not understand.
func parsePairs(what, raw string) ([]pair, error) {
	if raw == "" {
		return nil, nil
	}
	count := strings.Count(raw, "&") + 1
	if count > maxParameters {
		return nil, app.Errorf(app.Malformed, "the %s has more than %d parameters", what, maxParameters)
	}
	pairs := make([]pair, 0, count)
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		if strings.IndexByte(part, ';') >= 0 {
			return nil, app.Errorf(app.Malformed, "the %s has a semicolon; separate parameters with &", what)
		}
		name, value, _ := strings.Cut(part, "=")
		p, ok := unescapePair(name, value)
		if !ok {
			return nil, app.Errorf(app.Malformed, "the %s has an invalid escape", what)
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// unescapePair undoes the percent-encoding of a pair; the result is valid UTF-8.
func unescapePair(name, value string) (pair, bool) {
	n, badName := url.QueryUnescape(name)
	v, badValue := url.QueryUnescape(value)
	return pair{n, v}, badName == nil && badValue == nil && utf8.ValidString(n) && utf8.ValidString(v)
}

// bindURI fills the fields that come from the path.
func (b *Binder) bindURI(from Source, request reflect.Value, found *rules.Violations) {
	for i := range b.uri {
		f := &b.uri[i]
		if message := f.parse(request.FieldByIndex(f.index), from.Param(f.name)); message != "" {
			found.Add(f.name, wire.RuleOf(message), message)
		}
	}
}

// bindHeader fills the fields that come from headers. A list may be given in one line or in several: RFC 9110, section 5.3,
// makes no difference between the two.
func (b *Binder) bindHeader(h http.Header, request reflect.Value, found *rules.Violations) {
	for i := range b.header {
		values := h[b.header[i].name]
		if b.header[i].slice {
			values = listElements(values)
		}
		b.header[i].bind(values, request, found)
	}
}

// listElements returns the elements of a header list, which may have several lines. It leaves out empty elements.
func listElements(lines []string) (elements []string) {
	for element := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		if element = strings.Trim(element, " \t"); element != "" {
			elements = append(elements, element)
		}
	}
	return elements
}

// bindCookies fills the fields that come from cookies. Of several of one name the first counts: browsers send the cookie with the
// longest path first (RFC 6265, section 5.4).
func (b *Binder) bindCookies(r *http.Request, request reflect.Value, found *rules.Violations) {
	for i := range b.cookies {
		var values []string
		if c, err := r.Cookie(b.cookies[i].name); err == nil {
			values = []string{c.Value}
		}
		b.cookies[i].bind(values, request, found)
	}
}

// bindForm fills the fields that come from the query or the form.
func (b *Binder) bindForm(what string, pairs []pair, request reflect.Value, found *rules.Violations) error {
	values := make([]string, 0, 4)
	for i := range b.form {
		values = values[:0]
		for _, x := range pairs {
			if x.name == b.form[i].name {
				values = append(values, x.value)
			}
		}
		b.form[i].bind(values, request, found)
	}
	return b.checkUnknown(what, pairs, found)
}

// checkUnknown checks the parameters that no field is filled from.
func (b *Binder) checkUnknown(what string, pairs []pair, found *rules.Violations) error {
	for _, x := range pairs {
		if slices.ContainsFunc(b.form, func(f param) bool { return f.name == x.name }) {
			continue
		}
		if strings.IndexByte(x.name, 0) >= 0 || strings.IndexByte(x.value, 0) >= 0 {
			return app.Errorf(app.Malformed, "the %s has a NUL character", what)
		}
		if b.strict {
			found.Add(wire.Clip(x.name), "unknown", "is not a known parameter")
		}
	}
	return nil
}

// bind fills the field from the values that were given for it. Without values the field keeps its default, and bind adds a violation if
// it is required.
func (f *param) bind(values []string, request reflect.Value, found *rules.Violations) {
	if len(values) == 0 {
		if f.presence != nil && f.presence.Required && !found.Covers(f.name) {
			found.Add(f.name, "required", rules.MessageRequired)
		}
		return
	}
	field := request.FieldByIndex(f.index)
	if f.slice {
		f.bindSlice(values, field, found)
		return
	}
	if len(values) > 1 {
		found.Add(f.name, "single", "must be given once")
		return
	}
	if message := f.parse(field, values[0]); message != "" {
		found.Add(f.name, wire.RuleOf(message), message)
		return
	}
	switch {
	case f.presence == nil || !field.IsZero():
	case f.presence.RefusesEmpty():
		found.Add(f.name, "required", rules.MessageEmpty)
	case f.presence.Optional:
		found.AddZero(rules.ZeroAt(request, f.index, ""))
	}
}

func (f *param) bindSlice(values []string, field reflect.Value, found *rules.Violations) {
	field.Set(reflect.MakeSlice(field.Type(), len(values), len(values)))
	for i, value := range values {
		if message := f.parse(field.Index(i), value); message != "" {
			found.Add(f.name+"."+strconv.Itoa(i), wire.RuleOf(message), message)
		}
	}
}
