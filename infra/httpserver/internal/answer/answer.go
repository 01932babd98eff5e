// Package answer decides which types may leave the service as the data of an answer.
//
// The server asks it once for each endpoint, at start.
package answer

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"plugboard/app"
	"plugboard/infra/httpserver/bind/wire"
)

// BinaryType is the type of answers that are sent as they are.
var BinaryType = reflect.TypeFor[app.Binary]()

// Check returns everything about typ that must not or cannot leave the service, and whether values of it may hold a json.Number.
func Check(typ reflect.Type, open bool) (problems []string, numbers bool) {
	if typ == BinaryType {
		return nil, false
	}
	c := responseChecker{open: open, seen: map[reflect.Type]bool{}}
	switch {
	case wire.Element(typ) == BinaryType:
		c.problem("the response must be app.Binary itself, not %s", typ)
	case isEnvelope(wire.Element(typ)):
		c.problem("the handler returns the envelope %s; it returns the data alone, the host adds the envelope", typ)
	default:
		c.check(typ, "the response")
	}
	return c.problems, c.numbers
}

// encode encodes a zero value of typ, a struct, and reports what the JSON library has against the type itself, such as two fields of
// one name or an unknown option in a tag: with that every answer would fail. A member's type that encodes itself may panic on a zero
// value and work on others, so a panic is no problem.
func (c *responseChecker) encode(typ reflect.Type, where string) {
	defer func() { _ = recover() }()
	_, err := json.Marshal(reflect.New(typ).Interface())
	var fault *json.SemanticError
	if errors.As(err, &fault) && fault.GoType == typ && fault.Err != nil {
		c.problem("%s: %s cannot be sent: %s", where, typ, fault.Err)
	}
}

// isEnvelope reports whether typ is an app.Response.
func isEnvelope(typ reflect.Type) bool {
	return typ.PkgPath() == BinaryType.PkgPath() && strings.HasPrefix(typ.Name(), "Response[")
}

// responseChecker checks one type.
type responseChecker struct {
	open     bool
	seen     map[reflect.Type]bool
	problems []string
	numbers  bool // a json.Number may be in the response
}

func (c *responseChecker) problem(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(c.problems, text) {
		c.problems = append(c.problems, text)
	}
}

// check checks typ; where says in which place of the response it is.
func (c *responseChecker) check(typ reflect.Type, where string) {
	if strings.HasSuffix(typ.PkgPath(), "/models") || strings.Contains(typ.PkgPath(), "/models/") {
		c.problem("%s holds the database entity %s; copy the fields it needs into a type of its own", where, typ)
		return
	}
	c.numbers = c.numbers || wire.IsAnyJSON(typ) || typ == wire.NumberType
	if wire.IsAnyJSON(typ) {
		if !c.open {
			c.problem("%s holds %s, which can be anything; name the fields, or say app.Open()", where, typ)
		}
		return
	}
	if wire.IsOptional(typ) {
		c.problem("%s holds app.Optional, which is for requests; use a pointer", where)
		return
	}
	if c.seen[typ] {
		return
	}
	c.seen[typ] = true
	if wire.IsEndless(typ) {
		c.problem("%s holds %s, %s", where, typ, wire.HoldsItself)
		return
	}
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		c.check(typ.Elem(), where)
	case reflect.Map:
		c.checkMap(typ, where)
	case reflect.Struct:
		c.checkStruct(typ, where)
	case reflect.Func, reflect.Chan, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		c.problem("%s holds a %s, which has no JSON form", where, typ.Kind())
	case reflect.Int64:
		if typ == wire.DurationType {
			c.problem("%s holds a time.Duration, which has no JSON form; use a number of seconds or a string", where)
		}
	}
}

func (c *responseChecker) checkMap(typ reflect.Type, where string) {
	switch typ.Key().Kind() {
	case reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
	default:
		if !wire.HasMarshaler(typ.Key()) {
			c.problem("%s holds %s, whose keys have no JSON form", where, typ)
		}
	}
	c.check(typ.Elem(), where)
}

func (c *responseChecker) checkStruct(typ reflect.Type, where string) {
	opaque := wire.HasMarshaler(typ)
	if !opaque {
		c.encode(typ, where)
	}
	for f := range typ.Fields() {
		at := fmt.Sprintf("response field %s.%s", typ.Name(), f.Name)
		if _, ok := f.Tag.Lookup("gorm"); ok {
			c.problem("%s has a gorm tag, so %s is a database entity; copy the fields it needs into a type of its own", at, typ)
		}
		if f.Tag.Get("secret") == "true" {
			c.problem("%s is secret and must not be in a response", at)
		}
		tag, tagged := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case opaque || (!f.IsExported() && !f.Anonymous) || tag == "-":
			continue
		case f.Anonymous && !tagged:
			c.check(f.Type, at)
		case name == "" && f.IsExported():
			c.problem(`%s has no name: add json:"…", or json:"-" to keep it back`, at)
		case slices.Contains(strings.Split(options, ","), "string") && !isPlainNumber(f.Type):
			c.problem("%s has the json option string, which is for numbers alone", at)
		default:
			c.check(f.Type, at)
		}
	}
}

// isPlainNumber reports whether typ is a number, or a pointer to one, that is written as its kind.
func isPlainNumber(typ reflect.Type) bool {
	typ = wire.Ruled(typ)
	return !wire.HasMarshaler(typ) && typ.Kind() >= reflect.Int && typ.Kind() <= reflect.Float64
}

// writeNumber encodes a json.Number as a number, and an empty one as 0, as encoding/json does.
func writeNumber(enc *jsontext.Encoder, value stdjson.Number) error {
	if value == "" {
		value = "0"
	}
	if !wire.IsNumber([]byte(value)) {
		return fmt.Errorf("encode json.Number %q: not a JSON number", value)
	}
	return enc.WriteValue(jsontext.Value(value))
}

// Encoding returns the options with which data is encoded. Only answers that may hold a json.Number have its encoder, since the JSON
// library looks up every type with it.
func Encoding(numbers bool) json.Options {
	options := json.JoinOptions(json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if numbers {
		return json.JoinOptions(options, json.WithMarshalers(json.MarshalToFunc(writeNumber)))
	}
	return options
}
