package lint

import (
	"fmt"
	"go/types"
	"reflect"
	"slices"
	"strings"
)

// Payload is the form of an event or of a part of one. It decides which events fit together, as infra/eventbus does at
// the start.
type Payload struct {
	// Kind is "struct", "slice", "array", "map", "pointer", "string", "bool", "float32", "float64", "int", "uint",
	// "time", "duration", "own" for a type with a JSON form of its own, "recursive" for one inside of itself, or "other".
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
	// Problem says what is wrong with a map in any use, or "".
	Problem string
	// Own is true for a struct with a JSON form of its own: an event that embeds a type with one.
	Own bool
	// Problems are those of a struct's fields, whatever they are read as.
	Problems []FieldProblem
}

// FieldProblem is a problem of a field of an event, whatever reads it.
type FieldProblem struct{ Name, Text string }

// PayloadField is a member of an event.
type PayloadField struct {
	// Name is the JSON name.
	Name string
	// Type is the member's.
	Type Payload
}

// eventPayload describes the event t.
func eventPayload(t types.Type) Payload {
	p := payloadOf(t, nil)
	if s, ok := t.Underlying().(*types.Struct); ok && p.Kind == "own" {
		p.Kind, p.Own = "struct", true
		p.Fields, p.Problems = payloadFields(s, []types.Type{t})
	}
	return p
}

// payloadOf describes t. The stack holds the named types it is inside of.
func payloadOf(t types.Type, stack []types.Type) Payload {
	p := Payload{Text: types.TypeString(t, func(pkg *types.Package) string { return pkg.Name() })}
	if _, named := types.Unalias(t).(*types.Named); named {
		if slices.ContainsFunc(stack, func(s types.Type) bool { return types.Identical(s, t) }) {
			p.Kind = "recursive"
			return p
		}
		stack = append(slices.Clip(stack), t)
	}
	name := typeName(t)
	u, pointer := t.Underlying().(*types.Pointer)
	switch {
	case pointer:
		p.Kind, p.Elem = "pointer", element(u.Elem(), stack)
	case name == "time.Time":
		p.Kind = "time"
	case name == "time.Duration":
		p.Kind = "duration"
	case ownFormat(t):
		p.Kind = "own"
	default:
		p.form(t, stack)
	}
	return p
}

// form describes a type by its parts.
func (p *Payload) form(t types.Type, stack []types.Type) {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		p.basic(u)
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
		p.Fields, p.Problems = payloadFields(u, stack)
	default:
		p.Kind = "other"
	}
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

// payloadFields returns the fields of s that JSON knows, with embedded structs flattened, and their problems.
func payloadFields(s *types.Struct, stack []types.Type) (fields []PayloadField, problems []FieldProblem) {
	report := func(name, text string) { problems = append(problems, FieldProblem{name, text}) }
	if s.NumFields() > 0 && !anyKnown(s) {
		report("", "has no exported fields, which JSON refuses")
	}
	add := func(f PayloadField) {
		if slices.ContainsFunc(fields, func(other PayloadField) bool { return other.Name == f.Name }) {
			report(f.Name, "has the JSON name of another field")
			return
		}
		fields = append(fields, f)
	}
	for i := range s.NumFields() {
		f := s.Field(i)
		tag, tagged := reflect.StructTag(s.Tag(i)).Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		inner, isStruct := f.Type().Underlying().(*types.Struct)
		switch {
		case tag == "-":
			continue
		case f.Embedded() && name == "" && isStruct && !ownFormat(f.Type()):
			more, wrong := payloadFields(inner, stack)
			problems = append(problems, wrong...)
			for _, e := range more {
				add(e)
			}
			continue
		case f.Embedded() && name == "":
			report(f.Name(), "is embedded and no struct, or one with a JSON form of its own; give it a JSON name")
			continue
		case !f.Exported() && tagged:
			report(name, "has a JSON name and is not exported")
			continue
		case !f.Exported():
			continue
		case name == "":
			name = f.Name()
		}
		if malformed(tag) {
			report(name, "has a malformed JSON tag")
		}
		for option := range strings.SplitSeq(options, ",") {
			if option != "" && option != "omitempty" && option != "omitzero" {
				report(name, fmt.Sprintf("has the JSON option %q, which events do not support", option))
			}
		}
		add(PayloadField{Name: name, Type: payloadOf(f.Type(), stack)})
	}
	return fields, problems
}

// anyKnown reports whether JSON knows of any field of s.
func anyKnown(s *types.Struct) bool {
	for i := range s.NumFields() {
		if _, tagged := reflect.StructTag(s.Tag(i)).Lookup("json"); tagged || s.Field(i).Embedded() || s.Field(i).Exported() {
			return true
		}
	}
	return false
}

// malformed reports whether JSON would refuse the tag: it has no names in quotes, and nothing behind a last comma.
func malformed(tag string) bool {
	return strings.ContainsAny(tag, `'"\\`) || strings.HasSuffix(tag, ",") || strings.Contains(tag, ",,")
}

// ownFormat reports whether t decides its JSON form itself.
func ownFormat(t types.Type) bool {
	for _, set := range []*types.MethodSet{types.NewMethodSet(t), types.NewMethodSet(types.NewPointer(t))} {
		for method := range set.Methods() {
			if fn, ok := method.Obj().(*types.Func); ok && decidesForm(fn) {
				return true
			}
		}
	}
	return false
}

// decidesForm reports whether a method gives its type a JSON form of its own.
func decidesForm(fn *types.Func) bool {
	sig := types.TypeString(unnamed(fn.Signature()), nil)
	const text = "github.com/go-json-experiment/json/jsontext."
	switch fn.Name() {
	case "MarshalJSON", "MarshalText":
		return sig == "func() ([]byte, error)"
	case "UnmarshalJSON", "UnmarshalText":
		return sig == "func([]byte) error"
	case "AppendText":
		return sig == "func([]byte) ([]byte, error)"
	case "MarshalJSONTo":
		return sig == "func(*"+text+"Encoder) error"
	case "UnmarshalJSONFrom":
		return sig == "func(*"+text+"Decoder) error"
	}
	return false
}

// unnamed returns sig without the names of its parameters and results.
func unnamed(sig *types.Signature) *types.Signature {
	bare := func(all *types.Tuple) *types.Tuple {
		var vars []*types.Var
		for v := range all.Variables() {
			vars = append(vars, types.NewParam(v.Pos(), v.Pkg(), "", v.Type()))
		}
		return types.NewTuple(vars...)
	}
	return types.NewSignatureType(nil, nil, nil, bare(sig.Params()), bare(sig.Results()), sig.Variadic())
}

// misfit says why a member of a subscriber's event cannot be filled.
type misfit struct {
	field   string
	missing bool
	text    string
}

// String reads "field id has …", or "has …" when it is of the event itself.
func (m misfit) String() string {
	if m.field == "" {
		return m.text
	}
	return "field " + m.field + " " + m.text
}

// compare returns the misfits of an event of the form src that is read as dst. The rules are those of
// infra/eventbus/internal/codec.
func compare(dst, src Payload) []misfit {
	var c comparison
	if dst.Own {
		c.fail("", "is of a type with a JSON form of its own (%s), which events do not support", dst.Text)
		return c.misfits
	}
	c.structs(dst, src, "")
	return c.misfits
}

type comparison struct{ misfits []misfit }

func (c *comparison) fail(path, format string, args ...any) {
	c.misfits = append(c.misfits, misfit{field: path, text: fmt.Sprintf(format, args...)})
}

func (c *comparison) structs(dst, src Payload, path string) {
	for _, p := range dst.Problems {
		c.fail(strings.Trim(path+"."+p.Name, "."), "%s", p.Text)
	}
	sources := map[string]PayloadField{}
	for _, f := range src.Fields {
		sources[f.Name] = f
	}
	for _, d := range dst.Fields {
		at := strings.TrimPrefix(path+"."+d.Name, ".")
		s, ok := sources[d.Name]
		switch {
		case !ok:
			c.misfits = append(c.misfits, misfit{field: at, missing: true})
		default:
			c.value(d.Type, s.Type, at)
		}
	}
}

func (c *comparison) value(dst, src Payload, path string) {
	switch {
	case dst.Kind == "recursive":
		c.fail(path, "contains itself, which events do not support")
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
	case dst.own() || src.own():
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

// own reports whether a member decides its JSON form itself.
func (p Payload) own() bool { return p.Kind == "own" || p.Kind == "time" }

// bytes reports whether JSON writes the slice or array as a base64 string.
func (p Payload) bytes() bool {
	return p.Elem.Kind == "uint" && p.Elem.Bits == 8
}

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
