package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Schema is a JSON Schema (draft 2020-12) of a value, as the service reads or writes it. The zero Schema allows any value.
type Schema struct {
	// Ref refers to a schema of [Service.Components]: "#/components/schemas/Name". Only Comment, Default and Examples may
	// stand beside it.
	Ref string `json:"$ref,omitzero"`
	// Comment names the declaration in Go: "package.Type" or "package.Type.Field".
	Comment     string `json:"$comment,omitzero"`
	Description string `json:"description,omitzero"`
	Type        Types  `json:"type,omitzero"`
	Format      string `json:"format,omitzero"`
	// ContentEncoding is "base64" for bytes.
	ContentEncoding string `json:"contentEncoding,omitzero"`
	Pattern         string `json:"pattern,omitzero"`
	Enum            []any  `json:"enum,omitempty"`
	Default         any    `json:"default,omitempty"`
	Examples        []any  `json:"examples,omitempty"`

	// The limits are numbers as the rules write them, so that no digit is lost.
	Minimum          json.Number `json:"minimum,omitzero"`
	ExclusiveMinimum json.Number `json:"exclusiveMinimum,omitzero"`
	Maximum          json.Number `json:"maximum,omitzero"`
	ExclusiveMaximum json.Number `json:"exclusiveMaximum,omitzero"`
	MinLength        json.Number `json:"minLength,omitzero"`
	MaxLength        json.Number `json:"maxLength,omitzero"`
	MinItems         json.Number `json:"minItems,omitzero"`
	MaxItems         json.Number `json:"maxItems,omitzero"`
	MinProperties    json.Number `json:"minProperties,omitzero"`
	MaxProperties    json.Number `json:"maxProperties,omitzero"`
	UniqueItems      bool        `json:"uniqueItems,omitzero"`

	Items      *Schema            `json:"items,omitempty"`
	Properties map[string]*Schema `json:"properties,omitempty"`
	// Required are the properties that a request must have, or that an answer always has.
	Required []string `json:"required,omitempty"`
	// AdditionalProperties is the schema of a map's values, or Never where other members are refused.
	AdditionalProperties *Schema   `json:"additionalProperties,omitempty"`
	PropertyNames        *Schema   `json:"propertyNames,omitempty"`
	AllOf                []*Schema `json:"allOf,omitempty"`
	AnyOf                []*Schema `json:"anyOf,omitempty"`
	Not                  *Schema   `json:"not,omitempty"`

	// Rules are the rules that no schema expresses.
	Rules []Rule `json:"x-rules,omitempty"`
	// Never stands for the schema false, which allows nothing.
	Never bool `json:"-"`
}

// Rule is a rule on a request that no schema expresses.
type Rule struct {
	// Field is the name of the field as callers know it, with "*" for the elements of a list or map: "items.*.price". In
	// a type that contains itself, "**" stands for any path down to the field, also an empty one. Field is "" for a rule
	// on the whole request. It is not given in a Schema, whose place says it.
	Field string `json:"field,omitzero"`
	// Rule is the name of the rule in a refusal.
	Rule string `json:"rule"`
	// Says is the demand of the rule.
	Says string `json:"says,omitzero"`
}

// plainSchema is Schema without its methods.
type plainSchema Schema

// MarshalJSON implements json.Marshaler.
func (s *Schema) MarshalJSON() ([]byte, error) {
	if s.Never {
		return []byte("false"), nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode((*plainSchema)(s)); err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return text.Bytes(), nil
}

// UnmarshalJSON implements json.Unmarshaler. Numbers of enumerations, defaults and examples stay as they are written.
func (s *Schema) UnmarshalJSON(text []byte) error {
	*s = Schema{}
	switch string(bytes.TrimSpace(text)) {
	case "false":
		s.Never = true
		return nil
	case "true":
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode((*plainSchema)(s)); err != nil {
		return fmt.Errorf("read schema: %w", err)
	}
	return nil
}

// Is reports whether values are of the type and of no other but null.
func (s *Schema) Is(name string) bool { return s.Type.Main() == name }

// Nullable reports whether null is allowed by the types.
func (s *Schema) Nullable() bool {
	return slices.Contains(s.Type, "null") || slices.ContainsFunc(s.AnyOf, (*Schema).Nullable)
}

// Types are the JSON types of a value; none stands for all.
type Types []string

// IsZero reports whether t has no types.
func (t Types) IsZero() bool { return len(t) == 0 }

// Main returns the only type besides null, and "" where there are none or several.
func (t Types) Main() string {
	main := ""
	for _, name := range t {
		switch {
		case name == "null":
		case main != "":
			return ""
		default:
			main = name
		}
	}
	return main
}

// MarshalJSON implements json.Marshaler: one type is written without a list.
func (t Types) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Types) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*t = Types{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(t))
}

// Parts are the schemas within s.
func (s *Schema) Parts() []*Schema {
	var all []*Schema
	for _, part := range []*Schema{s.Items, s.AdditionalProperties, s.PropertyNames, s.Not} {
		if part != nil {
			all = append(all, part)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		all = append(all, s.Properties[name])
	}
	return append(append(all, s.AllOf...), s.AnyOf...)
}

// Walk calls visit with s and every schema within it, the outer ones first. It does not follow references.
func (s *Schema) Walk(visit func(*Schema)) {
	visit(s)
	for _, part := range s.Parts() {
		part.Walk(visit)
	}
}

// RefPrefix begins every reference.
const RefPrefix = "#/components/schemas/"

// RefName returns the name of the schema that s refers to, "" when it refers to none.
func (s *Schema) RefName() string { return strings.TrimPrefix(s.Ref, RefPrefix) }
