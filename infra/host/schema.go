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
	"plugboard/infra/host/description"
	"plugboard/infra/httpserver"
)

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
	jsonMarshalers  = []reflect.Type{reflect.TypeFor[v2.MarshalerTo](), reflect.TypeFor[v2.Marshaler]()}
	// jsonUnmarshalers say nothing about what is sent.
	jsonUnmarshalers = []reflect.Type{reflect.TypeFor[v2.UnmarshalerFrom](), reflect.TypeFor[v2.Unmarshaler]()}
	anyValues        = []reflect.Type{reflect.TypeFor[json.RawMessage](), reflect.TypeFor[jsontext.Value]()}
)

// of describes t.
func (c *schemas) of(t reflect.Type) *description.Schema {
	switch {
	case t == reflect.TypeFor[*app.File]():
		return &description.Schema{Type: "string", Format: "binary"}
	case t.Kind() == reflect.Pointer:
		s := c.of(t.Elem())
		s.Nullable = !c.patch
		return s
	case t == reflect.TypeFor[time.Time]():
		return &description.Schema{Type: "string", Format: "date-time"}
	case t == reflect.TypeFor[time.Duration]():
		return &description.Schema{Type: "string"}
	case httpserver.IsOptional(t):
		value, _ := t.FieldByName("Value")
		s := c.of(value.Type)
		s.Nullable = true
		return s
	case implements(t, anyValues...), implements(t, jsonMarshalers...), !c.answer && implements(t, jsonUnmarshalers...):
		return &description.Schema{}
	case implements(t, textMarshaler), !c.answer && implements(t, textUnmarshaler):
		return &description.Schema{Type: "string", Format: textFormat(t)}
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

// textFormat names the format of a type with a text form of its own, where there is a name for it.
func textFormat(t reflect.Type) string {
	if t.Name() == "UUID" {
		return "uuid"
	}
	return ""
}

func (c *schemas) ofKind(t reflect.Type) *description.Schema {
	switch t.Kind() {
	case reflect.String:
		return &description.Schema{Type: "string"}
	case reflect.Bool:
		return &description.Schema{Type: "boolean"}
	case reflect.Float32:
		return &description.Schema{Type: "number", Format: "float"}
	case reflect.Float64:
		return &description.Schema{Type: "number", Format: "double"}
	case reflect.Slice, reflect.Array:
		return c.ofList(t)
	case reflect.Map:
		return &description.Schema{Type: "object", Values: c.of(t.Elem())}
	case reflect.Struct:
		return c.ofStruct(t)
	case reflect.Interface:
		return &description.Schema{}
	default:
		return integerSchema(t)
	}
}

// integerSchema describes an integer with the limits of its type, as far as the format does not say them.
func integerSchema(t reflect.Type) *description.Schema {
	s := &description.Schema{Type: "integer", Format: "int64"}
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

func (c *schemas) ofList(t reflect.Type) *description.Schema {
	if t.Elem() == reflect.TypeFor[byte]() { // not a named byte, of which the JSON library makes a list
		return &description.Schema{Type: "string", Format: "byte"}
	}
	s := &description.Schema{Type: "array", Items: c.of(t.Elem())}
	if t.Kind() == reflect.Array {
		s.MinItems = json.Number(strconv.Itoa(t.Len()))
		s.MaxItems = s.MinItems
	}
	return s
}

func (c *schemas) ofStruct(t reflect.Type) *description.Schema {
	s := &description.Schema{Type: "object", Properties: map[string]*description.Schema{}}
	if c.within[t] {
		return &description.Schema{Type: "object"}
	}
	c.within[t] = true
	defer delete(c.within, t)
	c.addFields(s, t)
	return s
}

// addFields adds the members of t's JSON form to s, those of embedded structs with them.
func (c *schemas) addFields(s *description.Schema, t reflect.Type) {
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
func (c *schemas) field(f reflect.StructField) (s *description.Schema, required bool) {
	s = c.of(f.Type)
	if !c.answer {
		required = limitSchema(s, f.Tag.Get("binding"), f.Type.Kind() == reflect.Pointer)
		s.Nullable = s.Nullable && !required
		if text, ok := f.Tag.Lookup("default"); ok {
			s.Default = valueOf(s, text)
		}
	}
	if text, ok := f.Tag.Lookup("example"); ok && s.Type != "array" && s.Type != "object" {
		s.Example = valueOf(s, text)
	}
	return s, required
}

// valueOf is text as a value of the schema's type; the parts of a list have commas between them.
func valueOf(s *description.Schema, text string) any {
	switch s.Type {
	case "array":
		all := []any{}
		for part := range strings.SplitSeq(text, ",") {
			if text != "" {
				all = append(all, valueOf(s.Items, part))
			}
		}
		return all
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
