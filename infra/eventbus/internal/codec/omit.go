package codec

import (
	"reflect"
	"slices"
)

// test reports whether a value has a property. A nil test is false for every value.
type test func(reflect.Value) bool

// either returns a test that is true if a or b is.
func either(a, b test) test {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(v reflect.Value) bool { return a(v) || b(v) }
}

// omission returns the test whether JSON leaves the field out. The test is also nil when it makes no difference: a copy of each
// omitted value leaves a zero dst zero.
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

// hasPointers reports whether a t contains pointers. A copier sets the pointers of its destination, so a copy of a zero value may not
// be zero.
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

// zeroOf returns the test whether JSON's omitzero leaves out a value of type t.
func zeroOf(t reflect.Type) test {
	switch {
	case t.Kind() == reflect.Pointer && t.Implements(zeroerType):
		return func(v reflect.Value) bool { return v.IsNil() || v.Interface().(zeroer).IsZero() }
	case hasOwnZero(t):
		return func(v reflect.Value) bool {
			if !v.CanAddr() { // IsZero may be a method of the pointer
				whole := reflect.New(t).Elem()
				whole.Set(v)
				v = whole
			}
			return v.Addr().Interface().(zeroer).IsZero()
		}
	}
	return reflect.Value.IsZero
}

// emptyOf returns the test whether JSON's omitempty leaves out a value of type t: JSON writes the value as null, "", {} or []. Outer
// holds the structs that contain t, so that the search ends when a type contains itself. No event may have such a type, but the
// compiler calls emptyOf before it refuses the event.
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

// emptyStruct returns the test whether JSON leaves out all fields of a value of struct type t.
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
			return nil // JSON always writes this field
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
