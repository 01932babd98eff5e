package rules

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"plugboard/infra/httpserver/bind/wire"

	"github.com/go-playground/validator/v10"
)

// sureRules are those fields of a request whose rules are plain comparisons. They are looked at before the validator, which makes
// a copy of each value on the heap: where all of them hold, it gets the other fields only, or nothing. Where one does not hold, it
// gets all fields, and finds and words what is wrong. So a rule is either here exactly as the validator applies it, or not at all.
type sureRules struct {
	fields []sureField
	// skip leaves these fields out; whole says that there are no others.
	skip  validator.FilterFunc
	whole bool
}

type sureField struct {
	index int
	sureValue
}

// sureValue are the rules of a value, in order.
type sureValue struct {
	omitEmpty bool // they hold when it is not given
	holds     []func(reflect.Value) bool
	elem      *sureValue  // of each element of a list
	fields    []sureField // of a struct
}

func (s *sureValue) hold(v reflect.Value) bool {
	if s.omitEmpty && !isGiven(v) {
		return true
	}
	for _, holds := range s.holds {
		if !holds(v) {
			return false
		}
	}
	if s.elem != nil {
		for i := range v.Len() {
			if !s.elem.hold(v.Index(i)) {
				return false
			}
		}
	}
	for i := range s.fields {
		if f := &s.fields[i]; !f.hold(v.Field(f.index)) {
			return false
		}
	}
	return true
}

// judge applies the rules of all fields of request, a pointer to a value of the plan's type.
func (r *Set) judge(request any) (err error, broken bool) { //nolint:revive // the error is the caller's, not ours
	all := sureValue{fields: r.sure.fields}
	switch {
	case len(all.fields) == 0 || !all.hold(reflect.ValueOf(request).Elem()):
		return judge(r.judges.rules, request, nil)
	case r.sure.whole:
		return nil, false
	}
	return judge(r.judges.rules, request, r.sure.skip)
}

// sureRulesOf returns the sure rules of typ.
func sureRulesOf(typ reflect.Type) sureRules {
	names, whole := map[string]bool{}, true
	var sure sureRules
	prefix := ""
	if typ.Name() != "" {
		prefix = typ.Name() + "."
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		if s, ok := sureOfField(f, nil); ok {
			sure.fields = append(sure.fields, sureField{i, s})
			names[prefix+f.Name] = true
		} else {
			whole = false
		}
	}
	sure.skip, sure.whole = func(ns []byte) bool { return names[string(ns)] }, whole
	return sure
}

// sureOfField returns the rules of f, unless one of them is not sure. Within are the structs around it.
func sureOfField(f reflect.StructField, within []reflect.Type) (sureValue, bool) {
	tag := f.Tag.Get("binding")
	switch {
	case f.Anonymous:
		return sureValue{}, false
	case !f.IsExported(), tag == "-":
		return sureValue{}, true // the validator passes it by
	case tag != "":
		tag = withoutNil(f, appliedRules(f, false))
	}
	return sureOf(f.Type, tag, within)
}

var valuerType = reflect.TypeFor[validator.Valuer]()

func sureOf(typ reflect.Type, tag string, within []reflect.Type) (s sureValue, ok bool) {
	if typ.Implements(valuerType) || wire.IsOptional(typ) {
		return s, false
	}
	switch typ.Kind() {
	case reflect.Struct:
		return sureOfStruct(typ, tag, within)
	case reflect.Pointer, reflect.Interface:
		return s, false
	}
	for rest := tag; rest != ""; {
		var rule string
		rule, rest, _ = strings.Cut(rest, ",")
		switch {
		case rule == "omitempty" && len(s.holds) == 0:
			s.omitEmpty = true
		case rule == "required":
			s.holds = append(s.holds, isGiven)
		case rule == "dive" && typ.Kind() == reflect.Slice:
			elem, ok := sureOf(typ.Elem(), rest, within)
			s.elem = &elem
			return s, ok
		default:
			holds := sureComparison(typ, rule)
			if holds == nil {
				return s, false
			}
			s.holds = append(s.holds, holds)
		}
	}
	return s, true
}

func sureOfStruct(typ reflect.Type, tag string, within []reflect.Type) (s sureValue, ok bool) {
	if typ == wire.TimeType {
		return s, tag == ""
	}
	if tag != "" || typ.ConvertibleTo(wire.TimeType) || slices.Contains(within, typ) {
		return s, false
	}
	for i := range typ.NumField() {
		f, ok := sureOfField(typ.Field(i), append(within, typ))
		if !ok {
			return s, false
		}
		s.fields = append(s.fields, sureField{i, f})
	}
	return s, true
}

// isGiven reports what "required" asks of a value that is neither a pointer nor an interface.
func isGiven(v reflect.Value) bool {
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		return !v.IsNil()
	}
	return !v.IsZero()
}

// sureComparison returns what compares a value of typ with the parameter of rule; nil when rule is no such comparison.
func sureComparison(typ reflect.Type, rule string) func(reflect.Value) bool {
	name, param, _ := strings.Cut(rule, "=")
	whole, wholeErr := strconv.ParseInt(param, 0, 64)
	switch typ.Kind() {
	case reflect.String:
		return comparison(name, whole, wholeErr, func(v reflect.Value) int64 { return int64(utf8.RuneCountInString(v.String())) })
	case reflect.Slice, reflect.Map:
		return comparison(name, whole, wholeErr, func(v reflect.Value) int64 { return int64(v.Len()) })
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if typ == reflect.TypeFor[time.Duration]() {
			return nil
		}
		return comparison(name, whole, wholeErr, reflect.Value.Int)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		most, err := strconv.ParseUint(param, 0, 64)
		return comparison(name, most, err, reflect.Value.Uint)
	case reflect.Float32, reflect.Float64:
		most, err := strconv.ParseFloat(param, typ.Bits())
		return comparison(name, most, err, reflect.Value.Float)
	default:
		return nil
	}
}

func comparison[T cmp.Ordered](name string, with T, err error, of func(reflect.Value) T) func(reflect.Value) bool {
	if err != nil {
		return nil
	}
	switch name {
	case "min", "gte":
		return func(v reflect.Value) bool { return of(v) >= with }
	case "max", "lte":
		return func(v reflect.Value) bool { return of(v) <= with }
	case "gt":
		return func(v reflect.Value) bool { return of(v) > with }
	case "lt":
		return func(v reflect.Value) bool { return of(v) < with }
	case "len":
		return func(v reflect.Value) bool { return of(v) == with }
	default:
		return nil
	}
}
