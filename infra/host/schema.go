package host

import (
	"encoding"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"plugboard/app"
)

// schemaJSON is the schema of a value in the terms of OpenAPI 3.0, as far as its Go type and its rules tell it. A
// schema without a type stands for any value.
type schemaJSON struct {
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

	Items *schemaJSON `json:"items,omitempty"`
	// Values is the schema of a map's values.
	Values     *schemaJSON            `json:"additionalProperties,omitempty"`
	Properties map[string]*schemaJSON `json:"properties,omitempty"`
	// Required are the properties that must be there in a request, and those that are always there in an answer.
	Required []string `json:"required,omitempty"`
}

// schemas describes Go types. What is within a type that contains itself is described once.
type schemas struct {
	answer bool // of what is sent, not of what is received
	patch  bool // a pointer in the body means "may be omitted", and null is refused
	within map[reflect.Type]bool
}

// requestSchemas describes requests of a method, answerSchemas answers.
func requestSchemas(patch bool) *schemas {
	return &schemas{patch: patch, within: map[reflect.Type]bool{}}
}
func answerSchemas() *schemas { return &schemas{answer: true, within: map[reflect.Type]bool{}} }

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	jsonMarshalers  = []reflect.Type{
		reflect.TypeFor[v2.MarshalerTo](), reflect.TypeFor[v2.Marshaler](),
		reflect.TypeFor[v2.UnmarshalerFrom](), reflect.TypeFor[v2.Unmarshaler](),
	}
	anyValues = []reflect.Type{reflect.TypeFor[json.RawMessage](), reflect.TypeFor[jsontext.Value]()}
)

// of describes t.
func (c *schemas) of(t reflect.Type) *schemaJSON {
	switch {
	case t == reflect.TypeFor[*app.File]():
		return &schemaJSON{Type: "string", Format: "binary"}
	case t.Kind() == reflect.Pointer:
		s := c.of(t.Elem())
		s.Nullable = !c.patch
		return s
	case t == reflect.TypeFor[time.Time]():
		return &schemaJSON{Type: "string", Format: "date-time"}
	case t == reflect.TypeFor[time.Duration]():
		return &schemaJSON{Type: "string"}
	case isOptional(t):
		value, _ := t.FieldByName("Value")
		s := c.of(value.Type)
		s.Nullable = true
		return s
	case implements(t, anyValues...), implements(t, jsonMarshalers...):
		return &schemaJSON{}
	case implements(t, textUnmarshaler, textMarshaler):
		return &schemaJSON{Type: "string", Format: textFormat(t)}
	default:
		return c.ofKind(t)
	}
}

// implements reports whether t or a pointer to it is, or implements, one of the types.
func implements(t reflect.Type, types ...reflect.Type) bool {
	for _, other := range types {
		if t == other || other.Kind() == reflect.Interface && reflect.PointerTo(t).Implements(other) {
			return true
		}
	}
	return false
}

// isOptional reports whether t is an [app.Optional].
func isOptional(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.PkgPath() == reflect.TypeFor[app.File]().PkgPath() && strings.HasPrefix(t.Name(), "Optional[")
}

// textFormat names the format of a type with a text form of its own, where there is a name for it.
func textFormat(t reflect.Type) string {
	if t.Name() == "UUID" {
		return "uuid"
	}
	return ""
}

func (c *schemas) ofKind(t reflect.Type) *schemaJSON {
	switch t.Kind() {
	case reflect.String:
		return &schemaJSON{Type: "string"}
	case reflect.Bool:
		return &schemaJSON{Type: "boolean"}
	case reflect.Float32:
		return &schemaJSON{Type: "number", Format: "float"}
	case reflect.Float64:
		return &schemaJSON{Type: "number", Format: "double"}
	case reflect.Slice, reflect.Array:
		return c.ofList(t)
	case reflect.Map:
		return &schemaJSON{Type: "object", Values: c.of(t.Elem())}
	case reflect.Struct:
		return c.ofStruct(t)
	case reflect.Interface:
		return &schemaJSON{}
	default:
		return integerSchema(t)
	}
}

// integerSchema describes an integer with the limits of its type, as far as the format does not say them.
func integerSchema(t reflect.Type) *schemaJSON {
	s := &schemaJSON{Type: "integer", Format: "int64"}
	bits := t.Bits()
	switch {
	case t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64:
		s.Minimum = "0"
		if bits < 32 {
			s.Format = "int32"
		}
		if bits < 64 {
			s.Maximum = json.Number(strconv.FormatUint(math.MaxUint64>>(64-bits), 10))
		}
	case bits <= 32:
		s.Format = "int32"
		if bits < 32 {
			s.Minimum = json.Number(strconv.Itoa(-1 << (bits - 1)))
			s.Maximum = json.Number(strconv.Itoa(1<<(bits-1) - 1))
		}
	}
	return s
}

func (c *schemas) ofList(t reflect.Type) *schemaJSON {
	if t.Elem().Kind() == reflect.Uint8 {
		return &schemaJSON{Type: "string", Format: "byte"}
	}
	s := &schemaJSON{Type: "array", Items: c.of(t.Elem())}
	if t.Kind() == reflect.Array {
		s.MinItems = json.Number(strconv.Itoa(t.Len()))
		s.MaxItems = s.MinItems
	}
	return s
}

func (c *schemas) ofStruct(t reflect.Type) *schemaJSON {
	s := &schemaJSON{Type: "object", Properties: map[string]*schemaJSON{}}
	if c.within[t] {
		return &schemaJSON{Type: "object"}
	}
	c.within[t] = true
	defer delete(c.within, t)
	c.addFields(s, t)
	return s
}

// addFields adds the members of t's JSON form to s, those of embedded structs with them.
func (c *schemas) addFields(s *schemaJSON, t reflect.Type) {
	for f := range t.Fields() {
		tag, tagged := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		if name == "" && c.answer {
			name = f.Name // as events allow
		}
		switch {
		case f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct:
			c.addFields(s, f.Type)
		case f.IsExported() && name != "" && tag != "-":
			field, required := c.field(f)
			omits := strings.Contains(options, "omit")
			if c.answer {
				required = !omits
				field.Nullable = field.Nullable && !omits
			}
			s.Properties[name] = field
			if required {
				s.Required = append(s.Required, name)
			}
		}
	}
}

// field describes a field with its rules, default and example, and tells whether a request must have it.
func (c *schemas) field(f reflect.StructField) (s *schemaJSON, required bool) {
	s = c.of(f.Type)
	if !c.answer {
		required = s.limit(f.Tag.Get("binding"), f.Type.Kind() == reflect.Pointer)
		s.Nullable = s.Nullable && !required
		if text, ok := f.Tag.Lookup("default"); ok {
			s.Default = s.value(text)
		}
	}
	if text, ok := f.Tag.Lookup("example"); ok && s.Type != "array" && s.Type != "object" {
		s.Example = s.value(text)
	}
	return s, required
}

// value is text as a value of the schema's type.
func (s *schemaJSON) value(text string) any {
	switch s.Type {
	case "array":
		return []any{s.Items.value(text)}
	case "integer", "number":
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return json.Number(text)
		}
	case "boolean":
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
	}
	return text
}
