package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"

	"plugboard/app/apptest"
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

func (p *parameter) doc() *document { return p.schema.doc }

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

// send makes the request.
func (r request) send(h *apptest.App) *apptest.Answer {
	target, query := r.op.path, url.Values{}
	headers, cookies := http.Header{}, []string{}
	for p, texts := range r.texts {
		switch p.in {
		case "path":
			target = strings.ReplaceAll(target, "{"+p.name+"}", escapedPath(texts[0]))
		case "query":
			query[p.name] = texts
		case "header":
			headers.Set(p.name, strings.Join(texts, ", "))
		case "cookie":
			cookies = append(cookies, p.name+"="+texts[0])
		}
	}
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	media, content := r.content()
	call := httptest.NewRequest(r.op.method, target, strings.NewReader(content))
	call.Header = headers
	if media != "" {
		call.Header.Set("Content-Type", media)
	}
	if len(cookies) > 0 {
		call.Header.Set("Cookie", strings.Join(cookies, "; "))
	}
	for _, header := range r.headers {
		name, value, _ := strings.Cut(header, ": ")
		call.Header.Add(name, value)
	}
	return h.Do(call)
}

// escapedPath is a text as a segment of a path. It begins with a slash where that is a whole rest of a path.
func escapedPath(text string) string {
	return strings.ReplaceAll(url.PathEscape(text), ":", "%3A")
}

// content is the body with its media type.
func (r request) content() (media, content string) {
	switch {
	case r.hasBody:
		text, err := json.Marshal(r.body)
		if err != nil {
			return "", err.Error()
		}
		return r.media, string(text)
	case r.media == "application/x-www-form-urlencoded":
		form := url.Values{}
		for p, texts := range r.texts {
			if p.in == "form" {
				form[p.name] = texts
			}
		}
		return r.media, form.Encode()
	case r.media == "multipart/form-data":
		return r.multipart()
	default:
		return r.media, r.raw
	}
}

// multipart is the form as parts, of which files have a name.
func (r request) multipart() (media, content string) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, p := range r.op.parameters {
		for _, text := range r.texts[p] {
			head := textproto.MIMEHeader{}
			disposition := fmt.Sprintf("form-data; name=%q", p.name)
			if p.isFile() {
				disposition += `; filename="file"`
			}
			head.Set("Content-Disposition", disposition)
			part, err := w.CreatePart(head)
			if err == nil && p.in == "form" {
				_, _ = part.Write([]byte(text)) // into memory
			}
		}
	}
	_ = w.Close() // into memory
	return w.FormDataContentType(), body.String()
}

// problem sends the request and says where document and service disagree; "" when they agree. Success tells that the service took it.
func (r request) problem(h *apptest.App) (problem string, success bool) {
	answer, allowed := r.send(h), r.allowed()
	if problem := r.op.undescribed(answer); problem != "" {
		return problem, false
	}
	success = answer.Code < http.StatusBadRequest
	refused := answer.Code == http.StatusBadRequest || answer.Code == http.StatusUnprocessableEntity
	switch {
	case answer.Code >= http.StatusInternalServerError:
		return fmt.Sprintf("answered %d: %s", answer.Code, answer.Body), false
	case !allowed && !refused:
		return fmt.Sprintf("the document refuses it, and the service answers %d: %.300s", answer.Code, answer.Body), success
	case !allowed && r.changed && answer.Code == http.StatusUnprocessableEntity && !answered(answer, r.place):
		return fmt.Sprintf("the document refuses %q, and the service something else: %s", r.place, answer.Body), false
	case allowed && refused:
		return r.op.unlisted(answer), false
	}
	return "", success
}

// violation is a violated rule in an answer.
type violation struct{ Field, Rule, Message string }

func violationsOf(answer *apptest.Answer) []violation {
	var failure struct{ Details []violation }
	if err := json.Unmarshal([]byte(answer.Body), &failure); err != nil {
		return nil
	}
	return failure.Details
}

// answered reports whether a refusal is about a field, or about what it is within or has within.
func answered(answer *apptest.Answer, place string) bool {
	return place == "" || slices.ContainsFunc(violationsOf(answer), func(v violation) bool {
		return v.Field == "body" || v.Field == place || strings.HasPrefix(place, v.Field+".") || strings.HasPrefix(v.Field, place+".")
	})
}

// ownRules are those that no Validate method has: the host's.
var ownRules = []string{"type", "null", "nul", "unknown", "single", "required", "min", "max", "gt", "gte", "lt", "lte", "len", "oneof", "any_of", "unique"}

// unlisted says by which rule the service refuses what the document allows, unless x-rules lists it.
func (o *endpoint) unlisted(answer *apptest.Answer) string {
	all := violationsOf(answer)
	for _, v := range all {
		if !o.lists(v.Field, v.Rule) && (!o.lists("", "validate") || slices.Contains(ownRules, v.Rule)) {
			return fmt.Sprintf("the document allows it, and the service refuses %s by the rule %s, which is not listed: %s", v.Field, v.Rule, answer.Body)
		}
	}
	if len(all) == 0 {
		return fmt.Sprintf("the document allows it, and the service answers %d: %s", answer.Code, answer.Body)
	}
	return ""
}

// othersFail are operations that show what a plugin can do that does not say how it fails.
var othersFail = []string{"oddshapes.fails", "oddshapes.pointer_checking"}

// undescribed says what of an answer is not in the document.
func (o *endpoint) undescribed(answer *apptest.Answer) string {
	response, ok := o.responses[strconv.Itoa(answer.Code)]
	if !ok && answer.Code >= http.StatusBadRequest && slices.Contains(othersFail, o.id) {
		response, ok = o.responses["default"]
	}
	if !ok {
		return fmt.Sprintf("answered %d, which is not described: %s", answer.Code, answer.Body)
	}
	media, _, _ := strings.Cut(answer.Head.Get("Content-Type"), ";")
	if len(response.content) == 0 {
		if answer.Body != "" {
			return fmt.Sprintf("answered %d with a body, which is not described: %s", answer.Code, answer.Body)
		}
		return ""
	}
	described, ok := response.content[media]
	if !ok {
		described, ok = response.content["*/*"]
	}
	switch {
	case !ok:
		return fmt.Sprintf("answered %d with %q, which is not described", answer.Code, media)
	case described == nil:
		return ""
	}
	var body any
	if err := decode(answer.Body, &body); err != nil {
		return err.Error()
	}
	if err := described.check.Validate(body); err != nil {
		return fmt.Sprintf("the answer %s is not as described: %s", answer.Body, err)
	}
	return ""
}
