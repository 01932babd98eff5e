package rules

import (
	"reflect"
	"slices"
	"strings"

	"plugboard/infra/httpserver/bind/wire"
)

// Presence is what the rules of a field say about whether it is given, for a field whose value does not tell: a bool, a number,
// a text or a struct may have been given with its zero value. For the others nil means "not given", and the validator's own
// "required" and "omitempty" do.
type Presence struct {
	Required bool // it must be given
	Optional bool // its other rules hold only when it is given
	text     bool // it is a text, which must not be empty where it is required
}

// IsEmptyText reports whether a given field with the zero value is an empty text that must not be empty.
func (p *Presence) IsEmptyText() bool { return p.Required && p.text }

// PresenceOf returns what f's rules say about presence, nil when that is nothing, or when the value tells.
func PresenceOf(f reflect.StructField) *Presence {
	required, optional := presenceRules(f)
	if !required && !optional || nilTells(f.Type) {
		return nil
	}
	return &Presence{required, optional, f.Type.Kind() == reflect.String && !wire.HasUnmarshaler(f.Type)}
}

// presenceRules returns which of the rules of presence f has, for itself and not for its elements.
func presenceRules(f reflect.StructField) (required, optional bool) {
	for rule := range strings.SplitSeq(f.Tag.Get("binding"), ",") {
		switch {
		case rule == "dive":
			return required, optional
		case rule == "required":
			required = true
		case isOmit(rule):
			optional = true
		}
	}
	return required, optional
}

// isOmit reports whether rule is one of the names under which the validator knows that a field may be left out.
func isOmit(rule string) bool { return rule == "omitempty" || rule == "omitnil" || rule == "omitzero" }

// nilTells reports whether a field of typ is nil when it is not given, and only then.
func nilTells(typ reflect.Type) bool {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Interface:
		return true
	case reflect.Slice, reflect.Map:
		return !wire.HasUnmarshaler(typ)
	default:
		return wire.IsOptional(typ)
	}
}

// appliedRules returns the rules of f as the validator applies them. What it takes for "not given" is the zero value, so of the
// rules of presence it gets those for which that is the same. One set of rules is for all requests, the other for fields that
// were given with their zero value.
func appliedRules(f reflect.StructField, GivenZero bool) string {
	typ, outer, inside := f.Type, f.Type, false
	given := GivenZero || f.Tag.Get(string(wire.URI)) != "" // what comes from the path is always given
	var applied []string
	for rule := range strings.SplitSeq(f.Tag.Get("binding"), ",") {
		switch {
		case rule == "dive" && wire.IsCollection(wire.Ruled(typ)):
			outer, typ, inside = typ, wire.Ruled(typ).Elem(), true
		case rule == "keys" && wire.Ruled(outer).Kind() == reflect.Map:
			typ = wire.Ruled(outer).Key()
		case rule == "endkeys" && wire.IsCollection(wire.Ruled(outer)):
			typ = wire.Ruled(outer).Elem()
		case rule == "required" && !inside && !nilTells(typ):
			continue
		case isOmit(rule) && !nilTells(typ) && (inside || given):
			continue
		case isOmit(rule):
			rule = "omitempty"
		}
		applied = append(applied, rule)
	}
	return strings.Join(applied, ",")
}

// GivenZero is a field that was given with its zero value and has rules that hold only when it is given.
type GivenZero struct {
	holder reflect.Value // the struct whose field it is, addressable
	field  int           // its place there
	prefix string        // the caller's name of the struct, with a dot behind it; "" for the request itself
}

// ZeroAt returns the field of v at index, which was given with its zero value.
func ZeroAt(v reflect.Value, index []int, prefix string) GivenZero {
	last := len(index) - 1
	return GivenZero{v.FieldByIndex(index[:last]), index[last], prefix}
}

// ApplyZero applies all rules of a field that was given with its zero value. Those of the validator for all requests would take
// it for one that was not.
func (r *Set) ApplyZero(z GivenZero, bad *Violations) error {
	typ, known := z.holder.Type(), Violations{list: slices.Clone(bad.list)}
	f := typ.Field(z.field)
	only := f.Name
	if typ.Name() != "" {
		only = typ.Name() + "." + only
	}
	err, broken := judge(r.judges.given, pointerTo(z.holder), func(ns []byte) bool { return string(ns) != only })
	if broken {
		bad.Add(wire.Clip(z.prefix+wire.Name(f)), "type", messageUnfit)
		return nil
	}
	if err := noteViolations(typ, z.prefix, err, known, bad); err != nil || f.Type.Kind() != reflect.Struct || wire.IsOpaque(f.Type) {
		return err
	}
	inner := z.holder.Field(z.field)
	err, _ = judge(r.judges.rules, pointerTo(inner), nil)
	return noteViolations(f.Type, z.prefix+wire.Name(f)+".", err, known, bad)
}

// pointerTo returns a pointer to v, which is addressable and may be the value of an embedded struct that is not exported.
func pointerTo(v reflect.Value) any {
	return reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Interface()
}
