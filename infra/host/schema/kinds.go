package schema

import (
	"encoding"
	stdjson "encoding/json"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"plugboard/app"
	"plugboard/infra/host/manifest"
)

func number(n int) stdjson.Number { return stdjson.Number(strconv.Itoa(n)) }

// numeral returns a number in Go's notation as JSON writes it: JSON has no ".5" and no "+1". It returns false for
// infinity and NaN, which JSON does not have.
func numeral(text string) (stdjson.Number, bool) {
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || math.IsInf(f, 0) || math.IsNaN(f):
		return "", false
	case stdjson.Valid([]byte(text)):
		return stdjson.Number(text), true
	default:
		return stdjson.Number(strconv.FormatFloat(f, 'g', -1, 64)), true
	}
}

// whole adds beside to the whole number in text. It reads text as the validator does, in Go's notation: "0x10" is 16,
// "010" is 8. A text that is no whole number stays as it is.
func whole(text string, beside int64) string {
	n, ok := new(big.Int).SetString(text, 0)
	if !ok {
		return text
	}
	return n.Add(n, big.NewInt(beside)).String()
}

// scalarSchema describes a text, a truth value or a number.
func scalarSchema(typ reflect.Type) *manifest.Schema {
	switch typ.Kind() {
	case reflect.String:
		return &manifest.Schema{Type: manifest.Types{"string"}}
	case reflect.Bool:
		return &manifest.Schema{Type: manifest.Types{"boolean"}}
	case reflect.Float32:
		return &manifest.Schema{Type: manifest.Types{"number"}, Format: "float"}
	case reflect.Float64:
		return &manifest.Schema{Type: manifest.Types{"number"}, Format: "double"}
	default:
		return integerSchema(typ)
	}
}

// integerSchema describes an integer with the limits of its type, as far as the format does not say them.
func integerSchema(typ reflect.Type) *manifest.Schema {
	s := &manifest.Schema{Type: manifest.Types{"integer"}, Format: "int64"}
	bits := typ.Bits()
	switch unsigned := typ.Kind() >= reflect.Uint && typ.Kind() <= reflect.Uint64; {
	case unsigned && bits == 64:
		s.Format, s.Minimum = "uint64", "0"
	case unsigned:
		s.Minimum, s.Maximum = "0", stdjson.Number(strconv.FormatUint(math.MaxUint64>>(64-bits), 10))
		if bits < 32 {
			s.Format = "int32"
		}
	case bits == 32:
		s.Format = "int32"
	case bits < 32:
		s.Format = "int32"
		s.Minimum, s.Maximum = number(-1<<(bits-1)), number(1<<(bits-1)-1)
	}
	return s
}

// The patterns of whole numbers, and of numbers, that are written as text.
const (
	wholePattern    = `^-?(0|[1-9][0-9]*)$`
	unsignedPattern = `^(0|[1-9][0-9]*)$`
	numberPattern   = `^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`
)

// asText describes a number that is written as text.
func asText(s *manifest.Schema) *manifest.Schema {
	var pattern string
	switch s.Type.Main() {
	case "integer":
		if pattern = wholePattern; s.Minimum == "0" {
			pattern = unsignedPattern
		}
	case "number":
		pattern = numberPattern
	default:
		return s // the option is for numbers alone
	}
	text := &manifest.Schema{Type: manifest.Types{"string"}, Pattern: pattern}
	if s.Nullable() {
		text.Type = append(text.Type, "null")
	}
	return text
}

// keySchema describes the names of a map's members. It is nil where every text is a name.
func keySchema(typ reflect.Type) *manifest.Schema {
	if form, ok := ownForm(typ, Use{Answer: true}); ok && form.Format != "" {
		return &manifest.Schema{Format: form.Format}
	} else if ok {
		return nil
	}
	switch kind := typ.Kind(); {
	case kind >= reflect.Int && kind <= reflect.Int64:
		return &manifest.Schema{Pattern: wholePattern}
	case kind >= reflect.Uint && kind <= reflect.Uint64:
		return &manifest.Schema{Pattern: unsignedPattern}
	default:
		return nil
	}
}

var (
	jsonMarshalers   = []reflect.Type{reflect.TypeFor[json.MarshalerTo](), reflect.TypeFor[json.Marshaler]()}
	jsonUnmarshalers = []reflect.Type{reflect.TypeFor[json.UnmarshalerFrom](), reflect.TypeFor[json.Unmarshaler]()}
	textMarshaler    = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler  = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func implements(typ reflect.Type, interfaces ...reflect.Type) bool {
	for _, i := range interfaces {
		if reflect.PointerTo(typ).Implements(i) {
			return true
		}
	}
	return false
}

// formRule is listed for types that have a JSON form of their own which no schema describes completely.
var formRule = manifest.Rule{Rule: "type", Says: "has a form of its own"}

// ownForm describes a type whose JSON form is not that of its kind.
func ownForm(typ reflect.Type, use Use) (*manifest.Schema, bool) {
	text := func(format string) (*manifest.Schema, bool) {
		return &manifest.Schema{Type: manifest.Types{"string"}, Format: format}, true
	}
	switch typ {
	case reflect.TypeFor[time.Time]():
		return text("date-time")
	case reflect.TypeFor[app.Date]():
		return text("date")
	case reflect.TypeFor[big.Int]():
		return &manifest.Schema{Type: manifest.Types{"integer"}}, true
	case reflect.TypeFor[stdjson.Number]():
		return &manifest.Schema{Type: manifest.Types{"number"}}, true
	case reflect.TypeFor[stdjson.RawMessage](), reflect.TypeFor[jsontext.Value]():
		return &manifest.Schema{}, true
	}
	if form := declaredForm(typ); form != nil {
		return form, true
	}
	ownJSON, ownText := implements(typ, jsonMarshalers...), implements(typ, textMarshaler)
	if !use.Answer {
		ownJSON, ownText = implements(typ, jsonUnmarshalers...), implements(typ, textUnmarshaler)
	}
	switch {
	case ownJSON && implements(typ, append(jsonMarshalers, textMarshaler)...):
		return withFormRule(probe(typ), use), true
	case ownJSON: // nothing is known of the form that it reads
		return withFormRule(&manifest.Schema{}, use), true
	case ownText && typ.Name() == "UUID":
		return text("uuid")
	case ownText:
		return withFormRule(&manifest.Schema{Type: manifest.Types{"string"}}, use), true
	default:
		return nil, false
	}
}

// openSchema describes values of an interface type: any JSON. Numbers in them become floats.
func openSchema(use Use) *manifest.Schema {
	if use.Answer {
		return &manifest.Schema{}
	}
	return &manifest.Schema{Rules: []manifest.Rule{{Rule: "type", Says: "has no number beyond the range of 64-bit floats"}}}
}

// withFormRule adds formRule for received values. Null is not among them: it is not passed on to the type.
func withFormRule(s *manifest.Schema, use Use) *manifest.Schema {
	if !use.Answer {
		notNull(s)
		s.Rules = []manifest.Rule{formRule}
	}
	return s
}

// probe finds the JSON types of a Go type by encoding some values of it.
func probe(typ reflect.Type) *manifest.Schema {
	kinds := map[string]bool{}
	for _, sample := range samples(typ) {
		text, err := marshal(sample.Interface())
		if err == nil && len(text) > 0 {
			kinds[typeOf(jsontext.Value(text).Kind())] = true
		}
	}
	s := &manifest.Schema{}
	for _, name := range []string{"array", "boolean", "number", "object", "string"} {
		if kinds[name] {
			s.Type = append(s.Type, name)
		}
	}
	if kinds["null"] && len(s.Type) > 0 { // when all samples are null, nothing is known
		s.Type = append(s.Type, "null")
	}
	return s
}

// marshal encodes a value. A panic of a MarshalJSON is returned as an error.
func marshal(value any) (text []byte, err error) {
	defer app.Recover(&err)
	return json.Marshal(value)
}

func typeOf(kind jsontext.Kind) string {
	switch kind {
	case '"':
		return "string"
	case '0':
		return "number"
	case 't', 'f':
		return "boolean"
	case '{':
		return "object"
	case '[':
		return "array"
	default:
		return "null"
	}
}

// samples returns pointers to values of typ: the zero value, and one whose fields are filled.
func samples(typ reflect.Type) []reflect.Value {
	filled := reflect.New(typ)
	Fill(filled.Elem())
	return []reflect.Value{reflect.New(typ), filled}
}

// Fill gives v, and every field in it that can be set, a value that is not zero. It stops at a depth that no struct
// written by people reaches.
func Fill(v reflect.Value) { fill(v, 0) }

func fill(v reflect.Value, depth int) {
	const deepest = 5
	switch {
	case depth > deepest || !v.CanSet():
	case v.CanInt():
		v.SetInt(1)
	case v.CanUint():
		v.SetUint(1)
	case v.CanFloat():
		v.SetFloat(1)
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.String:
		v.SetString("1")
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(1, 0).UTC()))
	case v.Kind() == reflect.Struct:
		for _, f := range v.Fields() {
			fill(f, depth+1)
		}
	}
}
