package openapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"plugboard/infra/host/manifest"
)

const jsonType = "application/json"

// Texts are the texts of a document. They come from comments in the sources.
type Texts interface {
	// Operation returns the texts of an endpoint.
	Operation(e manifest.Endpoint) Words
	// Declaration returns the comment on a declaration, named as in [manifest.Schema.Comment], or "".
	Declaration(name string) string
	// Tag returns the description of a tag, or "".
	Tag(name string) string
}

// Words are the texts of an endpoint.
type Words struct {
	Summary, Description string
	// Parameters are the descriptions of parameters by name, Answers those of successes by status.
	Parameters map[string]string
	Answers    map[int]string
	Headers    []HeaderWords
}

// HeaderWords describe a header of an answer.
type HeaderWords struct {
	// Statuses are the statuses of the answers that have the header. An empty list stands for all successes.
	Statuses          []int
	Name, Type, About string
}

// Write returns the document of the service, OpenAPI 3.1 as indented JSON. The same input gives the same bytes. Write
// changes the schemas of the service. The error names all types that would have the same name in the document.
func Write(service manifest.Service, about About, texts Texts) ([]byte, error) {
	about.Info.Description = strings.TrimSpace(strings.ReplaceAll(about.Info.Description, conventions, "") + "\n\n" + conventions)
	w := writer{texts: texts, codes: map[string]manifest.Failure{}, doc: Document{
		OpenAPI: "3.1.0", Info: about.Info, Servers: []Server{{URL: ".", Description: "Where this document is"}}, Security: []map[string][]string{},
		Paths: map[string]map[string]Operation{},
		Components: Components{
			Schemas: map[string]any{"Failure": failureSchema(), "Violation": violationSchema()}, Responses: map[string]Response{},
			SecuritySchemes: securitySchemes(service, about),
		},
	}}
	var problems []error
	for _, conflict := range service.Components.Conflicts {
		problems = append(problems, errors.New(conflict))
	}
	used := map[string]bool{}
	for _, e := range service.Endpoints {
		if !e.Hidden {
			w.endpoint(e)
			markUsed(used, service.Components.Schemas, e)
		}
	}
	for name, s := range service.Components.Schemas {
		switch {
		case !used[name]:
		case w.doc.Components.Schemas[name] != nil:
			problems = append(problems, fmt.Errorf("a type is called %s, as a part of the envelope is in the documents; give it the name of its feature", name))
		default:
			w.describe(s)
			w.doc.Components.Schemas[name] = s
		}
	}
	w.tags()
	if err := errors.Join(append(problems, w.problems...)...); err != nil {
		return nil, err
	}
	return encode(w.doc)
}

// conventions hold for all endpoints, and no schema expresses them.
const conventions = "What no schema says holds for all requests: JSON is that of RFC 8259, in UTF-8, without a name twice in one object and at most 100 levels deep; " +
	"a text has no NUL character; a whole number has no point and no exponent; a number is not closer to 0 than a float can say; a body is no larger than the endpoint takes. " +
	"Rules of one endpoint that no schema says are listed with it, in x-rules. Other failures than those that are listed have the same form."

// About is what a document says besides the endpoints.
type About struct {
	Info Info
	// SecuritySchemes are the schemes of docs/docs.go, which endpoints name with app.Secured. Those of the service's authenticator come from the
	// manifest.
	SecuritySchemes map[string]any
}

func encode(doc any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "    ")
	if err := encoder.Encode(doc); err != nil {
		return nil, fmt.Errorf("write openapi: %w", err)
	}
	return text.Bytes(), nil
}

// markUsed notes the named schemas that an endpoint refers to.
func markUsed(used map[string]bool, schemas map[string]*manifest.Schema, e manifest.Endpoint) {
	var mark func(s *manifest.Schema)
	mark = func(s *manifest.Schema) {
		if name := s.RefName(); name != "" && !used[name] {
			used[name] = true
			if named := schemas[name]; named != nil {
				named.Walk(mark)
			}
		}
	}
	for _, s := range e.Schemas() {
		s.Walk(mark)
	}
}

type writer struct {
	doc      Document
	texts    Texts
	codes    map[string]manifest.Failure // by the name of the shared response
	problems []error
}

func (w *writer) endpoint(e manifest.Endpoint) {
	words := w.texts.Operation(e)
	o := Operation{
		Tags: e.Tags, OperationID: e.ID, Deprecated: e.Deprecated != nil, Responses: map[string]Response{},
		Summary: cmp.Or(e.Summary, words.Summary, e.Method+" "+e.Template()), Description: describeOperation(e, words),
	}
	if e.Deprecated != nil {
		o.Sunset = e.Deprecated.Sunset
	}
	w.secure(&o, e)
	if len(e.Rules) > 0 {
		o.Rules = e.Rules
	}
	o.Parameters = w.parameters(e, words)
	o.Body = w.body(e, words)
	w.successes(&o, e, words)
	w.failures(&o, e)
	path := e.Template()
	if w.doc.Paths[path] == nil {
		w.doc.Paths[path] = map[string]Operation{}
	}
	w.doc.Paths[path][strings.ToLower(e.Method)] = o
}

// Paragraphs that are written from the registrations begin like this.
const (
	checked    = "Checked besides what the schemas say:"
	deprecated = "Deprecated since "
	needs      = "Needs "
)

// describeOperation returns the description of an operation: its text, then the rules that no schema expresses.
func describeOperation(e manifest.Endpoint, words Words) string {
	paragraphs := []string{}
	if text := cmp.Or(words.Description, words.Summary); text != "" {
		paragraphs = append(paragraphs, text)
	}
	if text := describeAccess(e); text != "" {
		paragraphs = append(paragraphs, text)
	}
	if e.Deprecated != nil {
		text := deprecated + e.Deprecated.Since
		if e.Deprecated.Sunset != "" {
			text += "; it may be gone from " + e.Deprecated.Sunset + " on"
		}
		paragraphs = append(paragraphs, text+".")
	}
	if len(e.Rules) > 0 {
		lines := []string{checked, ""}
		for _, rule := range e.Rules {
			lines = append(lines, "- "+strings.TrimSpace(quoted(rule.Field)+" "+cmp.Or(rule.Says, rule.Rule)))
		}
		paragraphs = append(paragraphs, strings.Join(lines, "\n"))
	}
	return strings.Join(paragraphs, "\n\n")
}

func quoted(name string) string {
	if name == "" {
		return ""
	}
	return "`" + name + "`:"
}

// describe adds the texts of the sources to a schema and removes the names of Go.
func (w *writer) describe(s *manifest.Schema) {
	if s == nil {
		return
	}
	s.Walk(func(s *manifest.Schema) {
		if s.Comment != "" {
			s.Description, s.Comment = w.texts.Declaration(s.Comment), ""
		}
		if slices.Contains(s.Type, "array") && s.Items == nil { // linters demand items; these may be anything
			s.Items = &manifest.Schema{}
		}
	})
}

// ignored are headers for which OpenAPI has other places.
var ignored = []string{"Accept", "Content-Type", "Authorization"}

func (w *writer) parameters(e manifest.Endpoint, words Words) []Parameter {
	var all []Parameter
	for _, p := range e.Parameters {
		if p.In == "formData" || p.In == "header" && slices.Contains(ignored, p.Name) {
			continue
		}
		w.describe(p.Schema)
		parameter := Parameter{Name: p.Name, In: p.In, Required: p.Required, Schema: p.Schema}
		parameter.Description = cmp.Or(words.Parameters[p.Name], p.Schema.Description)
		p.Schema.Description = ""
		if len(p.Schema.Examples) > 0 {
			parameter.Example, p.Schema.Examples = p.Schema.Examples[0], nil
		}
		all = append(all, parameter)
	}
	return all
}

// body describes the body of a request: JSON, a form, or a body that the endpoint reads by itself.
func (w *writer) body(e manifest.Endpoint, words Words) *Body {
	if len(e.Accepts) == 0 && !e.BodyRequired {
		return nil
	}
	body := &Body{Required: e.BodyRequired, Description: words.Parameters["body"], Content: map[string]Media{}}
	var content any
	switch form := w.form(e, words); {
	case e.Body != nil:
		w.describe(e.Body)
		content = e.Body
	case form != nil:
		content, body.Required = form, len(form.Required) > 0
	}
	for _, name := range e.Accepts {
		body.Content[name] = Media{Schema: content}
	}
	if len(e.Accepts) == 0 {
		body.Content["*/*"] = Media{Schema: &manifest.Schema{}}
	}
	return body
}

// form returns the schema of a form, and nil when the endpoint takes none.
func (w *writer) form(e manifest.Endpoint, words Words) *manifest.Schema {
	form := &manifest.Schema{Type: manifest.Types{"object"}, Properties: map[string]*manifest.Schema{}}
	for _, p := range e.Parameters {
		if p.In != "formData" {
			continue
		}
		w.describe(p.Schema)
		p.Schema.Description = cmp.Or(words.Parameters[p.Name], p.Schema.Description)
		form.Properties[p.Name] = p.Schema
		if p.Required {
			form.Required = append(form.Required, p.Name)
		}
	}
	if len(form.Properties) == 0 {
		return nil
	}
	if e.Strict {
		form.AdditionalProperties = &manifest.Schema{Never: true}
	}
	return form
}

// successes describes the answers of success. The host adds those to conditional requests and to ranges.
func (w *writer) successes(o *Operation, e manifest.Endpoint, words Words) {
	w.describe(e.Data)
	statuses := slices.Clone(e.Statuses)
	if e.Binary && e.Method == http.MethodGet {
		statuses = append(statuses, http.StatusPartialContent, http.StatusNotModified)
	}
	for _, status := range statuses {
		r := Response{Description: cmp.Or(words.Answers[status], http.StatusText(status)), Headers: headersOf(words, status)}
		r.Content = contentOf(e, status)
		addDeprecation(r.Headers, e.Deprecated)
		if len(e.Limits) > 0 {
			addLimitHeaders(r.Headers)
		}
		if e.Idempotent {
			r.Headers["Idempotency-Replayed"] = Header{
				Description: "true for the answer to a repeat, which is that of the first request", Schema: &manifest.Schema{Type: manifest.Types{"string"}, Enum: []any{"true"}},
			}
		}
		o.Responses[strconv.Itoa(status)] = r
	}
}

// addDeprecation adds the headers of a deprecated endpoint.
func addDeprecation(headers map[string]Header, d *manifest.Deprecation) {
	if d == nil {
		return
	}
	text := &manifest.Schema{Type: manifest.Types{"string"}}
	headers["Deprecation"] = Header{Description: "The moment from which on the endpoint is deprecated (RFC 9745)", Schema: text}
	if d.Sunset != "" {
		headers["Sunset"] = Header{Description: "The moment from which on it may be gone (RFC 8594)", Schema: text}
	}
}

// contentOf returns the content of an answer with a status of success.
func contentOf(e manifest.Endpoint, status int) map[string]Media {
	switch {
	case status == http.StatusNoContent || status == http.StatusNotModified || status >= http.StatusMultipleChoices:
		return nil
	case e.Binary && status == http.StatusAccepted:
		return map[string]Media{jsonType: {Schema: envelope(&manifest.Schema{Type: manifest.Types{"object"}})}}
	case e.Kind == "raw" && e.Data != nil:
		return map[string]Media{jsonType: {Schema: e.Data}}
	case e.Binary || e.Kind == "raw":
		content := map[string]Media{}
		for _, name := range e.Produces {
			content[name] = Media{Schema: &manifest.Schema{Type: manifest.Types{"string"}, Format: "binary"}}
		}
		if len(content) == 0 { // nobody has declared the media type
			content["*/*"] = Media{Schema: &manifest.Schema{}}
		}
		return content
	default:
		return map[string]Media{jsonType: {Schema: envelope(e.Data)}}
	}
}

// envelope is the schema of a success with data.
func envelope(data *manifest.Schema) *manifest.Schema {
	return &manifest.Schema{
		Type: manifest.Types{"object"}, Required: []string{"success", "data", "error"},
		Properties: map[string]*manifest.Schema{
			"success": {Type: manifest.Types{"boolean"}, Enum: []any{true}},
			"data":    data,
			"error":   {Type: manifest.Types{"null"}},
		},
	}
}

func headersOf(words Words, status int) map[string]Header {
	all := map[string]Header{}
	for _, h := range words.Headers {
		if len(h.Statuses) == 0 && status < http.StatusMultipleChoices || slices.Contains(h.Statuses, status) {
			all[h.Name] = Header{Description: h.About, Schema: &manifest.Schema{Type: manifest.Types{h.Type}}}
		}
	}
	return all
}

// tags lists the tags of the operations.
func (w *writer) tags() {
	names := map[string]bool{}
	for _, path := range w.doc.Paths {
		for _, o := range path {
			for _, name := range o.Tags {
				names[name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		w.doc.Tags = append(w.doc.Tags, Tag{Name: name, Description: cmp.Or(w.texts.Tag(name), name)})
	}
}
