package codec

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
)

// copier copies src to dst. Dst can be set and is zero.
type copier func(dst, src reflect.Value)

// Compile returns the codec from struct type src to struct type dst. The codec is usable only if there is no misfit. It copies all
// members, also those that JSON leaves out.
func Compile(dst, src reflect.Type) (Codec, []Misfit) {
	return compile(compiler{}, dst, src)
}

// CompileOmitting is [Compile] for events that may also be stored. The codec does not copy the members that JSON leaves out of the
// source, so that a copy and the stored event give the subscriber the same struct. The codec is usable if all misfits are only
// missing; the missing members stay zero.
func CompileOmitting(dst, src reflect.Type) (Codec, []Misfit) {
	return compile(compiler{omits: true}, dst, src)
}

func compile(c compiler, dst, src reflect.Type) (Codec, []Misfit) {
	c.stack = []reflect.Type{dst}
	if hasOwnFormat(dst) {
		c.fail("", "is of a type with a JSON form of its own (%s), which events do not support", typeText(dst))
		return Codec{}, c.misfits
	}
	fn := c.structs(dst, src, "")
	return Codec{src: src, copy: fn, flat: !c.shares}, c.misfits
}

type compiler struct {
	misfits []Misfit
	// omits is true if the codec does not copy the values that JSON leaves out.
	omits bool
	// shares is true if the compiler has found a slice, map or pointer.
	shares bool
	// stack holds the destination types that contain the type that is being compiled.
	stack []reflect.Type
}

func (c *compiler) fail(path, format string, args ...any) copier {
	c.misfits = append(c.misfits, Misfit{Field: path, Text: fmt.Sprintf(format, args...)})
	return nil
}

func (c *compiler) structs(dst, src reflect.Type, path string) copier {
	sources := make(map[string]field)
	for _, f := range fieldsOf(src, func(string, string) {}) { // problems of src are reported when the publisher is checked
		sources[f.name] = f
	}
	type step struct {
		copy     copier
		dst, src int
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
			steps = append(steps, step{within(c.unlessOmitted(fn, s, d.typ), d.index[1:], s.index[1:]), d.index[0], s.index[0]})
		}
	}
	return func(dst, src reflect.Value) {
		for i := range steps {
			s := &steps[i]
			s.copy(dst.Field(s.dst), src.Field(s.src))
		}
	}
}

// within returns a copier that applies fn to fields of embedded structs; dst and src are the paths to these fields. Most fields are not
// embedded: for these it returns fn itself, since a copy that follows a path takes twice as long.
func within(fn copier, dst, src []int) copier {
	if len(dst) == 0 && len(src) == 0 {
		return fn
	}
	return func(d, s reflect.Value) { fn(inside(d, dst), inside(s, src)) }
}

// inside returns the field to which the path index leads from struct v. The path may be empty.
func inside(v reflect.Value, index []int) reflect.Value {
	for _, i := range index {
		v = v.Field(i)
	}
	return v
}

// unlessOmitted returns a copier that does nothing if JSON leaves src out.
func (c *compiler) unlessOmitted(fn copier, src field, dst reflect.Type) copier {
	if !c.omits {
		return fn
	}
	omitted := src.omission(dst)
	if omitted == nil {
		return fn
	}
	return func(dst, src reflect.Value) {
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

// hasOwnFormat reports whether methods of t decide on its JSON form. The compiler cannot know this form.
func hasOwnFormat(t reflect.Type) bool {
	for _, i := range ownFormats {
		if t.Implements(i) || reflect.PointerTo(t).Implements(i) {
			return true
		}
	}
	return false
}

// value returns the copier from src to dst, or nil when they do not fit.
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
		return c.fail(path, "may be null where it is published (%s); make it a pointer", typeText(src))
	case hasOwnFormat(dst) || hasOwnFormat(src):
		return c.fail(path, "is of a type with a JSON form of its own (%s), which events do not support", typeText(dst))
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
				return c.elements(dst.Elem(), src.Elem(), path)
			}
		case reflect.Map:
			return c.maps(dst, src, path)
		default:
		}
	}
	if dst == src {
		return c.fail(path, "is of a type that events do not support: %s", typeText(dst))
	}
	return c.fail(path, "is %s here and %s where it is published", typeText(dst), typeText(src))
}

func (c *compiler) pointer(dst, src reflect.Type, path string) copier {
	c.shares = true
	elem := dst.Elem()
	if src.Kind() != reflect.Pointer {
		inner := c.value(elem, src, path)
		return func(dst, src reflect.Value) {
			made := reflect.New(elem)
			inner(made.Elem(), src)
			dst.Set(made)
		}
	}
	if elem.Kind() == reflect.Pointer {
		return c.fail(path, "is a pointer to a pointer, which events do not support")
	}
	inner := c.value(elem, src.Elem(), path)
	return func(dst, src reflect.Value) {
		if src.IsNil() {
			return
		}
		made := reflect.New(elem)
		inner(made.Elem(), src.Elem())
		dst.Set(made)
	}
}

func (c *compiler) slice(dst, src reflect.Type, path string) copier {
	c.shares = true
	if isBytes(dst) != isBytes(src) {
		return c.fail(path, "is %s here and %s where it is published", typeText(dst), typeText(src))
	}
	inner := c.elements(dst.Elem(), src.Elem(), path)
	return func(to, from reflect.Value) {
		n := from.Len()
		if n == 0 {
			return
		}
		made := reflect.MakeSlice(dst, n, n)
		inner(made, from)
		to.Set(made)
	}
}

// elements returns a copier from one slice or array to another. It copies as many elements as the destination has.
func (c *compiler) elements(dst, src reflect.Type, path string) copier {
	inner := c.value(dst, src, path)
	if inner != nil && dst == src && scalar(dst, src) != nil {
		return func(dst, src reflect.Value) { reflect.Copy(dst, src) }
	}
	return func(dst, src reflect.Value) {
		for i := range dst.Len() {
			inner(dst.Index(i), src.Index(i))
		}
	}
}

func (c *compiler) maps(dst, src reflect.Type, path string) copier {
	c.shares = true
	if dst.Key().Kind() != reflect.String || src.Key().Kind() != reflect.String ||
		hasOwnFormat(dst.Key()) || hasOwnFormat(src.Key()) {
		return c.fail(path, "is a map whose keys are not strings, which events do not support")
	}
	inner := c.value(dst.Elem(), src.Elem(), path)
	return func(to, from reflect.Value) {
		if from.Len() == 0 {
			return
		}
		made := reflect.MakeMapWithSize(dst, from.Len())
		value := reflect.New(dst.Elem()).Elem()
		for entry := from.MapRange(); entry.Next(); {
			value.SetZero()
			inner(value, entry.Value())
			made.SetMapIndex(entry.Key().Convert(dst.Key()), value)
		}
		to.Set(made)
	}
}

// copyTime copies a time through a pointer, since a time in an interface would cost an allocation.
func copyTime(dst, src reflect.Value) {
	at, _ := reflect.TypeAssert[time.Time](src)
	to, _ := reflect.TypeAssert[*time.Time](dst.Addr())
	*to = at.UTC() // UTC also removes the monotonic reading
}

// scalar returns a copier for booleans, strings and numbers if every value of src is also a value of dst, and otherwise nil. A
// float32 does not fit a float64: JSON writes its shortest decimal form, and a float64 reads another number from that.
func scalar(dst, src reflect.Type) copier {
	d, s := dst.Kind(), src.Kind()
	switch {
	case d == reflect.String && s == reflect.String:
		return func(dst, src reflect.Value) { dst.SetString(src.String()) }
	case d == reflect.Bool && s == reflect.Bool:
		return func(dst, src reflect.Value) { dst.SetBool(src.Bool()) }
	case d == s && (d == reflect.Float64 || d == reflect.Float32):
		return func(dst, src reflect.Value) { dst.SetFloat(src.Float()) }
	case isInt(d) && isInt(s) && dst.Size() >= src.Size():
		return func(dst, src reflect.Value) { dst.SetInt(src.Int()) }
	case isUint(d) && isUint(s) && dst.Size() >= src.Size():
		return func(dst, src reflect.Value) { dst.SetUint(src.Uint()) }
	case isInt(d) && isUint(s) && dst.Size() > src.Size():
		return func(dst, src reflect.Value) { dst.SetInt(int64(src.Uint())) }
	}
	return nil
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

// typeText returns the name of a type as a plugin author writes it.
func typeText(t reflect.Type) string {
	if t.Name() != "" && t.PkgPath() != "" {
		return fmt.Sprintf("%s (%s)", t, t.Kind())
	}
	return t.String()
}
