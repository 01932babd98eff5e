// Package rules checks requests against the rules in the binding tags of their types.
//
// At start a [Compiler] checks the tags of a request type and returns its [Set] of rules. [Set.Apply] checks one request and adds
// what is wrong to its [Violations], in words for the caller. The rules are those of go-playground/validator. A Set is immutable and
// safe for concurrent use; Violations belong to one request.
package rules

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/go-playground/validator/v10"

	"plugboard/app"
	"plugboard/infra/httpserver/bind/wire"
)

// Compiler compiles the rules of request types. The zero value is ready. It is for one goroutine.
//
// A validator that learns a type copies all it has learnt before. One validator for all requests made the start of a thousand
// plugins slow, so each learns the types of a few requests only.
type Compiler struct {
	current validators
	left    int // how many more request types current learns
}

// perValidators is how many request types a pair of validators learns before the compiler makes a new pair. Making one takes about as long
// as learning twenty types.
const perValidators = 64

// validators is a pair of validators. Both learn the types of the same requests.
type validators struct {
	all   *validator.Validate // applies the rules of all fields
	given *validator.Validate // applies the rules of fields that were given with their zero value
}

// Set are the rules of the fields of one request type.
type Set struct {
	typ        reflect.Type
	validators validators
	quick      quickRules
}

// Compile returns the rules of typ, or what is wrong with them. It applies every rule to a sample value, so that an unknown rule, a
// rule that does not fit its field or a bad parameter is a start error and not a failure of the first request.
func (c *Compiler) Compile(typ reflect.Type) (*Set, []string) {
	if c.left == 0 {
		c.current, c.left = validators{newValidator(), newValidator()}, perValidators
	}
	c.left--
	check := checker{validators: c.current, seen: map[reflect.Type]bool{}}
	check.register(typ)
	clear(check.seen)
	check.structType(typ)
	return &Set{typ, c.current, quickRulesOf(typ)}, check.problems
}

// newValidator returns a validator that knows fields by the names callers know.
func newValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.SetTagName("binding")
	v.RegisterTagNameFunc(wire.Name)
	if err := v.RegisterValidation("notblank", notBlank); err != nil {
		panic(err) // the name and the function are given above
	}
	return v
}

// notBlank is the rule "notblank": a text has something besides spaces. It fits nothing but texts.
func notBlank(f validator.FieldLevel) bool {
	if f.Field().Kind() != reflect.String {
		panic(fmt.Sprintf("notblank does not fit a %s", f.Field().Type()))
	}
	return strings.TrimFunc(f.Field().String(), isBlank) != ""
}

// isBlank reports whether a character is a space: those of Unicode, and the byte order mark. The documents describe the rule as a
// regular expression of JavaScript, in which the byte order mark is a space too.
func isBlank(c rune) bool { return unicode.IsSpace(c) || c == '\ufeff' }

// optionalValue gives the validator the value of an app.Optional as a pointer. The rules of a value that is set are applied even
// when it is zero; one that is not set counts as not given.
func optionalValue(field reflect.Value) any {
	if !field.FieldByName("Set").Bool() || field.FieldByName("Null").Bool() {
		return reflect.Zero(reflect.PointerTo(field.FieldByName("Value").Type())).Interface()
	}
	value := reflect.New(field.FieldByName("Value").Type())
	value.Elem().Set(field.FieldByName("Value"))
	return value.Interface()
}

// Apply applies the rules to request, a pointer to a value of their type, and adds what it breaks to found. A field that is in
// found already gets no second violation. The error is a fault of the service.
func (s *Set) Apply(request any, found *Violations) error {
	known := Violations{list: slices.Clone(found.list)}
	err := s.check(request)
	if isPanic(err) {
		err = s.applyEach(request, known, found)
	} else {
		err = note(s.typ, "", err, known, found)
	}
	for _, z := range found.zeros {
		err = errors.Join(err, s.ApplyZero(z, found))
	}
	return err
}

// check checks all fields of request: those with quick rules first, and with the validator what these leave.
func (s *Set) check(request any) error {
	quick := value{fields: s.quick.fields}
	switch {
	case len(quick.fields) == 0 || !quick.holds(reflect.ValueOf(request).Elem()):
		return validate(s.validators.all, request, nil)
	case s.quick.whole:
		return nil
	default:
		return validate(s.validators.all, request, s.quick.skip)
	}
}

// validate has the validator check the fields of request that skip does not leave out; nil leaves out none. Some rules panic on
// values that they cannot compare, which fields of the type any may have; the error is an [app.PanicError] then.
func validate(v *validator.Validate, request any, skip validator.FilterFunc) (err error) {
	defer app.Recover(&err)
	if skip == nil {
		return v.Struct(request)
	}
	return v.StructFiltered(request, skip)
}

func isPanic(err error) bool {
	_, ok := err.(*app.PanicError) //nolint:errorlint // validate does not wrap it
	return ok
}

// applyEach checks each of the request's own fields by itself, after a rule has panicked. A field whose rules panic is refused.
func (s *Set) applyEach(request any, known Violations, found *Violations) error {
	var fields []string
	_ = validate(s.validators.all, request, func(ns []byte) bool {
		fields = append(fields, string(ns))
		return true
	})
	for _, field := range fields {
		err := validate(s.validators.all, request, func(ns []byte) bool { return string(ns) != field && !within(string(ns), field) })
		if isPanic(err) {
			name := field[strings.LastIndexByte(field, '.')+1:]
			if f, ok := s.typ.FieldByName(name); ok {
				name = wire.Name(f)
			}
			found.Add(wire.Clip(name), "type", messageUnfit)
			continue
		}
		if err := note(s.typ, "", err, known, found); err != nil {
			return err
		}
	}
	return nil
}

// within reports whether a field of the validator's namespace is part of another, which may be a list or map.
func within(field, whole string) bool {
	rest, ok := strings.CutPrefix(field, whole)
	return ok && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

// GivenZero is a field that was given with its zero value and has rules that hold only when it is given.
type GivenZero struct {
	holder reflect.Value // the struct whose field it is, addressable
	field  int           // its place there
	prefix string        // the caller's name of the struct, with a dot behind it; "" for the request itself
}

// ZeroAt returns the field of v at index, which was given with its zero value. Prefix is the caller's name of v with a dot behind
// it, "" when v is the request.
func ZeroAt(v reflect.Value, index []int, prefix string) GivenZero {
	last := len(index) - 1
	return GivenZero{v.FieldByIndex(index[:last]), index[last], prefix}
}

// ApplyZero applies all rules of a field that was given with its zero value. [Set.Apply] takes such a field for one that was not
// given.
func (s *Set) ApplyZero(z GivenZero, found *Violations) error {
	typ, known := z.holder.Type(), Violations{list: slices.Clone(found.list)}
	f := typ.Field(z.field)
	only := f.Name
	if typ.Name() != "" {
		only = typ.Name() + "." + only
	}
	err := validate(s.validators.given, pointerTo(z.holder), func(ns []byte) bool { return string(ns) != only })
	if isPanic(err) {
		found.Add(wire.Clip(z.prefix+wire.Name(f)), "type", messageUnfit)
		return nil
	}
	if err := note(typ, z.prefix, err, known, found); err != nil || f.Type.Kind() != reflect.Struct || wire.IsOpaque(f.Type) {
		return err
	}
	err = validate(s.validators.all, pointerTo(z.holder.Field(z.field)), nil)
	if isPanic(err) {
		return nil
	}
	return note(f.Type, z.prefix+wire.Name(f)+".", err, known, found)
}

// pointerTo returns a pointer to v, which is addressable and may be the value of an embedded struct that is not exported.
func pointerTo(v reflect.Value) any {
	return reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Interface()
}

// note adds what the validator found in a value of typ to found, but for fields that known has. Prefix stands before the names of
// the value's members.
func note(typ reflect.Type, prefix string, err error, known Violations, found *Violations) error {
	if err == nil {
		return nil
	}
	var broken validator.ValidationErrors
	if !errors.As(err, &broken) {
		return fmt.Errorf("validate request: %w", err)
	}
	for _, f := range broken {
		if found.Full() {
			break // the validator finds as many as the body has room for
		}
		field := prefix + fieldName(typ, f.Namespace())
		if isNotGiven(f) || known.Covers(field) {
			continue
		}
		found.Add(wire.Clip(field), ruleName(f), message(f, otherField(typ, f)))
	}
	return nil
}

// otherField returns the caller's name of the field that a rule such as eqfield compares with.
func otherField(request reflect.Type, f validator.FieldError) func(name string) string {
	return func(name string) string {
		typ := request
		path := strings.Split(f.StructNamespace(), ".")
		for _, step := range path[1:max(1, len(path)-1)] {
			step, _, _ = strings.Cut(step, "[")
			inner, _ := structOf(typ).FieldByName(step)
			if inner.Type == nil {
				return "another field"
			}
			typ = inner.Type
		}
		if other, ok := structOf(typ).FieldByName(name); ok && wire.Name(other) != "" && wire.Name(other) != wire.EmbedMark {
			return wire.Name(other)
		}
		return "another field"
	}
}

// structOf returns the struct that typ is, points to or lists; a struct without fields when there is none.
func structOf(typ reflect.Type) reflect.Type {
	if typ = wire.Ruled(wire.Element(wire.Ruled(typ))); typ.Kind() == reflect.Struct {
		return typ
	}
	return reflect.TypeFor[struct{}]()
}

// isNotGiven reports whether f is about a value that was not given and need not be: a pointer, an any or an app.Optional without a
// value breaks no rule but the required ones.
func isNotGiven(f validator.FieldError) bool {
	nothing := f.Kind() == reflect.Pointer || f.Kind() == reflect.Interface || f.Kind() == reflect.Invalid
	return nothing && !strings.HasPrefix(f.Tag(), "required")
}

// fieldNames turns the brackets of indices into dots. It leaves alone brackets that end a name, as in the form field "ids[]".
var fieldNames = strings.NewReplacer(wire.EmbedMark+".", "", "[]", "[]", "[", ".", "]", "")

// fieldName turns a validator's namespace, "Request.items[0].price", into the caller's name, "items.0.price". The namespace begins
// with the name of the request's type, which may itself have dots and brackets, or be empty.
func fieldName(request reflect.Type, namespace string) string {
	if name := request.Name(); name != "" {
		namespace = strings.TrimPrefix(namespace, name+".")
	}
	return fieldNames.Replace(namespace)
}
