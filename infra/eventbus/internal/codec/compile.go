// Package codec copies events from one struct type to another as JSON would.
package codec

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"time"
	"unsafe"

	"github.com/go-json-experiment/json"
)

// copier copies one value. Both pointers are to whole, properly typed values; dst is zero.
type copier func(dst, src unsafe.Pointer)

// Codec copies an event from the publisher's struct to the subscriber's, field by field by JSON name. It is
// compiled once, when the application starts. What it yields is what encoding the source and decoding it
// into the destination would yield, with two things made equal on both ways: times are in UTC without
// monotonic reading, and empty slices and maps are nil.
type Codec struct {
	copy copier
	// Flat tells that the source holds nothing that could be changed through another reference: no
	// slices, maps or pointers.
	Flat bool
}

// String reads "field id has …", or "has …" when it is of the event itself.
func (m Misfit) String() string {
	if m.Field == "" {
		return m.Text
	}
	return "field " + m.Field + " " + m.Text
}

// Copy copies what src points to into what dst points to.
func (c Codec) Copy(dst, src unsafe.Pointer) { c.copy(dst, src) }

// Compile returns the codec from struct type src to struct type dst and everything that does not fit.
func Compile(dst, src reflect.Type) (Codec, []Misfit) {
	return compile(compiler{}, dst, src)
}

func compile(c compiler, dst, src reflect.Type) (Codec, []Misfit) {
	c.stack = []reflect.Type{dst}
	if hasOwnFormat(dst) {
		c.fail("", "is of a type with a JSON form of its own (%s), which events do not support", describe(dst))
		return Codec{}, c.misfits
	}
	fn := c.structs(dst, src, "")
	return Codec{copy: fn, Flat: !c.refs}, c.misfits
}

// Misfit is a member of an event that cannot be read as its subscriber declares it.
type Misfit struct {
	// Field is the member's JSON name, with those it is inside of: "lines.count"; "" is the event itself.
	Field string
	// Missing tells that the publisher does not send it; otherwise Text says what is wrong.
	Missing bool
	// Text reads on from the field: "is a time.Duration, …".
	Text string
}

type compiler struct {
	misfits []Misfit
	// omits tells that what JSON leaves out is not copied.
	omits bool
	refs  bool
	stack []reflect.Type
}

func (c *compiler) fail(path, format string, args ...any) copier {
	c.misfits = append(c.misfits, Misfit{Field: path, Text: fmt.Sprintf(format, args...)})
	return nil
}

func (c *compiler) structs(dst, src reflect.Type, path string) copier {
	sources := make(map[string]field)
	for _, f := range fieldsOf(src, func(string, string) {}) { // the publisher's own check says what is wrong with it
		sources[f.name] = f
	}
	type step struct {
		copy     copier
		dst, src uintptr
	}
	var steps []step
	for _, d := range fieldsOf(dst, func(name, problem string) { c.fail(join(path, name), "%s", problem) }) {
		p := join(path, d.name)
		s, ok := sources[d.name]
		if !ok {
			c.misfits = append(c.misfits, Misfit{Field: p, Missing: true})
			continue
		}
		if fn := c.value(d.typ, s.typ, p); fn != nil {
			steps = append(steps, step{c.unlessOmitted(fn, s, d.typ), d.offset, s.offset})
		}
	}
	return func(dst, src unsafe.Pointer) {
		for i := range steps {
			s := &steps[i]
			s.copy(unsafe.Add(dst, s.dst), unsafe.Add(src, s.src))
		}
	}
}

// unlessOmitted returns a copier that leaves dst as it is where JSON leaves src out.
func (c *compiler) unlessOmitted(fn copier, src field, dst reflect.Type) copier {
	if !c.omits {
		return fn
	}
	omitted := src.omission(dst)
	if omitted == nil {
		return fn
	}
	return func(dst, src unsafe.Pointer) {
		if !omitted(src) {
			fn(dst, src)
		}
	}
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	ownFormats   = []reflect.Type{
		reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.MarshalerTo](), reflect.TypeFor[encoding.TextMarshaler](),
		reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[json.UnmarshalerFrom](), reflect.TypeFor[encoding.TextUnmarshaler](),
		reflect.TypeFor[encoding.TextAppender](),
	}
)

func isTime(t reflect.Type) bool { return t == timeType }

// hasOwnFormat reports whether t decides its JSON form itself, so that a plan could not know it.
func hasOwnFormat(t reflect.Type) bool {
	for _, i := range ownFormats {
		if t.Implements(i) || reflect.PointerTo(t).Implements(i) {
			return true
		}
	}
	return false
}

func (c *compiler) value(dst, src reflect.Type, path string) copier {
	if slices.Contains(c.stack, dst) {
		return c.fail(path, "contains itself, which events do not support")
	}
	if dst.Name() != "" { // only a type with a name can contain itself
		c.stack = append(c.stack, dst)
		defer func() { c.stack = c.stack[:len(c.stack)-1] }()
	}
	switch {
	case isTime(dst) && isTime(src):
		return copyTime
	case dst == durationType || src == durationType:
		return c.fail(path, "is a time.Duration, which has no JSON form; use a number and name its unit")
	case dst.Kind() == reflect.Pointer:
		return c.pointer(dst, src, path)
	case src.Kind() == reflect.Pointer:
		return c.fail(path, "may be null where it is published (%s); make it a pointer", describe(src))
	case hasOwnFormat(dst) || hasOwnFormat(src):
		return c.fail(path, "is of a type with a JSON form of its own (%s), which events do not support", describe(dst))
	}
	if fn := scalar(dst, src); fn != nil {
		return fn
	}
	if dst.Kind() == src.Kind() {
		switch dst.Kind() {
		case reflect.Struct:
			return c.structs(dst, src, path)
		case reflect.Slice:
			return c.slice(dst, src, path)
		case reflect.Array:
			if dst.Len() == src.Len() && isBytes(dst) == isBytes(src) {
				return c.array(dst, src, path)
			}
		case reflect.Map:
			return c.maps(dst, src, path)
		default:
		}
	}
	if dst == src {
		return c.fail(path, "is of a type that events do not support: %s", describe(dst))
	}
	return c.fail(path, "is %s here and %s where it is published", describe(dst), describe(src))
}

func (c *compiler) pointer(dst, src reflect.Type, path string) copier {
	c.refs = true
	elem := dst.Elem()
	if src.Kind() != reflect.Pointer {
		inner := c.value(elem, src, path)
		return func(dst, src unsafe.Pointer) {
			v := reflect.New(elem)
			inner(v.UnsafePointer(), src)
			*(*unsafe.Pointer)(dst) = v.UnsafePointer()
		}
	}
	if elem.Kind() == reflect.Pointer {
		return c.fail(path, "is a pointer to a pointer, which events do not support")
	}
	inner := c.value(elem, src.Elem(), path)
	return func(dst, src unsafe.Pointer) {
		from := *(*unsafe.Pointer)(src)
		if from == nil {
			return
		}
		v := reflect.New(elem)
		inner(v.UnsafePointer(), from)
		*(*unsafe.Pointer)(dst) = v.UnsafePointer()
	}
}

func (c *compiler) slice(dst, src reflect.Type, path string) copier {
	c.refs = true
	if isBytes(dst) != isBytes(src) {
		return c.fail(path, "is %s here and %s where it is published", describe(dst), describe(src))
	}
	inner := c.value(dst.Elem(), src.Elem(), path)
	dstSize, srcSize := dst.Elem().Size(), src.Elem().Size()
	return func(d, s unsafe.Pointer) {
		from := reflect.NewAt(src, s).Elem()
		n := from.Len()
		if n == 0 {
			return
		}
		to := reflect.MakeSlice(dst, n, n)
		for i := range uintptr(n) {
			inner(unsafe.Add(to.UnsafePointer(), i*dstSize), unsafe.Add(from.UnsafePointer(), i*srcSize))
		}
		reflect.NewAt(dst, d).Elem().Set(to)
	}
}

func (c *compiler) array(dst, src reflect.Type, path string) copier {
	inner := c.value(dst.Elem(), src.Elem(), path)
	dstSize, srcSize, n := dst.Elem().Size(), src.Elem().Size(), uintptr(dst.Len())
	return func(d, s unsafe.Pointer) {
		for i := range n {
			inner(unsafe.Add(d, i*dstSize), unsafe.Add(s, i*srcSize))
		}
	}
}

func (c *compiler) maps(dst, src reflect.Type, path string) copier {
	c.refs = true
	if dst.Key().Kind() != reflect.String || src.Key().Kind() != reflect.String ||
		hasOwnFormat(dst.Key()) || hasOwnFormat(src.Key()) {
		return c.fail(path, "is a map whose keys are not strings, which events do not support")
	}
	inner := c.value(dst.Elem(), src.Elem(), path)
	return func(d, s unsafe.Pointer) {
		from := reflect.NewAt(src, s).Elem()
		if from.Len() == 0 {
			return
		}
		to := reflect.MakeMapWithSize(dst, from.Len())
		for it := from.MapRange(); it.Next(); {
			sv := reflect.New(src.Elem())
			sv.Elem().Set(it.Value())
			dv := reflect.New(dst.Elem())
			inner(dv.UnsafePointer(), sv.UnsafePointer())
			to.SetMapIndex(it.Key().Convert(dst.Key()), dv.Elem())
		}
		reflect.NewAt(dst, d).Elem().Set(to)
	}
}

func copyTime(dst, src unsafe.Pointer) {
	*(*time.Time)(dst) = (*(*time.Time)(src)).Round(0).UTC()
}

// scalar returns a copier for booleans, strings and numbers when every value of src is a value of dst,
// otherwise nil. A float32 does not fit a float64: its JSON form reads back as another number.
func scalar(dst, src reflect.Type) copier {
	d, s := dst.Kind(), src.Kind()
	switch {
	case d == reflect.String && s == reflect.String:
		return func(dst, src unsafe.Pointer) { *(*string)(dst) = *(*string)(src) }
	case d == reflect.Bool && s == reflect.Bool:
		return func(dst, src unsafe.Pointer) { *(*bool)(dst) = *(*bool)(src) }
	case d == s && d == reflect.Float64:
		return func(dst, src unsafe.Pointer) { *(*float64)(dst) = *(*float64)(src) }
	case d == s && d == reflect.Float32:
		return func(dst, src unsafe.Pointer) { *(*float32)(dst) = *(*float32)(src) }
	case isInt(d) && isInt(s) && dst.Size() >= src.Size(),
		isUint(d) && isUint(s) && dst.Size() >= src.Size(),
		isInt(d) && isUint(s) && dst.Size() > src.Size():
		return integer(dst.Size(), src.Size(), isInt(s))
	}
	return nil
}

// integer copies an integer of srcSize bytes into one of dstSize, at least as large. Widening keeps
// the bits of the value, so that the sign of the destination does not matter.
func integer(dstSize, srcSize uintptr, signed bool) copier {
	if dstSize == srcSize && srcSize == 8 {
		return func(dst, src unsafe.Pointer) { *(*uint64)(dst) = *(*uint64)(src) }
	}
	return func(dst, src unsafe.Pointer) { writeInteger(dst, dstSize, readInteger(src, srcSize, signed)) }
}

func readInteger(p unsafe.Pointer, size uintptr, signed bool) uint64 {
	switch {
	case size == 1 && signed:
		return uint64(*(*int8)(p))
	case size == 2 && signed:
		return uint64(*(*int16)(p))
	case size == 4 && signed:
		return uint64(*(*int32)(p))
	case size == 1:
		return uint64(*(*uint8)(p))
	case size == 2:
		return uint64(*(*uint16)(p))
	case size == 4:
		return uint64(*(*uint32)(p))
	default:
		return *(*uint64)(p)
	}
}

func writeInteger(p unsafe.Pointer, size uintptr, v uint64) {
	switch size {
	case 1:
		*(*uint8)(p) = uint8(v)
	case 2:
		*(*uint16)(p) = uint16(v)
	case 4:
		*(*uint32)(p) = uint32(v)
	default:
		*(*uint64)(p) = v
	}
}

func isInt(k reflect.Kind) bool { return k >= reflect.Int && k <= reflect.Int64 }

func isUint(k reflect.Kind) bool { return k >= reflect.Uint && k <= reflect.Uint64 }

// isBytes reports whether JSON writes t as a base64 string.
func isBytes(t reflect.Type) bool { return t.Elem().Kind() == reflect.Uint8 }

func join(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}

// describe names a type in the terms of a plugin author.
func describe(t reflect.Type) string {
	if t.Name() != "" && t.PkgPath() != "" {
		return fmt.Sprintf("%s (%s)", t, t.Kind())
	}
	return t.String()
}
