package openapi

import (
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

const schemaRef = "#/components/schemas/"

// null is the example of what is null: a nil example is none.
const null = nullExample(0)

type nullExample int

// MarshalJSON implements json.Marshaler.
func (nullExample) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// refiner puts what the service says of its types into what swag says of them. Swag knows the names of schemas and the
// comments; the service knows the rest.
type refiner struct {
	schemas openapi3.Schemas
	// sent and received are the schemas of answers and of requests.
	sent, received map[string]bool
}

// refine returns ref with what from says. In a schema that is both sent and received, what is required is so in both.
func (r *refiner) refine(ref *openapi3.SchemaRef, from *openapi3.Schema, way map[string]bool) *openapi3.SchemaRef {
	switch {
	case ref == nil:
		return from.NewRef()
	case ref.Ref != "" && !isObject(from):
		return r.inline(ref, from)
	case ref.Ref != "":
		r.component(ref.Ref, from, way)
		if !from.Nullable {
			return ref
		}
		return (&openapi3.Schema{Nullable: true, AllOf: openapi3.SchemaRefs{ref}}).NewRef()
	case len(ref.Value.AllOf) == 1 && ref.Value.AllOf[0].Ref != "" && isObject(from):
		r.component(ref.Value.AllOf[0].Ref, from, way)
		ref.Value.Nullable = from.Nullable
		return ref
	}
	r.merge(ref.Value, from, way)
	return ref
}

// inline replaces a reference to what is no object. A list that has a name is one that was written down by hand.
func (r *refiner) inline(ref *openapi3.SchemaRef, from *openapi3.Schema) *openapi3.SchemaRef {
	if from.Type == nil {
		return ref
	}
	return from.NewRef()
}

func isObject(s *openapi3.Schema) bool { return s.Type.Is(openapi3.TypeObject) }

// component refines a schema that has a name.
func (r *refiner) component(ref string, from *openapi3.Schema, way map[string]bool) {
	name := strings.TrimPrefix(ref, schemaRef)
	schema := r.schemas[name]
	if schema == nil || schema.Value == nil || from.Properties == nil && from.AdditionalProperties.Schema == nil {
		return
	}
	required := schema.Value.Required
	both := r.sent[name] || r.received[name]
	way[name] = true
	given := *from
	given.Nullable = false // that is said where it is used
	r.merge(schema.Value, &given, way)
	if both && r.sent[name] && r.received[name] {
		schema.Value.Required = slices.DeleteFunc(schema.Value.Required, func(p string) bool { return !slices.Contains(required, p) })
	}
}

// merge puts what from says into s.
func (r *refiner) merge(s, from *openapi3.Schema, way map[string]bool) {
	if from.Type == nil {
		return // it can be anything, and what is said by hand stands
	}
	s.Extensions = nil
	s.Type, s.Nullable = from.Type, from.Nullable
	replace(&s.Format, from.Format)
	replace(&s.Pattern, from.Pattern)
	replace(&s.Default, from.Default)
	replace(&s.Example, from.Example)
	if len(from.Enum) > 0 {
		s.Enum = from.Enum
	}
	limits(s, from)
	if from.Items != nil {
		s.Items = r.refine(s.Items, from.Items.Value, way)
	}
	if values := from.AdditionalProperties.Schema; values != nil {
		s.AdditionalProperties.Schema = r.refine(s.AdditionalProperties.Schema, values.Value, way)
	}
	if from.Properties == nil {
		return
	}
	s.Required = slices.Clone(from.Required)
	properties := openapi3.Schemas{}
	for _, name := range slices.Sorted(maps.Keys(from.Properties)) {
		properties[name] = r.refine(s.Properties[name], from.Properties[name].Value, way)
	}
	s.Properties = properties
}

// replace sets what is said; where nothing is, what was stays.
func replace[T comparable](what *T, by T) {
	var none T
	if by != none {
		*what = by
	}
}

func limits(s, from *openapi3.Schema) {
	if from.Min != nil {
		s.Min, s.ExclusiveMin = from.Min, from.ExclusiveMin
	}
	if from.Max != nil {
		s.Max, s.ExclusiveMax = from.Max, from.ExclusiveMax
	}
	replace(&s.MinLength, from.MinLength)
	replace(&s.MaxLength, from.MaxLength)
	replace(&s.MinItems, from.MinItems)
	replace(&s.MaxItems, from.MaxItems)
	replace(&s.MinProps, from.MinProps)
	replace(&s.MaxProps, from.MaxProps)
	replace(&s.UniqueItems, from.UniqueItems)
}

// envelope refines the schema of a success: its three members are always there, and data is what the handler returns.
func (r *refiner) envelope(ref *openapi3.SchemaRef, data *openapi3.Schema) {
	s := ref.Value
	if ref.Ref != "" {
		s = r.schemas[strings.TrimPrefix(ref.Ref, schemaRef)].Value
	}
	if s.Properties["data"] == nil && s.Properties["success"] == nil {
		return // described by hand, and no envelope
	}
	s.Required = []string{"success", "data", "error"}
	if message := s.Properties["error"]; message != nil && message.Value != nil {
		message.Value.Nullable, message.Value.Extensions = true, nil
		message.Value.Example = null
	}
	if data != nil {
		s.Properties["data"] = r.refine(s.Properties["data"], data, r.sent)
	}
}

// failure refines the schemas of the failures' envelope, which no handler returns.
func (r *refiner) failure() {
	for name, required := range map[string][]string{
		"Failure": {"success", "data", "error", "code"}, "Violation": {"field", "rule", "message"},
	} {
		s := r.schemas[name]
		if s == nil || s.Value == nil {
			continue
		}
		s.Value.Required = required
		if data := s.Value.Properties["data"]; data != nil && data.Value != nil {
			data.Value.Example = null
		}
	}
}
