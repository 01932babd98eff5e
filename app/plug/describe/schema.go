package describe

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"plugboard/infra/host/description"
)

// jsonSchema is the schema in the terms of JSON Schema, draft 7, which AsyncAPI uses. The description of a property is
// what describe says of it; it is asked about the outermost properties alone.
func jsonSchema(s *description.Schema, describe func(property string) string) map[string]any {
	m := map[string]any{}
	put := func(name string, value any, present bool) {
		if present {
			m[name] = value
		}
	}
	put("type", s.Type, s.Type != "")
	put("type", []string{s.Type, "null"}, s.Type != "" && s.Nullable)
	put("format", s.Format, s.Format != "" && s.Format != "byte")
	put("contentEncoding", "base64", s.Format == "byte")
	put("pattern", s.Pattern, s.Pattern != "")
	put("enum", plainly(s.Enum), len(s.Enum) > 0)
	put("examples", []any{plain(s.Example)}, s.Example != nil)
	put("required", s.Required, len(s.Required) > 0)
	minimum, maximum := "minimum", "maximum"
	if s.ExclusiveMinimum {
		minimum = "exclusiveMinimum"
	}
	if s.ExclusiveMaximum {
		maximum = "exclusiveMaximum"
	}
	for name, n := range map[string]json.Number{
		minimum: s.Minimum, maximum: s.Maximum, "minLength": s.MinLength, "maxLength": s.MaxLength, "minItems": s.MinItems, "maxItems": s.MaxItems,
	} {
		put(name, plain(n), n != "")
	}
	addParts(m, s, describe)
	return m
}

// addParts adds what the value consists of.
func addParts(m map[string]any, s *description.Schema, describe func(property string) string) {
	if s.Items != nil {
		m["items"] = jsonSchema(s.Items, nil)
	}
	if s.Values != nil {
		m["additionalProperties"] = jsonSchema(s.Values, nil)
	}
	if len(s.Properties) == 0 {
		return
	}
	properties := map[string]any{}
	for name, property := range s.Properties {
		p := jsonSchema(property, nil)
		if describe != nil {
			if text := describe(name); text != "" {
				p["description"] = text
			}
		}
		properties[name] = p
	}
	m["properties"] = properties
}

// plain turns a number of JSON into one of Go, the narrowest that holds it as it is written.
func plain(v any) any {
	n, ok := v.(json.Number)
	if !ok {
		return v
	}
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return u
	}
	f, _ := n.Float64() // it came as a number
	return f
}

func plainly(values []any) []any {
	all := make([]any, len(values))
	for i, v := range values {
		all[i] = plain(v)
	}
	return all
}

// Shape is the schema in a few characters: "{id: integer, name?: string 1..200}".
func Shape(s *description.Schema) string {
	text := shapeOf(s)
	if limits := limitsOf(s); limits != "" {
		text += " " + limits
	}
	if s.Nullable {
		text += " or null"
	}
	if s.Default != nil && s.Default != "" {
		text += fmt.Sprintf(" = %v", plain(s.Default))
	}
	return text
}

// shapeOf is the shape without limits.
func shapeOf(s *description.Schema) string {
	switch {
	case len(s.Enum) > 0:
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = fmt.Sprint(plain(v))
		}
		return strings.Join(values, "|")
	case s.Items != nil:
		return "[" + Shape(s.Items) + "]"
	case s.Values != nil:
		return "{*: " + Shape(s.Values) + "}"
	case len(s.Properties) > 0:
		return "{" + membersOf(s) + "}"
	case s.Type == "object":
		return "{}"
	case s.Type == "":
		return "any"
	case s.Format == "byte":
		return "base64"
	case s.Format == "binary":
		return "file"
	case s.Type == "string" && s.Format != "":
		return s.Format
	default:
		return s.Type
	}
}

func membersOf(s *description.Schema) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		mark := ""
		if !slices.Contains(s.Required, name) {
			mark = "?"
		}
		all = append(all, name+mark+": "+Shape(s.Properties[name]))
	}
	return strings.Join(all, ", ")
}

// limitsOf are the limits that are not those of the type itself.
func limitsOf(s *description.Schema) string {
	least, most, sign := s.Minimum, s.Maximum, ""
	switch s.Type {
	case "string":
		least, most = s.MinLength, s.MaxLength
	case "array":
		least, most = s.MinItems, s.MaxItems
	}
	switch {
	case s.ExclusiveMinimum || s.ExclusiveMaximum:
		for _, bound := range []struct {
			value   json.Number
			outside bool
			sign    string
		}{{least, s.ExclusiveMinimum, ">"}, {most, s.ExclusiveMaximum, "<"}} {
			if bound.value == "" {
				continue
			}
			if sign = strings.TrimSpace(sign + " " + bound.sign); !bound.outside {
				sign += "="
			}
			sign += bound.value.String()
		}
		return sign
	case least != "" || most != "":
		return least.String() + ".." + most.String()
	default:
		return s.Pattern
	}
}
