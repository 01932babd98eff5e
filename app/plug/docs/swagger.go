package docs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"plugboard/app/plug/annotate"
	"plugboard/infra/host/manifest"
)

// SwagOverrides returns swag's file of overrides. It has the types with a JSON form of their own, which swag cannot see,
// and the type of that form. Swag looks for a type by its name in the source, in Go's notation, before it guesses, and
// by its full name, in Swagger's notation, when it knows the declaration.
func SwagOverrides(service manifest.Service) []byte {
	goWords := map[string]string{"string": "string", "integer": "int64", "number": "float64", "boolean": "bool"}
	lines := map[string]string{}
	for name, form := range service.Components.Forms {
		word, ok := goWords[form]
		if !ok {
			form, word = "object", "object"
		}
		lines[name] = form
		written := path.Base(name) // "json.Number"
		lines[written] = word
		if _, plain, _ := strings.Cut(written, "."); slices.Contains(guessed, plain) {
			lines[plain] = word
		}
	}
	var text bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(&text, "replace %s %s\n", name, lines[name])
	}
	return text.Bytes()
}

// guessed are names of types that swag takes for another type, in whatever package.
var guessed = []string{"Time", "UUID", "Decimal"}

// CheckSwagger compares swag's document with the service's manifest. Swag reads sources and guesses the JSON form of
// types. Where it is wrong, the problem names plugin, file and member, and says what to write beside the member.
// CheckSwagger also finds schemas that swag has named in full, see [annotate.CheckNames].
func CheckSwagger(document []byte, service manifest.Service) error {
	c := swaggerCheck{components: service.Components.Schemas}
	if err := json.Unmarshal(document, &c.document); err != nil {
		return fmt.Errorf("read swag's document: %w", err)
	}
	for _, e := range service.Endpoints {
		if !e.Hidden {
			c.endpoint(e)
		}
	}
	return errors.Join(append(c.problems, annotate.CheckNames(document))...)
}

// swaggerSchema holds the compared parts of a schema of Swagger 2.0.
type swaggerSchema struct {
	Ref                  string                    `json:"$ref"`
	Type                 string                    `json:"type"`
	Items                *swaggerSchema            `json:"items"`
	Properties           map[string]*swaggerSchema `json:"properties"`
	AdditionalProperties json.RawMessage           `json:"additionalProperties"`
	AllOf                []*swaggerSchema          `json:"allOf"`
}

type swaggerDocument struct {
	Paths map[string]map[string]struct {
		Parameters []struct {
			In     string         `json:"in"`
			Schema *swaggerSchema `json:"schema"`
		} `json:"parameters"`
		Responses map[string]struct {
			Schema *swaggerSchema `json:"schema"`
		} `json:"responses"`
	} `json:"paths"`
	Definitions map[string]*swaggerSchema `json:"definitions"`
}

type swaggerCheck struct {
	document   swaggerDocument
	components map[string]*manifest.Schema
	problems   []error
}

func (c *swaggerCheck) endpoint(e manifest.Endpoint) {
	route := e.Template()
	operation, ok := c.document.Paths[route][strings.ToLower(e.Method)]
	if !ok {
		c.problems = append(c.problems, fmt.Errorf("plugin %s (%s): %s %s is registered and not described in docs/swagger.json: run go tool plug docs", e.Plugin, e.Source, e.Method, route))
		return
	}
	fail := func(what, problem string) {
		c.problems = append(c.problems, fmt.Errorf("plugin %s (%s): %s %s: docs/swagger.json is wrong about %s: %s", e.Plugin, e.Source, e.Method, route, what, problem))
	}
	for _, p := range operation.Parameters {
		if p.In == "body" && e.Body != nil {
			c.compare(p.Schema, e.Body, "the body", nil, fail)
		}
	}
	if len(e.Statuses) == 0 || e.Data == nil || e.Kind == "raw" {
		return
	}
	answer := c.resolve(operation.Responses[strconv.Itoa(e.Statuses[0])].Schema)
	if answer != nil {
		c.compare(answer.Properties["data"], e.Data, "the answer's data", nil, fail)
	}
}

// resolve follows references. Swag wraps some of them to describe them.
func (c *swaggerCheck) resolve(s *swaggerSchema) *swaggerSchema {
	for s != nil {
		switch {
		case s.Ref != "":
			s = c.document.Definitions[strings.TrimPrefix(s.Ref, "#/definitions/")]
		case len(s.AllOf) == 1:
			s = s.AllOf[0]
		default:
			return s
		}
	}
	return nil
}

// compare reports where swag's schema differs from ours.
func (c *swaggerCheck) compare(theirs *swaggerSchema, ours *manifest.Schema, what string, within []string, fail func(what, problem string)) {
	if len(ours.AnyOf) > 0 {
		ours = ours.AnyOf[0] // the rest is null
	}
	if name := ours.RefName(); name != "" {
		if slices.Contains(within, name) {
			return
		}
		within, ours = append(slices.Clone(within), name), c.components[name]
	}
	main := ours.Type.Main()
	if main == "" {
		return // Swagger 2.0 calls a value of any type an object
	}
	theirs = c.resolve(theirs)
	if theirs == nil || theirs.Type == "" && theirs.Properties == nil {
		fail(what, "it is not described; give its field a tag such as swaggertype:\""+main+"\"")
		return
	}
	if theirs.Type != main && (theirs.Type != "integer" || main != "number") && (theirs.Type != "" || main != "object") {
		fail(what, fmt.Sprintf("it is %s, not %s; give its field the tag swaggertype:%q", main, theirs.Type, main))
		return
	}
	if ours.Items != nil {
		c.compare(theirs.Items, ours.Items, "an element of "+what, within, fail)
	}
	if len(ours.Properties) > 0 {
		c.members(theirs, ours, what, within, fail)
	}
}

func (c *swaggerCheck) members(theirs *swaggerSchema, ours *manifest.Schema, what string, within []string, fail func(what, problem string)) {
	for _, name := range slices.Sorted(maps.Keys(ours.Properties)) {
		where := "the member " + name + " of " + what
		if theirs.Properties[name] == nil {
			fail(where, "it is missing, which happens where swag does not find a type; say what that is by swaggertype on its field")
			continue
		}
		c.compare(theirs.Properties[name], ours.Properties[name], where, within, fail)
	}
	for _, name := range slices.Sorted(maps.Keys(theirs.Properties)) {
		if ours.Properties[name] == nil && len(within) > 1 { // the outermost struct may have parameters too
			fail("the member "+name+" of "+what, `there is none; give its field the tag swaggerignore:"true"`)
		}
	}
}
