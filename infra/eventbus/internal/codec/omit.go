package codec

import (
	"reflect"
	"slices"
)

// test answers a question about a value. A nil test answers no to every value.
type test func(reflect.Value) bool

// either returns the test of a or b.
func either(a, b test) test {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(v reflect.Value) bool { return a(v) || b(v) }
}

// omission returns the test of whether JSON leaves out the field. It is nil also when a copy of an omitted value into a
// dst leaves the dst as it is.
func (f field) omission(dst reflect.Type) test {
	var zero, empty test
	if f.omitzero && (hasOwnZero(f.typ) || hasPointers(dst)) {
		zero = zeroOf(f.typ)
	}
	if f.omitempty && dst.Kind() == reflect.Pointer {
		empty = emptyOf(f.typ)
	}
	return either(zero, empty)
}

// hasPointers reports whether a copy of zeros may differ from a zero t: the copy sets the pointers that t has.
func hasPointers(t reflect.Type) bool {
	switch {
	case t.Kind() == reflect.Pointer:
		return true
	case t.Kind() == reflect.Array:
		return hasPointers(t.Elem())
	case t.Kind() != reflect.Struct || isTime(t):
		return false
	}
	for f := range t.Fields() {
		if hasPointers(f.Type) {
			return true
		}
	}
	return false
}

type zeroer interface{ IsZero() bool }

var zeroerType = reflect.TypeFor[zeroer]()

func hasOwnZero(t reflect.Type) bool {
	return t.Implements(zeroerType) || reflect.PointerTo(t).Implements(zeroerType)
}

// zeroOf returns the test of JSON's omitzero on a t.
func zeroOf(t reflect.Type) test {
	switch {
	case t.Kind() == reflect.Pointer && t.Implements(zeroerType):
		return func(v reflect.Value) bool { return v.IsNil() || v.Interface().(zeroer).IsZero() }
	case hasOwnZero(t):
		return func(v reflect.Value) bool {
			if !v.CanAddr() { // IsZero may need a pointer
				whole := reflect.New(t).Elem()
				whole.Set(v)
				v = whole
			}
			return v.Addr().Interface().(zeroer).IsZero()
		}
	}
	return reflect.Value.IsZero
}

// emptyOf returns the test of JSON's omitempty on a t: whether it is written as null, "", {} or []. The structs that
// contain t are in outer, so that the search ends in a type that contains itself. No event may, but this is called before
// the start is refused.
func emptyOf(t reflect.Type, outer ...reflect.Type) test {
	switch t.Kind() {
	case reflect.String, reflect.Slice, reflect.Map, reflect.Array:
		return func(v reflect.Value) bool { return v.Len() == 0 }
	case reflect.Pointer:
		elem := emptyOf(t.Elem(), outer...)
		return func(v reflect.Value) bool { return v.IsNil() || elem != nil && elem(v.Elem()) }
	case reflect.Struct:
		if isTime(t) || slices.Contains(outer, t) {
			return nil
		}
		return emptyStruct(t, append(slices.Clone(outer), t))
	default:
		return nil
	}
}

// emptyStruct returns the test of whether JSON leaves out all fields of a t.
func emptyStruct(t reflect.Type, outer []reflect.Type) test {
	type member struct {
		index   []int
		omitted test
	}
	var members []member
	for _, f := range fieldsOf(t, func(string, string) {}) {
		var zero, empty test
		if f.omitzero {
			zero = zeroOf(f.typ)
		}
		if f.omitempty {
			empty = emptyOf(f.typ, outer...)
		}
		omitted := either(zero, empty)
		if omitted == nil {
			return nil // this one is always written
		}
		members = append(members, member{f.index, omitted})
	}
	return func(v reflect.Value) bool {
		for _, m := range members {
			if !m.omitted(v.FieldByIndex(m.index)) {
				return false
			}
		}
		return true
	}
}
