// Package schema writes JSON Schemas (draft 2020-12) of Go types, as the service reads requests or writes answers.
//
// A schema follows the JSON library (github.com/go-json-experiment/json) and the binding of infra/httpserver, not the
// Go types: embedded structs are flat, bytes are base64 text, a nil list is [], a type with a JSON form of its own has the
// schema of that form. ADR 28 says why no library does this. A [Set] is for one goroutine; the functions may be called by several.
package schema

import (
	"reflect"
	"slices"

	"plugboard/app"
	"plugboard/infra/host/manifest"
	"plugboard/infra/httpserver/bind/wire"
)

// Use says how values of a type are used. Members, null and limits depend on it.
type Use struct {
	// Answer is true for values that the service sends, false for those that it receives.
	Answer bool
	// Patch is true for the body of a PATCH, in which a pointer means "may be left out".
	Patch bool
	// Strict is true when unknown members are refused.
	Strict bool
}

// Set writes schemas and collects those of named structs, to which others refer. It is for one goroutine.
type Set struct {
	inline bool
	within map[reflect.Type]bool // when inline: what is being described
	known  map[key]int
	named  []named
	forms  map[string]string
	faults []string // of what types tell of themselves
}

type key struct {
	typ reflect.Type
	use Use
}

// named is the schema of a named struct in one use. References in it are not resolved: see [Set.Components].
type named struct {
	key
	schema *manifest.Schema
}

// NewSet returns an empty set.
func NewSet() *Set { return &Set{known: map[key]int{}, forms: map[string]string{}} }

// Forms returns the JSON types of Go types that have a JSON form of their own, by the full names of the types; "" stands
// for any.
func (s *Set) Forms() map[string]string { return s.forms }

// Inline returns the schema of typ, as it is sent, without references. A type that contains itself is described once.
func Inline(typ reflect.Type) *manifest.Schema {
	s := &Set{inline: true, within: map[reflect.Type]bool{}}
	return s.Of(typ, Use{Answer: true})
}

var fileType = reflect.TypeFor[*app.File]()

// Of returns the schema of typ.
func (s *Set) Of(typ reflect.Type, use Use) *manifest.Schema {
	switch {
	case typ == fileType:
		return &manifest.Schema{Type: manifest.Types{"string"}, Format: "binary"}
	case typ.Kind() == reflect.Pointer:
		schema := s.Of(typ.Elem(), use)
		if use.Patch {
			return schema
		}
		return orNull(schema)
	case wire.IsOptional(typ):
		value, _ := typ.FieldByName("Value")
		return orNull(s.Of(value.Type, use))
	}
	if why := declaredFault(typ); why != "" && !slices.Contains(s.faults, why) {
		s.faults = append(s.faults, why)
	}
	if form, ok := ownForm(typ, use); ok {
		if s.forms != nil && typ.PkgPath() != "" {
			s.forms[comment(typ, "")] = form.Type.Main()
		}
		return form
	}
	return s.ofKind(typ, use)
}

func (s *Set) ofKind(typ reflect.Type, use Use) *manifest.Schema {
	if s.inline && typ.Name() != "" {
		if s.within[typ] {
			return &manifest.Schema{Type: manifest.Types{kindName(typ)}}
		}
		s.within[typ] = true
		defer delete(s.within, typ)
	}
	switch typ.Kind() {
	case reflect.Slice, reflect.Array:
		return s.ofList(typ, use)
	case reflect.Map:
		return &manifest.Schema{
			Type: manifest.Types{"object"}, AdditionalProperties: s.Of(typ.Elem(), use), PropertyNames: keySchema(typ.Key()),
		}
	case reflect.Struct:
		return s.ofStruct(typ, use)
	case reflect.Interface:
		return openSchema(use)
	default:
		return scalarSchema(typ)
	}
}

// kindName is the JSON type of a type that can contain itself.
func kindName(typ reflect.Type) string {
	if typ.Kind() == reflect.Struct || typ.Kind() == reflect.Map {
		return "object"
	}
	return "array"
}

func (s *Set) ofList(typ reflect.Type, use Use) *manifest.Schema {
	if typ.Elem() == reflect.TypeFor[byte]() { // not a named byte, of which the JSON library makes a list
		return &manifest.Schema{Type: manifest.Types{"string"}, ContentEncoding: "base64"}
	}
	list := &manifest.Schema{Type: manifest.Types{"array"}, Items: s.Of(typ.Elem(), use)}
	if typ.Kind() == reflect.Array {
		list.MinItems = number(typ.Len())
		list.MaxItems = list.MinItems
	}
	return list
}

// ofStruct returns a reference to the schema of a named struct, and the schema of one without a name.
func (s *Set) ofStruct(typ reflect.Type, use Use) *manifest.Schema {
	if s.inline || typ.Name() == "" {
		return s.object(members(typ, use), use)
	}
	return s.reference(typ, use, func() *manifest.Schema { return s.object(members(typ, use), use) })
}

// reference returns a reference to the schema of typ. It calls write for the schema unless that is known already.
func (s *Set) reference(typ reflect.Type, use Use, write func() *manifest.Schema) *manifest.Schema {
	k := key{typ, use}
	at, ok := s.known[k]
	if !ok {
		at = len(s.named)
		s.known[k] = at
		s.named = append(s.named, named{key: k}) // before it is written: it may contain itself
		schema := write()
		schema.Comment = comment(typ, "")
		s.named[at].schema = schema
	}
	return &manifest.Schema{Ref: placeholder(at)}
}

// object describes a struct by its members.
func (s *Set) object(all []member, use Use) *manifest.Schema {
	object := &manifest.Schema{Type: manifest.Types{"object"}, Properties: map[string]*manifest.Schema{}}
	for _, m := range all {
		property, required := s.member(m, use)
		object.Properties[m.name] = property
		if required {
			object.Required = append(object.Required, m.name)
		}
	}
	if use.Strict {
		object.AdditionalProperties = &manifest.Schema{Never: true}
	}
	return object
}

// member describes a member of an object. required is true when a request must have it, or an answer always has it.
func (s *Set) member(m member, use Use) (schema *manifest.Schema, required bool) {
	typ := m.field.Type
	if use.Answer && m.omits && typ.Kind() == reflect.Pointer {
		typ = typ.Elem() // what is nil is left out
	}
	schema = s.Of(typ, use)
	if m.text {
		schema = asText(schema)
	}
	if use.Answer {
		required = !m.omits && !m.maybe
		setEnum(schema, m.field)
	} else {
		required = addRules(schema, m.field, m.owner)
		setDefault(schema, m.field)
	}
	setExample(schema, m.field)
	schema.Comment = comment(m.owner, m.field.Name)
	return schema, required
}

// orNull returns a schema that allows null as well.
func orNull(s *manifest.Schema) *manifest.Schema {
	limited := s.Ref != "" || s.Enum != nil || len(s.AnyOf)+len(s.AllOf) > 0 || s.Not != nil
	switch {
	case s.Nullable(), len(s.Type) == 0 && !limited:
		return s
	case len(s.Type) == 0:
		return &manifest.Schema{AnyOf: []*manifest.Schema{s, {Type: manifest.Types{"null"}}}}
	}
	s.Type = append(s.Type, "null")
	if s.Enum != nil {
		s.Enum = append(s.Enum, nil)
	}
	return s
}

// notNull removes null from the allowed values.
func notNull(s *manifest.Schema) {
	if len(s.AnyOf) == 2 && s.AnyOf[1].Is("") && s.AnyOf[1].Nullable() {
		inner := *s.AnyOf[0]
		*s = inner
		return
	}
	if len(s.Type) == 0 && s.Ref == "" && s.AnyOf == nil {
		s.Type = manifest.Types{"array", "boolean", "number", "object", "string"}
		return
	}
	for i, name := range s.Type {
		if name == "null" {
			s.Type = append(s.Type[:i:i], s.Type[i+1:]...)
			break
		}
	}
}

// comment names a declaration in Go.
func comment(typ reflect.Type, field string) string {
	if typ.Name() == "" {
		return ""
	}
	name := typ.PkgPath() + "." + plainName(typ)
	if field != "" {
		name += "." + field
	}
	return name
}
