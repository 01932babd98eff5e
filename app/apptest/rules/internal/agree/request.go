package agree

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"pgregory.net/rapid"
)

// request is a request to an operation.
type request struct {
	op *endpoint
	// texts are the values of the parameters that are given.
	texts map[*parameter][]string
	// body is the JSON body, where there is one.
	body    any
	hasBody bool
	// media is the media type of the body, and raw the body where it is neither JSON nor a form.
	media string
	raw   string
	// headers are further ones, as "Name: value".
	headers []string
	// changed tells that the request was made of another by one change, and place which field it is about; "" stands for the whole.
	changed bool
	place   string
}

func (r request) String() string {
	texts := map[string][]string{}
	for p, values := range r.texts {
		texts[p.in+" "+p.name] = values
	}
	return fmt.Sprintf("%s %s %s %s %s %q", r.op.method, r.op.path, r.media, show(texts), show(r.body), r.place)
}

// drawn draws a request that the operation allows, or nearly.
func (o *endpoint) drawn(t *rapid.T, samples []request) request {
	if len(samples) > 0 && rapid.IntRange(0, 2).Draw(t, "sample") == 0 {
		return rapid.SampledFrom(samples).Draw(t, "sample")
	}
	r := request{op: o, texts: map[*parameter][]string{}}
	for _, p := range o.parameters {
		if p.in != "path" && !p.required && rapid.IntRange(0, 2).Draw(t, "given") == 0 {
			continue
		}
		value := p.example
		if value == nil || rapid.IntRange(0, 3).Draw(t, "example") > 0 {
			value = o.doc.draw(t, p.schema.node, 0)
		}
		if texts, ok := p.texts(value); ok {
			r.texts[p] = texts
		} else if p.in == "path" {
			r.texts[p] = []string{"a"}
		}
	}
	if len(o.accepts) > 0 && (o.bodyRequired || o.json != nil || rapid.Bool().Draw(t, "body")) {
		r.media = rapid.SampledFrom(o.accepts).Draw(t, "media")
		if r.hasBody = o.json != nil; r.hasBody {
			r.body = o.doc.draw(t, o.json.node, 0)
		}
		if r.media == "*/*" {
			r.media, r.raw = "application/x-any", "any\xff"
		}
	}
	return r
}

// texts returns a value as a parameter has it, unless it cannot be sent in that place.
func (p *parameter) texts(value any) ([]string, bool) {
	var all []string
	values, isList := value.([]any)
	if !isList {
		values = []any{value}
	}
	for _, v := range values {
		switch v := v.(type) {
		case string:
			all = append(all, v)
		case json.Number:
			all = append(all, string(v))
		case bool:
			all = append(all, strconv.FormatBool(v))
		default:
			return nil, false
		}
	}
	return all, len(all) > 0 && !slices.ContainsFunc(all, func(text string) bool { return !p.sendable(text) })
}

var (
	headerText = regexp.MustCompile(`^[!-+\--~]([ -+\--~]*[!-+\--~])?$`) // printable, without commas
	cookieText = regexp.MustCompile(`^[\w.-]*$`)
)

func (p *parameter) sendable(text string) bool {
	switch p.in {
	case "path":
		return text != "" && text != "." && text != ".."
	case "header":
		return headerText.MatchString(text)
	case "cookie":
		return cookieText.MatchString(text)
	default:
		return true
	}
}

// value is what texts stand for. Several texts are a list, which no schema but that of a list allows.
func (p *parameter) value(texts []string) any {
	s := p.doc().resolve(p.schema.node)
	if s["type"] == "array" {
		list := []any{}
		for _, text := range texts {
			list = append(list, valueOf(p.doc().resolve(s["items"]), text))
		}
		return list
	}
	if len(texts) > 1 {
		return []any{texts[0], texts[1]}
	}
	return valueOf(s, texts[0])
}

var (
	integerText = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)
	numberText  = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
)

// valueOf is what one text stands for, by the type that is asked for.
func valueOf(s map[string]any, text string) any {
	switch s["type"] {
	case "integer":
		if integerText.MatchString(text) {
			return json.Number(text)
		}
	case "number":
		if numberText.MatchString(text) {
			return json.Number(text)
		}
	case "boolean":
		if text == "true" || text == "false" {
			return text == "true"
		}
	}
	return text
}

// steps are requests that differ from r in one place: a parameter or a member is left out, has a value on or beside a limit, or one of another
// type.
func (r request) steps(t *rapid.T) []request {
	var all []request
	for _, p := range r.op.parameters {
		other := func(texts []string) {
			step := r
			step.texts, step.changed, step.place = maps.Clone(r.texts), true, p.name
			if delete(step.texts, p); texts != nil {
				step.texts[p] = texts
			}
			all = append(all, step)
		}
		var value any
		if given, ok := r.texts[p]; ok {
			value = p.value(given)
		}
		for _, near := range append(r.op.doc.near(t, p.schema.node, value), "x", "1.5", ".5", "+1", "01", "TRUE", "99999999999999999999", []any{"1", "1"}) {
			if texts, ok := p.texts(near); ok && !p.isFile() && (len(texts) == 1 || p.in == "query" || p.in == "form" || p.is("array")) {
				other(texts)
			}
		}
		if p.in != "path" {
			other(nil)
		}
	}
	if r.hasBody {
		for _, c := range r.op.doc.changes(t, r.op.json.node, r.body, "", func(v any) any { return v }) {
			step := r
			step.body, step.changed, step.place = c.body, true, c.place
			all = append(all, step)
		}
		none := r
		none.body, none.hasBody, none.changed = nil, false, true
		all = append(all, none)
	}
	return all
}

func (p *parameter) isFile() bool {
	s := p.doc().resolve(p.schema.node)
	return s["format"] == "binary" || p.doc().resolve(s["items"])["format"] == "binary"
}

func (p *parameter) is(kind string) bool { return p.doc().resolve(p.schema.node)["type"] == kind }

func (p *parameter) doc() *Document { return p.schema.doc }

// allowed reports whether the document allows the request.
func (r request) allowed() bool {
	for _, p := range r.op.parameters {
		if p.in == "form" && r.media == "" {
			continue
		}
		texts, given := r.texts[p]
		if !given && p.required || given && !p.schema.allows(p.value(texts)) {
			return false
		}
	}
	switch {
	case r.media == "" || r.op.json != nil && !r.hasBody:
		return !r.op.bodyRequired
	case r.op.json != nil:
		return r.op.json.allows(r.body)
	default:
		return true
	}
}
