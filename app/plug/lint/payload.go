package lint

import (
	"fmt"
	"go/types"
	"reflect"
	"slices"
	"strings"
)

// Payload is the form of an event or of a part of one, as far as it decides what fits: the static twin of what
// infra/eventbus compiles at start.
type Payload struct {
	// Kind is "struct", "slice", "array", "map", "pointer", "string", "bool", "float32", "float64", "int", "uint",
	// "time", "duration", "own" for a type with a JSON form of its own, or "other".
	Kind string
	// Text names the type for people.
	Text string
	// Bits is the size of an integer.
	Bits int
	// Len is the length of an array.
	Len int64
	// Elem is the element of a slice, array, map or pointer.
	Elem *Payload
	// Fields are a struct's, in order.
	Fields []PayloadField
	// Problem says what is wrong with the type wherever it is used, or "".
	Problem string
}

// PayloadField is a member of an event.
type PayloadField struct {
	// Name is the JSON name.
	Name string
	// Type is the member's.
	Type Payload
	// Option is a JSON option that events do not support, or "".
	Option string
}

// payloadOf describes t. The stack holds the structs it is inside of.
func payloadOf(t types.Type, stack []types.Type) Payload {
	p := Payload{Text: types.TypeString(t, func(pkg *types.Package) string { return pkg.Name() })}
	name := typeName(t)
	_, pointer := types.Unalias(t).(*types.Pointer)
	switch {
	case !pointer && name == "time.Time":
		p.Kind = "time"
		return p
	case !pointer && name == "time.Duration":
		p.Kind = "duration"
		return p
	case !pointer && ownFormat(t):
		p.Kind = "own"
		return p
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		p.basic(u)
	case *types.Pointer:
		p.Kind, p.Elem = "pointer", element(u.Elem(), stack)
	case *types.Slice:
		p.Kind, p.Elem = "slice", element(u.Elem(), stack)
	case *types.Array:
		p.Kind, p.Elem, p.Len = "array", element(u.Elem(), stack), u.Len()
	case *types.Map:
		p.Kind, p.Elem = "map", element(u.Elem(), stack)
		if key, ok := u.Key().Underlying().(*types.Basic); !ok || key.Kind() != types.String || ownFormat(u.Key()) {
			p.Problem = "is a map whose keys are not strings, which events do not support"
		}
	case *types.Struct:
		p.Kind = "struct"
		if slices.ContainsFunc(stack, func(s types.Type) bool { return types.Identical(s, t) }) {
			p.Problem = "contains itself, which events do not support"
			return p
		}
		p.Fields = payloadFields(u, append(stack, t))
	default:
		p.Kind = "other"
	}
	return p
}

func element(t types.Type, stack []types.Type) *Payload {
	p := payloadOf(t, stack)
	return &p
}

func (p *Payload) basic(b *types.Basic) {
	p.Kind = "other"
	switch info := b.Info(); {
	case b.Kind() == types.Float64 || b.Kind() == types.Float32 || b.Kind() == types.Bool || b.Kind() == types.String:
		p.Kind = b.Name()
	case b.Kind() == types.Uintptr:
	case info&types.IsUnsigned != 0:
		p.Kind = "uint"
	case info&types.IsInteger != 0:
		p.Kind = "int"
	}
	p.Bits = map[types.BasicKind]int{
		types.Int8: 8, types.Int16: 16, types.Int32: 32, types.Uint8: 8, types.Uint16: 16, types.Uint32: 32,
		types.Int: 64, types.Int64: 64, types.Uint: 64, types.Uint64: 64,
	}[b.Kind()]
}

// payloadFields lists the fields of s that JSON knows, embedded structs flattened.
func payloadFields(s *types.Struct, stack []types.Type) []PayloadField {
	var fields []PayloadField
	for i := range s.NumFields() {
		f, tag := s.Field(i), reflect.StructTag(s.Tag(i)).Get("json")
		name, options, _ := strings.Cut(tag, ",")
		inner, isStruct := f.Type().Underlying().(*types.Struct)
		switch {
		case tag == "-":
			continue
		case f.Embedded() && name == "" && isStruct && typeName(f.Type()) != "time.Time":
			fields = append(fields, payloadFields(inner, stack)...)
			continue
		case !f.Exported():
			continue
		case name == "":
			name = f.Name()
		}
		field := PayloadField{Name: name, Type: payloadOf(f.Type(), stack)}
		for option := range strings.SplitSeq(options, ",") {
			if option != "" && option != "omitempty" && option != "omitzero" {
				field.Option = option
			}
		}
		fields = append(fields, field)
	}
	return fields
}

// ownFormat reports whether t decides its JSON form itself.
func ownFormat(t types.Type) bool {
	if _, ok := types.Unalias(t).(*types.Named); !ok {
		return false
	}
	methods := types.NewMethodSet(types.NewPointer(t))
	for _, name := range []string{"MarshalJSON", "MarshalJSONTo", "MarshalText", "UnmarshalJSON", "UnmarshalJSONFrom", "UnmarshalText"} {
		if methods.Lookup(nil, name) != nil {
			return true
		}
	}
	return false
}

// misfit says why a member of a subscriber's event cannot be filled.
type misfit struct {
	field   string
	missing bool
	text    string
}

// compare returns what does not fit when an event of the form src is read as dst: the rules of infra/eventbus/plan.go.
func compare(dst, src Payload) []misfit {
	var c comparison
	c.structs(dst, src, "")
	return c.misfits
}

type comparison struct{ misfits []misfit }

func (c *comparison) fail(path, format string, args ...any) {
	c.misfits = append(c.misfits, misfit{field: path, text: fmt.Sprintf(format, args...)})
}

func (c *comparison) structs(dst, src Payload, path string) {
	if dst.Problem != "" {
		c.fail(path, "%s", dst.Problem)
		return
	}
	sources := map[string]PayloadField{}
	for _, f := range src.Fields {
		sources[f.Name] = f
	}
	for _, d := range dst.Fields {
		at := strings.TrimPrefix(path+"."+d.Name, ".")
		s, ok := sources[d.Name]
		switch {
		case d.Option != "":
			c.fail(at, "has the JSON option %q, which events do not support", d.Option)
		case !ok:
			c.misfits = append(c.misfits, misfit{field: at, missing: true})
		default:
			c.value(d.Type, s.Type, at)
		}
	}
}

func (c *comparison) value(dst, src Payload, path string) {
	switch {
	case dst.Kind == "time" && src.Kind == "time":
	case dst.Kind == "duration" || src.Kind == "duration":
		c.fail(path, "is a time.Duration, which has no JSON form; use a number and name its unit")
	case dst.Kind == "pointer" && src.Kind != "pointer":
		c.value(*dst.Elem, src, path)
	case dst.Kind == "pointer" && dst.Elem.Kind == "pointer":
		c.fail(path, "is a pointer to a pointer, which events do not support")
	case dst.Kind == "pointer":
		c.value(*dst.Elem, *src.Elem, path)
	case src.Kind == "pointer":
		c.fail(path, "may be null where it is published (%s); make it a pointer", src.Text)
	case dst.Kind == "own" || src.Kind == "own":
		c.fail(path, "is of a type with a JSON form of its own (%s), which events do not support", dst.Text)
	case scalarFits(dst, src):
	default:
		c.composite(dst, src, path)
	}
}

func (c *comparison) composite(dst, src Payload, path string) {
	same := dst.Kind == src.Kind
	switch {
	case same && dst.Kind == "struct":
		c.structs(dst, src, path)
	case same && dst.Kind == "map" && (dst.Problem != "" || src.Problem != ""):
		c.fail(path, "is a map whose keys are not strings, which events do not support")
	case same && (dst.Kind == "map" || dst.Kind == "slice" && dst.bytes() == src.bytes() ||
		dst.Kind == "array" && dst.Len == src.Len && dst.bytes() == src.bytes()):
		c.value(*dst.Elem, *src.Elem, path)
	case dst.Text == src.Text:
		c.fail(path, "is of a type that events do not support: %s", dst.Text)
	default:
		c.fail(path, "is %s here and %s where it is published", dst.Text, src.Text)
	}
}

// bytes reports whether JSON writes the slice or array as a base64 string.
func (p Payload) bytes() bool { return p.Elem.Kind == "uint" && p.Elem.Bits == 8 }

// scalarFits reports whether every value of src is a value of dst.
func scalarFits(dst, src Payload) bool {
	switch dst.Kind {
	case "string", "bool", "float32", "float64":
		return src.Kind == dst.Kind
	case "int":
		return src.Kind == "int" && dst.Bits >= src.Bits || src.Kind == "uint" && dst.Bits > src.Bits
	case "uint":
		return src.Kind == "uint" && dst.Bits >= src.Bits
	}
	return false
}
