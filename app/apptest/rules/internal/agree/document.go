package agree

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Document is an OpenAPI 3.1 document as its readers have it: JSON, and a validator for each schema in it. It is safe for concurrent
// use. Make it with [Read].
type Document struct {
	root       map[string]any
	operations []*endpoint
	// othersFail are operations that do not say how they fail.
	othersFail []string
}

// endpoint is an operation as the document describes it.
type endpoint struct {
	doc          *Document
	id           string
	method, path string
	// parameters are those of the path, the query, headers and cookies, and the fields of forms, whose in is "form".
	parameters []*parameter
	// accepts are the media types of bodies, none without a body.
	accepts      []string
	bodyRequired bool
	// json is the schema of the JSON body, nil without one.
	json      *schema
	closed    bool // other fields of the form are refused
	rules     []listedRule
	responses map[string]*response
}

type parameter struct {
	name, in string
	required bool
	example  any
	schema   *schema
}

// schema is a schema of the document with its validator.
type schema struct {
	doc   *Document
	node  any
	check *jsonschema.Schema
}

// response is what is described for a status: a schema for each media type, nil where that is not JSON.
type response struct{ content map[string]*schema }

// listedRule is an entry of x-rules.
type listedRule struct{ field, rule string }

// Read reads an OpenAPI 3.1 document in JSON.
func Read(text []byte) (*Document, error) { return read(text, nil) }

// read reads a document. An edit may change it first.
func read(text []byte, edit func(root map[string]any)) (*Document, error) {
	var root map[string]any
	if err := decode(string(text), &root); err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	if edit != nil {
		edit(root)
	}
	d := &Document{root: root}
	requests, err := newCompiler(root)
	if err != nil {
		return nil, err
	}
	answers, err := newCompiler(object(closeObjects(root, false)))
	if err != nil {
		return nil, err
	}
	paths := object(root["paths"])
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := object(paths[path])
		for _, method := range slices.Sorted(maps.Keys(item)) {
			r := &reader{doc: d, requests: requests, answers: answers, at: "#/paths/" + escape(path) + "/" + method}
			o := r.operation(method, path, object(item[method]))
			if r.err != nil {
				return nil, r.err
			}
			d.operations = append(d.operations, o)
		}
	}
	return d, nil
}

// object returns a node that should be an object, and an empty one when it is none.
func object(node any) map[string]any {
	o, _ := node.(map[string]any)
	return o
}

// text returns a node that should be a text, and "" when it is none.
func text(node any) string {
	s, _ := node.(string)
	return s
}

// decode decodes JSON, of which numbers stay as they are written.
func decode(text string, into any) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode(into)
}

// closeObjects returns a copy in which objects have no members but those described, so that an answer with others is not valid.
func closeObjects(node any, part bool) any {
	switch n := node.(type) {
	case []any:
		all := make([]any, len(n))
		for i := range n {
			all[i] = closeObjects(n[i], part)
		}
		return all
	case map[string]any:
		object := map[string]any{}
		for name, value := range n {
			object[name] = closeObjects(value, name == "allOf")
		}
		if _, described := n["properties"].(map[string]any); described && n["type"] != nil && n["additionalProperties"] == nil && !part {
			object["additionalProperties"] = false
		}
		return object
	default:
		return node
	}
}

// reader reads one operation of a document, and keeps the first error.
type reader struct {
	doc               *Document
	requests, answers *jsonschema.Compiler
	at                string
	err               error
}

func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", "{", "%7B", "}", "%7D", "*", "%2A").Replace(name)
}

// schema compiles the schema at a place below the operation, or below the whole document when the place begins with "#".
func (r *reader) schema(c *jsonschema.Compiler, node any, place ...string) *schema {
	at := r.at
	if strings.HasPrefix(place[0], "#") {
		at, place = place[0], place[1:]
	}
	for _, part := range place {
		at += "/" + escape(part)
	}
	check, err := c.Compile(documentURL + at)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("read document: %s: %w", at, err)
	}
	return &schema{r.doc, node, check}
}

func (r *reader) operation(method, path string, node map[string]any) *endpoint {
	o := &endpoint{doc: r.doc, method: strings.ToUpper(method), path: path, responses: map[string]*response{}}
	o.id, _ = node["operationId"].(string)
	parameters, _ := node["parameters"].([]any)
	for i, p := range parameters {
		p := object(p)
		parameter := &parameter{name: text(p["name"]), in: text(p["in"]), example: p["example"]}
		parameter.required, _ = p["required"].(bool)
		parameter.schema = r.schema(r.requests, p["schema"], "parameters", strconv.Itoa(i), "schema")
		o.parameters = append(o.parameters, parameter)
	}
	if body, ok := node["requestBody"].(map[string]any); ok {
		r.body(o, body)
	}
	for status, described := range object(node["responses"]) {
		o.responses[status] = r.response(status, object(described))
	}
	listed, _ := node["x-rules"].([]any)
	for _, rule := range listed {
		o.rules = append(o.rules, listedRule{text(object(rule)["field"]), text(object(rule)["rule"])})
	}
	return o
}

func (r *reader) body(o *endpoint, body map[string]any) {
	o.bodyRequired, _ = body["required"].(bool)
	content := object(body["content"])
	o.accepts = slices.Sorted(maps.Keys(content))
	if len(o.accepts) == 0 {
		return
	}
	name := o.accepts[0]
	node := object(content[name])["schema"]
	switch {
	case strings.Contains(name, "json"):
		o.json = r.schema(r.requests, node, "requestBody", "content", name, "schema")
	case strings.Contains(name, "form"):
		form := object(node)
		o.closed = form["additionalProperties"] == false
		properties, _ := form["properties"].(map[string]any)
		for _, field := range slices.Sorted(maps.Keys(properties)) {
			o.parameters = append(o.parameters, &parameter{
				name: field, in: "form", required: contains(form["required"], field),
				schema: r.schema(r.requests, properties[field], "requestBody", "content", name, "schema", "properties", field),
			})
		}
	}
}

func contains(list any, value any) bool {
	all, _ := list.([]any)
	return slices.Contains(all, value)
}

func (r *reader) response(status string, node map[string]any) *response {
	place := []string{"responses", status}
	if ref, ok := node["$ref"].(string); ok {
		node, place = r.doc.resolve(node), []string{ref}
	}
	answer := &response{content: map[string]*schema{}}
	content, _ := node["content"].(map[string]any)
	for name, media := range content {
		answer.content[name] = nil
		if name == "application/json" {
			answer.content[name] = r.schema(r.answers, object(media)["schema"], append(place, "content", name, "schema")...)
		}
	}
	return answer
}

// resolve returns what a node refers to, or the node.
func (d *Document) resolve(node any) map[string]any {
	ref, ok := object(node)["$ref"].(string)
	if !ok {
		return object(node)
	}
	var found any = d.root
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		found = object(found)[part]
	}
	return d.resolve(found)
}

// allows reports whether the schema allows a value.
func (s *schema) allows(value any) bool { return s.check.Validate(value) == nil }

// lists reports whether x-rules has a rule on a field.
func (o *endpoint) lists(field, rule string) bool {
	parts := strings.Split(field, ".")
	list := slices.Clone(parts) // without the number of an element: a rule on a list may be broken by one of its elements
	if _, err := strconv.Atoi(parts[len(parts)-1]); err == nil {
		list = parts[:len(parts)-1]
	}
	return slices.ContainsFunc(o.rules, func(r listedRule) bool {
		listed := strings.Split(r.field, ".")
		return r.rule == rule && (matches(listed, parts) || matches(listed, list))
	})
}

// matches reports whether the parts of a field's name are those of a listed one, in which "*" stands for one part and "**" for any number.
func matches(listed, field []string) bool {
	switch {
	case len(listed) == 0:
		return len(field) == 0
	case listed[0] == "**":
		return matches(listed[1:], field) || len(field) > 0 && matches(listed, field[1:])
	default:
		return len(field) > 0 && (listed[0] == "*" || listed[0] == field[0]) && matches(listed[1:], field[1:])
	}
}

// show is a value for a message.
func show(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%.300s", cmp.Or(string(text), "nothing"))
}
