package rules

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"plugboard/infra/httpserver/bind/wire"

	"github.com/go-playground/validator/v10"
)

// ioRules are rules of the validator that look at the network or the disk, which validation must not do.
var ioRules = []string{
	"file", "filepath", "dir", "dirpath", "image", "uds_exists", "unix_addr",
	"tcp_addr", "tcp4_addr", "tcp6_addr", "udp_addr", "udp4_addr", "udp6_addr", "ip_addr", "ip4_addr", "ip6_addr",
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

// isBlank reports whether a character is a space, of which the documents say the same: those of Unicode, and the byte order mark, which is one
// in JavaScript.
func isBlank(c rune) bool { return unicode.IsSpace(c) || c == '\ufeff' }

// optionalValue gives the validator what an app.Optional holds, as a pointer: a value that is set is judged
// by its rules even when it is zero, one that is not is "not given".
func optionalValue(field reflect.Value) any {
	if !field.FieldByName("Set").Bool() || field.FieldByName("Null").Bool() {
		return reflect.Zero(reflect.PointerTo(field.FieldByName("Value").Type())).Interface()
	}
	value := reflect.New(field.FieldByName("Value").Type())
	value.Elem().Set(field.FieldByName("Value"))
	return value.Interface()
}

// Apply applies the rules to request, a pointer to a value of their type, and adds what it breaks to bad.
func (r *Set) Apply(request any, bad *Violations) error {
	known := Violations{list: slices.Clone(bad.list)}
	err, broken := r.judge(request)
	if broken {
		err = r.judgeEach(request, known, bad)
	} else {
		err = noteViolations(r.typ, "", err, known, bad)
	}
	for _, z := range bad.zeros {
		err = errors.Join(err, r.ApplyZero(z, bad))
	}
	return err
}

// judge applies the rules to the fields that skip leaves, all of them without it. Some rules panic on values that they do not
// know how to compare, which fields of the type any may have: broken tells of that.
func judge(rules *validator.Validate, request any, skip validator.FilterFunc) (err error, broken bool) { //nolint:revive // the error is the caller's, not ours
	defer func() {
		if recover() != nil {
			broken = true
		}
	}()
	if skip == nil {
		return rules.Struct(request), false
	}
	return rules.StructFiltered(request, skip), false
}

// judgeEach applies the rules of each of the request's own fields by themselves, after a rule has panicked. The field whose
// rules do is refused.
func (r *Set) judgeEach(request any, known Violations, bad *Violations) error {
	var fields []string
	_, _ = judge(r.judges.rules, request, func(ns []byte) bool {
		fields = append(fields, string(ns))
		return true
	})
	for _, field := range fields {
		err, broken := judge(r.judges.rules, request, func(ns []byte) bool { return string(ns) != field && !within(string(ns), field) })
		if broken {
			bad.Add(wire.Clip(wireField(r.typ, field)), "type", messageUnfit)
			continue
		}
		if err := noteViolations(r.typ, "", err, known, bad); err != nil {
			return err
		}
	}
	return nil
}

// within reports whether a field of the validator's namespace lies within another, which may be a list or map.
func within(field, whole string) bool {
	rest, ok := strings.CutPrefix(field, whole)
	return ok && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

// wireField returns the caller's name of a field of the request, which the validator names "Request.Field".
func wireField(typ reflect.Type, namespace string) string {
	name := namespace[strings.LastIndexByte(namespace, '.')+1:]
	if f, ok := typ.FieldByName(name); ok {
		return wire.Name(f)
	}
	return name
}

// noteViolations adds what the validator found in a value of typ, whose members' names begin with prefix, to bad, but for fields
// that are known to be wrong.
func noteViolations(typ reflect.Type, prefix string, err error, known Violations, bad *Violations) error {
	if err == nil {
		return nil
	}
	var found validator.ValidationErrors
	if !errors.As(err, &found) {
		return fmt.Errorf("validate request: %w", err)
	}
	for _, f := range found {
		if bad.Full() {
			break // the validator finds as many as the body has room for
		}
		field := prefix + fieldName(typ, f.Namespace())
		if notGiven(f) || known.Covers(field) {
			continue
		}
		bad.Add(wire.Clip(field), ruleName(f), ruleMessage(f, otherField(typ, f)))
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
			inner, ok := structOf(typ).FieldByName(step)
			if !ok {
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

// notGiven reports whether f complains about a value that was not given and need not be: a pointer, an any or an
// app.Optional without a value breaks no rule but the required ones.
func notGiven(f validator.FieldError) bool {
	nothing := f.Kind() == reflect.Pointer || f.Kind() == reflect.Interface || f.Kind() == reflect.Invalid
	return nothing && !strings.HasPrefix(f.Tag(), "required")
}

// fieldNames turns the brackets of indices into dots, and leaves alone those that end a name, as in the form field "ids[]".
var fieldNames = strings.NewReplacer(wire.EmbedMark+".", "", "[]", "[]", "[", ".", "]", "")

// fieldName turns a validator's namespace, "Request.items[0].price", into the caller's name, "items.0.price". It begins
// with the name of the request's type, which may itself have dots and brackets, or be none.
func fieldName(request reflect.Type, namespace string) string {
	if name := request.Name(); name != "" {
		namespace = strings.TrimPrefix(namespace, name+".")
	}
	return fieldNames.Replace(namespace)
}
