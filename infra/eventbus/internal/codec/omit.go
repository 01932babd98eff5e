package codec

import (
	"reflect"
	"unsafe"
)

// CompileOmitting is Compile for what may also go through storage: what JSON leaves out of the publisher's struct is
// left out of the copy, so that the subscriber finds nil on both ways.
func CompileOmitting(dst, src reflect.Type) (Codec, []Misfit) {
	return compile(compiler{omits: true}, dst, src)
}

// omission returns a function that reports whether JSON leaves out the field that is pointed to. It is nil when JSON never
// does, or when a copy into dst is then the same as none.
func (f field) omission(dst reflect.Type) func(unsafe.Pointer) bool {
	var zero, empty func(unsafe.Pointer) bool
	if f.omitzero && (hasOwnZero(f.typ) || hasPointers(dst)) {
		zero = zeroOf(f.typ)
	}
	if f.omitempty && dst.Kind() == reflect.Pointer {
		empty = emptyOf(f.typ)
	}
	return either(zero, empty)
}

func either(a, b func(unsafe.Pointer) bool) func(unsafe.Pointer) bool {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(p unsafe.Pointer) bool { return a(p) || b(p) }
}

// hasPointers reports whether a zero t may differ from a copy of zeros: it has pointers that the copy would set.
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

// zeroOf returns what JSON's omitzero asks of a t.
func zeroOf(t reflect.Type) func(unsafe.Pointer) bool {
	value := func(p unsafe.Pointer) reflect.Value { return reflect.NewAt(t, p).Elem() }
	switch {
	case t.Kind() == reflect.Pointer && t.Implements(zeroerType):
		return func(p unsafe.Pointer) bool {
			v := value(p)
			return v.IsNil() || v.Interface().(zeroer).IsZero()
		}
	case hasOwnZero(t):
		return func(p unsafe.Pointer) bool { return value(p).Addr().Interface().(zeroer).IsZero() }
	}
	return func(p unsafe.Pointer) bool { return value(p).IsZero() }
}

// emptyOf returns what JSON's omitempty asks of a t: whether it is written as null, "", {} or []. It is nil when it never is.
func emptyOf(t reflect.Type) func(unsafe.Pointer) bool {
	switch t.Kind() {
	case reflect.String, reflect.Slice, reflect.Map, reflect.Array:
		return func(p unsafe.Pointer) bool { return reflect.NewAt(t, p).Elem().Len() == 0 }
	case reflect.Pointer:
		elem := emptyOf(t.Elem())
		return func(p unsafe.Pointer) bool {
			to := *(*unsafe.Pointer)(p)
			return to == nil || elem != nil && elem(to)
		}
	case reflect.Struct:
		return emptyStruct(t)
	default:
		return nil
	}
}

// emptyStruct is emptyOf of a struct: all its fields are left out.
func emptyStruct(t reflect.Type) func(unsafe.Pointer) bool {
	if isTime(t) {
		return nil
	}
	type member struct {
		offset  uintptr
		omitted func(unsafe.Pointer) bool
	}
	var members []member
	for _, f := range fieldsOf(t, func(string, string) {}) {
		var zero, empty func(unsafe.Pointer) bool
		if f.omitzero {
			zero = zeroOf(f.typ)
		}
		if f.omitempty {
			empty = emptyOf(f.typ)
		}
		omitted := either(zero, empty)
		if omitted == nil {
			return nil // this one is always written
		}
		members = append(members, member{f.offset, omitted})
	}
	return func(p unsafe.Pointer) bool {
		for _, m := range members {
			if !m.omitted(unsafe.Add(p, m.offset)) {
				return false
			}
		}
		return true
	}
}
