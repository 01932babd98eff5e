package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"plugboard/infra/host/manifest"
)

// Old returns a document of version 3.1 in version 3.0. What 3.0 has no words for is said in the nearest true ones: names of
// members are not limited, and a value that is always null is a text that may be.
func Old(document []byte) ([]byte, error) {
	var doc Document
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	if err := decoder.Decode(&doc); err != nil {
		return nil, fmt.Errorf("read openapi: %w", err)
	}
	doc.OpenAPI = "3.0.3"
	if doc.Info.License != nil {
		doc.Info.License.Identifier = ""
	}
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
		return oldSchema(schema)
	})
	if problem != nil {
		return nil, problem
	}
	return encode(doc)
}

// oldSchema writes a schema in the words of version 3.0.
func oldSchema(s *manifest.Schema) any {
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
	put("enum", s.Enum, len(s.Enum) > 0)
	oldLimits(m, s)
	oldParts(m, s)
	return m
}

// oldType writes types, and the format that goes with them.
func oldType(m map[string]any, s *manifest.Schema) {
	if s.Format != "" {
		m["format"] = s.Format
	}
	if s.ContentEncoding == "base64" {
		m["format"] = "byte"
	}
	main := s.Type.Main()
	if s.Nullable() {
		m["nullable"] = true
	}
	switch {
	case main != "":
		m["type"] = main
	case len(s.Type) == 1: // null
		m["type"] = "string"
	case len(s.Type) > 1:
		var all []any
		for _, name := range s.Type {
			if name != "null" {
				all = append(all, map[string]any{"type": name})
			}
		}
		m["anyOf"] = all
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

func oldParts(m map[string]any, s *manifest.Schema) {
	if s.Items != nil {
		m["items"] = oldSchema(s.Items)
	}
	if s.AdditionalProperties != nil {
		m["additionalProperties"] = oldSchema(s.AdditionalProperties)
	}
	if s.Not != nil {
		m["not"] = oldSchema(s.Not)
	}
	if len(s.Required) > 0 {
		m["required"] = s.Required
	}
	if len(s.Properties) > 0 {
		properties := map[string]any{}
		for name, p := range s.Properties {
			properties[name] = oldSchema(p)
		}
		m["properties"] = properties
	}
	var all []any
	for _, part := range slices.Concat(s.AllOf, s.AnyOf) {
		if part.Type.Main() != "" || len(part.Type) == 0 { // what is null was said
			all = append(all, oldSchema(part))
		}
	}
	switch {
	case len(all) == 0:
	case len(s.AnyOf) > 0 && len(all) > 1:
		m["anyOf"] = all
	default:
		m["allOf"] = all
	}
}
