package description

import "encoding/json"

// Schema is the schema of a value in the terms of OpenAPI 3.0, as far as its Go type and its rules tell it. A schema
// without a type stands for any value.
type Schema struct {
	Type     string `json:"type,omitzero"`
	Format   string `json:"format,omitzero"`
	Pattern  string `json:"pattern,omitzero"`
	Nullable bool   `json:"nullable,omitzero"`
	Enum     []any  `json:"enum,omitempty"`
	Default  any    `json:"default,omitempty"`
	Example  any    `json:"example,omitempty"`

	Minimum          json.Number `json:"minimum,omitzero"`
	ExclusiveMinimum bool        `json:"exclusiveMinimum,omitzero"`
	Maximum          json.Number `json:"maximum,omitzero"`
	ExclusiveMaximum bool        `json:"exclusiveMaximum,omitzero"`
	MinLength        json.Number `json:"minLength,omitzero"`
	MaxLength        json.Number `json:"maxLength,omitzero"`
	MinItems         json.Number `json:"minItems,omitzero"`
	MaxItems         json.Number `json:"maxItems,omitzero"`
	MinProperties    json.Number `json:"minProperties,omitzero"`
	MaxProperties    json.Number `json:"maxProperties,omitzero"`
	UniqueItems      bool        `json:"uniqueItems,omitzero"`

	Items *Schema `json:"items,omitempty"`
	// Values is the schema of a map's values.
	Values     *Schema            `json:"additionalProperties,omitempty"`
	Properties map[string]*Schema `json:"properties,omitempty"`
	// Required are the properties that must be there in a request, and those that are always there in an answer.
	Required []string `json:"required,omitempty"`
}
