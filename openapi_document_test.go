package main

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// document is an OpenAPI 3.1 document as its readers have it: JSON, and a validator for each schema in it.
type document struct {
	root       map[string]any
	operations []*endpoint
}

// endpoint is an operation as the document describes it.
type endpoint struct {
	doc          *document
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
	doc   *document
	node  any
	check *jsonschema.Schema
}

// response is what is described for a status: a schema for each media type, nil where that is not JSON.
type response struct{ content map[string]*schema }

// listedRule is an entry of x-rules.
type listedRule struct{ Field, Rule string }

// readDocument reads a document. An edit may change it first.
func readDocument(t *testing.T, text []byte, edit func(root map[string]any)) *document {
	t.Helper()
	var root map[string]any
	require.NoError(t, decode(string(text), &root))
	if edit != nil {
		edit(root)
	}
	d := &document{root: root}
	requests, answers := newCompiler(t, root), newCompiler(t, closeObjects(root, false).(map[string]any))
	paths := root["paths"].(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := paths[path].(map[string]any)
		for _, method := range slices.Sorted(maps.Keys(item)) {
			r := reader{t: t, doc: d, requests: requests, answers: answers, at: "#/paths/" + escape(path) + "/" + method}
			d.operations = append(d.operations, r.operation(method, path, item[method].(map[string]any)))
		}
	}
	return d
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

const documentURL = "https://document.test/openapi.json"

func newCompiler(t *testing.T, root map[string]any) *jsonschema.Compiler {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.AssertContent()
	for name, check := range formats {
		c.RegisterFormat(&jsonschema.Format{Name: name, Validate: check})
	}
	c.RegisterContentEncoding(&jsonschema.Decoder{Name: "base64", Decode: func(text string) ([]byte, error) {
		if strings.ContainsAny(text, "\r\n") {
			return nil, errors.New("base64 with lines")
		}
		return base64.StdEncoding.DecodeString(text)
	}})
	c.UseRegexpEngine(func(pattern string) (jsonschema.Regexp, error) {
		return regexp.Compile(strings.ReplaceAll(pattern, `\s`, javaScriptSpaces))
	})
	require.NoError(t, c.AddResource(documentURL, root))
	return c
}

// javaScriptSpaces are the characters of \s in JavaScript, whose patterns JSON Schema has; in Go it has fewer.
const javaScriptSpaces = `\t-\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`

// formats are those that a document of ours means to be kept. All others are a hint beside a rule that x-rules lists.
var formats = map[string]func(any) error{
	"int32":  wholeNumber("-2147483648", "2147483647"),
	"int64":  wholeNumber("-9223372036854775808", "9223372036854775807"),
	"uint64": wholeNumber("0", "18446744073709551615"),
	"float":  floatOf(32), "double": floatOf(64),
	"date":      timeOf(time.DateOnly),
	"date-time": timeOf(time.RFC3339),
	"uuid":      uuidText,
	"email":     anyText, "ipv4": anyText, "ipv6": anyText, "hostname": anyText, "uri": anyText,
}

func uuidText(value any) error {
	if text, ok := value.(string); ok && !uuidForm.MatchString(text) {
		return errors.New("not a UUID")
	}
	return nil
}

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func anyText(any) error { return nil }

// wholeNumber is the format of integers from low to high.
func wholeNumber(low, high string) func(any) error {
	least, _ := new(big.Int).SetString(low, 10)
	most, _ := new(big.Int).SetString(high, 10)
	return func(value any) error {
		number, _ := value.(json.Number)
		n, whole := new(big.Int).SetString(string(number), 10)
		if whole && (n.Cmp(least) < 0 || n.Cmp(most) > 0) {
			return errors.New("beyond the format")
		}
		return nil
	}
}

func floatOf(bits int) func(any) error {
	return func(value any) error {
		if number, ok := value.(json.Number); ok {
			_, err := strconv.ParseFloat(string(number), bits)
			return err
		}
		return nil
	}
}

func timeOf(layout string) func(any) error {
	return func(value any) error {
		text, ok := value.(string)
		if !ok {
			return nil
		}
		_, err := time.Parse(layout, text)
		return err
	}
}

// reader reads one operation of a document.
type reader struct {
	t                 *testing.T
	doc               *document
	requests, answers *jsonschema.Compiler
	at                string
}

func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", "{", "%7B", "}", "%7D", "*", "%2A").Replace(name)
}

// schema compiles the schema at a place below the operation, or below the whole document when the place begins with "#".
func (r reader) schema(c *jsonschema.Compiler, node any, place ...string) *schema {
	r.t.Helper()
	at := r.at
	if strings.HasPrefix(place[0], "#") {
		at, place = place[0], place[1:]
	}
	for _, part := range place {
		at += "/" + escape(part)
	}
	check, err := c.Compile(documentURL + at)
	require.NoError(r.t, err, at)
	return &schema{r.doc, node, check}
}

func (r reader) operation(method, path string, node map[string]any) *endpoint {
	r.t.Helper()
	o := &endpoint{doc: r.doc, method: strings.ToUpper(method), path: path, responses: map[string]*response{}}
	o.id, _ = node["operationId"].(string)
	parameters, _ := node["parameters"].([]any)
	for i, p := range parameters {
		p := p.(map[string]any)
		parameter := &parameter{name: p["name"].(string), in: p["in"].(string), example: p["example"]}
		parameter.required, _ = p["required"].(bool)
		parameter.schema = r.schema(r.requests, p["schema"], "parameters", strconv.Itoa(i), "schema")
		o.parameters = append(o.parameters, parameter)
	}
	if body, ok := node["requestBody"].(map[string]any); ok {
		r.body(o, body)
	}
	for status, described := range node["responses"].(map[string]any) {
		o.responses[status] = r.response(status, described.(map[string]any))
	}
	listed, err := json.Marshal(node["x-rules"])
	require.NoError(r.t, err)
	require.NoError(r.t, json.Unmarshal(listed, &o.rules))
	return o
}

func (r reader) body(o *endpoint, body map[string]any) {
	r.t.Helper()
	o.bodyRequired, _ = body["required"].(bool)
	content := body["content"].(map[string]any)
	o.accepts = slices.Sorted(maps.Keys(content))
	name := o.accepts[0]
	node := content[name].(map[string]any)["schema"]
	switch {
	case strings.Contains(name, "json"):
		o.json = r.schema(r.requests, node, "requestBody", "content", name, "schema")
	case strings.Contains(name, "form"):
		form := node.(map[string]any)
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

func (r reader) response(status string, node map[string]any) *response {
	r.t.Helper()
	place := []string{"responses", status}
	if ref, ok := node["$ref"].(string); ok {
		node, place = r.doc.resolve(node), []string{ref}
	}
	answer := &response{content: map[string]*schema{}}
	content, _ := node["content"].(map[string]any)
	for name, media := range content {
		answer.content[name] = nil
		if name == "application/json" {
			answer.content[name] = r.schema(r.answers, media.(map[string]any)["schema"], append(place, "content", name, "schema")...)
		}
	}
	return answer
}

// resolve returns what a node refers to, or the node.
func (d *document) resolve(node any) map[string]any {
	object, _ := node.(map[string]any)
	ref, ok := object["$ref"].(string)
	if !ok {
		return object
	}
	var found any = d.root
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		found = found.(map[string]any)[part]
	}
	return d.resolve(found)
}

// allows reports whether the schema allows a value.
func (s *schema) allows(value any) bool { return s.check.Validate(value) == nil }

// lists reports whether x-rules has a rule on a field.
func (o *endpoint) lists(field, rule string) bool {
	return slices.ContainsFunc(o.rules, func(r listedRule) bool {
		return r.Rule == rule && matches(strings.Split(r.Field, "."), strings.Split(field, "."))
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

// edited returns an edit that puts a value at a place of the document, or takes away what is there when the value is nil.
func edited(t *testing.T, place, value string) func(root map[string]any) {
	return func(root map[string]any) {
		t.Helper()
		parts := strings.Split(place, " ")
		var parent any = root
		for _, part := range parts[:len(parts)-1] {
			if list, ok := parent.([]any); ok {
				n, err := strconv.Atoi(part)
				require.NoError(t, err)
				parent = list[n]
				continue
			}
			parent = parent.(map[string]any)[part]
			require.NotNil(t, parent, "%s has no %s", place, part)
		}
		object, last := parent.(map[string]any), parts[len(parts)-1]
		if value == "" {
			require.Contains(t, object, last)
			delete(object, last)
			return
		}
		var decoded any
		require.NoError(t, decode(value, &decoded))
		object[last] = decoded
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
