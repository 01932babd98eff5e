package docs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"plugboard/infra/host/manifest"
)

// yamlSchema is a schema as YAML writes it, with the descriptions that comment has for declarations in Go.
func yamlSchema(s *manifest.Schema, comment func(declaration string) string) (map[string]any, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var m map[string]any
	if err := decoder.Decode(&m); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	return describeParts(m, comment), nil
}

// describeParts replaces the names of declarations by their comments, and numbers of Go by numbers of JSON.
func describeParts(m map[string]any, comment func(declaration string) string) map[string]any {
	for name, value := range m {
		m[name] = describePart(value, comment)
	}
	if declaration, ok := m["$comment"].(string); ok {
		delete(m, "$comment")
		if text := comment(declaration); text != "" {
			m["description"] = text
		}
	}
	return m
}

func describePart(value any, comment func(declaration string) string) any {
	switch value := value.(type) {
	case map[string]any:
		return describeParts(value, comment)
	case []any:
		for i := range value {
			value[i] = describePart(value[i], comment)
		}
	}
	return plain(value)
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

// Shapes writes schemas in a few characters. It knows the schemas that others refer to.
type Shapes map[string]*manifest.Schema

// Of is the schema in a few characters: "{id: integer, name?: string 1..200}".
func (c Shapes) Of(s *manifest.Schema) string { return c.of(s, nil) }

// of writes s, which is within schemas of the given names.
func (c Shapes) of(s *manifest.Schema, within []string) string {
	text := c.withoutLimits(s, within)
	if limits := limitsOf(s); limits != "" {
		text += " " + limits
	}
	if slices.Contains(s.Type, "null") && len(s.Type) > 1 {
		text += " or null"
	}
	if s.Default != nil && s.Default != "" {
		text += fmt.Sprintf(" = %v", plain(s.Default))
	}
	return text
}

func (c Shapes) withoutLimits(s *manifest.Schema, within []string) string {
	switch {
	case s.Ref != "":
		return c.named(s.RefName(), within)
	case len(s.AnyOf) > 0:
		parts := make([]string, len(s.AnyOf))
		for i, part := range s.AnyOf {
			parts[i] = c.of(part, within)
		}
		return strings.Join(parts, " or ")
	case len(s.Enum) > 0:
		var values []string
		for _, v := range s.Enum {
			if v != nil {
				values = append(values, fmt.Sprint(plain(v)))
			}
		}
		return strings.Join(values, "|")
	case s.Items != nil:
		return "[" + c.of(s.Items, within) + "]"
	case s.AdditionalProperties != nil && !s.AdditionalProperties.Never:
		return "{*: " + c.of(s.AdditionalProperties, within) + "}"
	case len(s.Properties) > 0:
		return "{" + c.members(s, within) + "}"
	default:
		return plainShape(s)
	}
}

// named writes the schema of a name; one that stands within itself is its name.
func (c Shapes) named(name string, within []string) string {
	s := c[name]
	if s == nil || slices.Contains(within, name) {
		return name
	}
	return c.of(s, append(slices.Clone(within), name))
}

// plainShape writes a schema without parts.
func plainShape(s *manifest.Schema) string {
	switch main := s.Type.Main(); {
	case len(s.Type) == 0:
		return "any"
	case main == "object":
		return "{}"
	case main == "":
		return strings.Join(s.Type, " or ")
	case s.ContentEncoding != "":
		return s.ContentEncoding
	case s.Format == "binary":
		return "file"
	case main == "string" && s.Format != "":
		return s.Format
	default:
		return main
	}
}

func (c Shapes) members(s *manifest.Schema, within []string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		mark := ""
		if !slices.Contains(s.Required, name) {
			mark = "?"
		}
		all = append(all, name+mark+": "+c.of(s.Properties[name], within))
	}
	return strings.Join(all, ", ")
}

// limitsOf are the limits that are not those of the type itself.
func limitsOf(s *manifest.Schema) string {
	least, most := s.Minimum, s.Maximum
	switch s.Type.Main() {
	case "string":
		least, most = s.MinLength, s.MaxLength
	case "array":
		least, most = s.MinItems, s.MaxItems
	case "object":
		least, most = s.MinProperties, s.MaxProperties
	}
	switch {
	case s.ExclusiveMinimum != "" || s.ExclusiveMaximum != "":
		var signs []string
		for _, bound := range [][2]string{
			{">", s.ExclusiveMinimum.String()}, {">=", least.String()}, {"<", s.ExclusiveMaximum.String()}, {"<=", most.String()},
		} {
			if bound[1] != "" {
				signs = append(signs, bound[0]+bound[1])
			}
		}
		return strings.Join(signs, " ")
	case least != "" || most != "":
		return least.String() + ".." + most.String()
	default:
		return s.Pattern
	}
}
