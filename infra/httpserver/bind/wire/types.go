// Package wire says how Go types look outside the service, in requests or answers.
//
// It tells which types have a form of their own, under which name and in which part of a request a field is sent, and how a text
// becomes a value. Its functions are pure. The binder, the rules and the JSON schemas use it, so that they agree.
package wire

import (
	"encoding"
	stdjson "encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"plugboard/app"
)

// The types that requests treat specially.
var (
	FileType  = reflect.TypeFor[*app.File]()
	FilesType = reflect.TypeFor[[]*app.File]()
)

// The interfaces and types with a JSON form of their own.
var (
	unmarshalerTypes = []reflect.Type{
		reflect.TypeFor[json.UnmarshalerFrom](),
		reflect.TypeFor[json.Unmarshaler](),
		textUnmarshalerType,
	}
	marshalerTypes = []reflect.Type{
		reflect.TypeFor[json.MarshalerTo](),
		reflect.TypeFor[json.Marshaler](),
		reflect.TypeFor[encoding.TextMarshaler](),
	}
	rawMessageType = reflect.TypeFor[stdjson.RawMessage]()
	rawValueType   = reflect.TypeFor[jsontext.Value]()
)

// HasUnmarshaler reports whether typ decodes itself.
func HasUnmarshaler(typ reflect.Type) bool {
	return slices.ContainsFunc(unmarshalerTypes, reflect.PointerTo(typ).Implements)
}

// IsOpaque reports whether typ has a text or JSON form of its own, so that callers do not see its fields.
func IsOpaque(typ reflect.Type) bool {
	return HasUnmarshaler(typ) || HasMarshaler(typ)
}

// HasMarshaler reports whether typ encodes itself. A type that only decodes itself is sent like any other.
func HasMarshaler(typ reflect.Type) bool {
	return slices.ContainsFunc(marshalerTypes, reflect.PointerTo(typ).Implements)
}

// IsOptional reports whether typ is an [app.Optional].
func IsOptional(typ reflect.Type) bool {
	return typ.Kind() == reflect.Struct && typ.PkgPath() == FileType.Elem().PkgPath() && strings.HasPrefix(typ.Name(), "Optional[")
}

// IsAnyJSON reports whether values of typ can be any JSON.
func IsAnyJSON(typ reflect.Type) bool {
	return typ.Kind() == reflect.Interface || typ == rawMessageType || typ == rawValueType
}

// Element returns what typ holds behind all pointers, lists and maps; typ itself when it holds itself.
func Element(typ reflect.Type) reflect.Type {
	if IsEndless(typ) {
		return typ
	}
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map || typ.Kind() == reflect.Array {
		typ = typ.Elem()
	}
	return typ
}

// HoldsItself says what is wrong with a type that [IsEndless], behind its name.
const HoldsItself = "which holds itself and no struct on the way: put it into a struct, as in struct { Children []Node }"

// IsEndless reports whether typ is a list, map or pointer that holds itself without a struct on the way.
func IsEndless(typ reflect.Type) bool {
	seen := map[reflect.Type]bool{}
	for !seen[typ] {
		seen[typ] = true
		switch {
		case IsCollection(typ), typ.Kind() == reflect.Pointer:
			typ = typ.Elem()
		case IsOptional(typ):
			value, _ := typ.FieldByName("Value")
			typ = value.Type
		default:
			return false
		}
	}
	return true
}

// IsCollection reports whether typ is a list, an array or a map.
func IsCollection(typ reflect.Type) bool {
	return typ.Kind() == reflect.Slice || typ.Kind() == reflect.Array || typ.Kind() == reflect.Map
}

// Ruled returns the type of the values that the rules of a field of typ are about: typ without pointers and app.Optional.
func Ruled(typ reflect.Type) reflect.Type {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if !IsOptional(typ) {
		return typ
	}
	value, _ := typ.FieldByName("Value")
	return Ruled(value.Type)
}
