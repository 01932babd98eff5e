package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"plugboard/infra/host/manifest"
)

// Old converts a document of version 3.1 to version 3.0. Where 3.0 cannot express something, Old writes the nearest true
// statement: names of members have no limits, and a value that is always null is a text that may be null.
func Old(document []byte) ([]byte, error) {
	var doc Document
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	if err := decoder.Decode(&doc); err != nil {
		return nil, fmt.Errorf("read openapi: %w", err)
	}
	doc.OpenAPI = "3.0.3"
	if l := doc.Info.License; l != nil {
		if oneLicense.MatchString(l.Identifier) {
			l.URL = "https://spdx.org/licenses/" + l.Identifier + ".html"
		}
		l.Identifier = ""
	}
	w := oldWriter{named: doc.Components.Schemas}
	var problem error
	doc.eachSchema(func(s any) any {
		text, err := json.Marshal(s)
		schema := new(manifest.Schema)
		if err == nil {
			err = json.Unmarshal(text, schema)
		}
		if err != nil {
			problem = fmt.Errorf("write openapi 3.0: %w", err)
			return s
		}
		return w.schema(schema)
	})
	if problem != nil {
		return nil, problem
	}
	return encode(doc)
}

// oneLicense matches the SPDX identifier of one license, which has a page of its own. An expression may combine several.
var oneLicense = regexp.MustCompile(`^[A-Za-z0-9.-]+$`)

// oldWriter converts schemas to version 3.0.
type oldWriter struct {
	named map[string]any // the referenced schemas, of version 3.1 or already converted
}

func (w oldWriter) schema(s *manifest.Schema) any {
	if s.Never {
		return false
	}
	m := map[string]any{}
	put := func(name string, value any, said bool) {
		if said {
			m[name] = value
		}
	}
	put("description", s.Description, s.Description != "")
	put("default", s.Default, s.Default != nil)
	if len(s.Examples) > 0 {
		m["example"] = s.Examples[0]
	}
	put("x-rules", s.Rules, len(s.Rules) > 0)
	if s.Ref != "" {
		reference := map[string]any{"$ref": s.Ref}
		if len(m) == 0 {
			return reference
		}
		m["allOf"] = []any{reference}
		return m
	}
	oldType(m, s)
	put("pattern", s.Pattern, s.Pattern != "")
	oldEnum(m, s)
	oldLimits(m, s)
	w.parts(m, s)
	return m
}

// oldType writes the types and their format.
func oldType(m map[string]any, s *manifest.Schema) {
	if s.Format != "" {
		m["format"] = s.Format
	}
	if s.ContentEncoding == "base64" {
		m["format"] = "byte"
	}
	typed := func(m map[string]any, name string) map[string]any {
		m["type"] = name
		if name == "array" { // version 3.0 demands items
			m["items"] = map[string]any{}
		}
		if slices.Contains(s.Type, "null") { // allowed only beside a type
			m["nullable"] = true
		}
		return m
	}
	switch main := s.Type.Main(); {
	case main != "":
		typed(m, main)
	case len(s.Type) == 1: // null
		typed(m, "string")
	case len(s.Type) > 1:
		var all []any
		for _, name := range s.Type {
			if name != "null" {
				all = append(all, typed(map[string]any{}, name))
			}
		}
		m["anyOf"] = all
	}
}

// oldEnum writes an enumeration without null: nullable says that, and generators would make a constant of it.
func oldEnum(m map[string]any, s *manifest.Schema) {
	values := slices.DeleteFunc(slices.Clone(s.Enum), func(value any) bool { return value == nil })
	if len(values) > 0 {
		m["enum"] = values
	}
}

func oldLimits(m map[string]any, s *manifest.Schema) {
	for name, limit := range map[string]json.Number{
		"minimum": s.Minimum, "maximum": s.Maximum, "minLength": s.MinLength, "maxLength": s.MaxLength, "minItems": s.MinItems,
		"maxItems": s.MaxItems, "minProperties": s.MinProperties, "maxProperties": s.MaxProperties,
	} {
		if limit != "" {
			m[name] = limit
		}
	}
	if s.ExclusiveMinimum != "" {
		m["minimum"], m["exclusiveMinimum"] = s.ExclusiveMinimum, true
	}
	if s.ExclusiveMaximum != "" {
		m["maximum"], m["exclusiveMaximum"] = s.ExclusiveMaximum, true
	}
	if s.UniqueItems {
		m["uniqueItems"] = true
	}
}

func (w oldWriter) parts(m map[string]any, s *manifest.Schema) {
	if s.Items != nil {
		m["items"] = w.schema(s.Items)
	}
	if s.AdditionalProperties != nil {
		m["additionalProperties"] = w.schema(s.AdditionalProperties)
	}
	if s.Not != nil {
		m["not"] = w.schema(s.Not)
	}
	if len(s.Required) > 0 {
		m["required"] = s.Required
	}
	if len(s.Properties) > 0 {
		properties := map[string]any{}
		for name, p := range s.Properties {
			properties[name] = w.schema(p)
		}
		m["properties"] = properties
	}
	var all []any
	for _, part := range slices.Concat(s.AllOf, s.AnyOf) {
		if part.Type.Main() != "" || len(part.Type) == 0 { // nullable has been written
			all = append(all, w.schema(part))
		}
	}
	name := w.typeOf(s.AnyOf)
	switch {
	case len(all) == 0:
	case slices.ContainsFunc(s.AnyOf, isNull) && (len(all) > 1 || name == ""): // without a single type, null is an alternative
		m["anyOf"] = append(all, map[string]any{"type": "string", "nullable": true})
	case len(s.AnyOf) > 0 && len(all) > 1:
		m["anyOf"] = all
	default:
		m["allOf"] = all
		if name != "" {
			m["type"], m["nullable"] = name, true
		}
	}
}

// isNull reports whether s allows null alone.
func isNull(s *manifest.Schema) bool { return len(s.Type) == 1 && s.Type[0] == "null" }

// typeOf returns the type of the referenced schema, where the other alternative is null.
func (w oldWriter) typeOf(alternatives []*manifest.Schema) string {
	if !slices.ContainsFunc(alternatives, (*manifest.Schema).Nullable) {
		return ""
	}
	for _, part := range alternatives {
		if named, ok := w.named[part.RefName()].(map[string]any); ok {
			name, _ := named["type"].(string)
			return name
		}
	}
	return ""
}
