package rules

import (
	"reflect"
	"strings"

	"plugboard/infra/httpserver/bind/wire"
)

// Presence is what the rules of a field say about whether it is given. Only fields have one whose zero value may have been given:
// a bool, a number, a text or a struct. Others are nil when they are not given, and the validator's own "required" and "omitempty"
// see that.
type Presence struct {
	Required bool // it must be given
	Optional bool // its other rules hold only when it is given
	text     bool // it is a text, which must not be empty where it is required
}

// RefusesEmpty reports whether the field must not be given with its zero value, since that is the empty text.
func (p *Presence) RefusesEmpty() bool { return p.Required && p.text }

// PresenceOf returns what f's rules say about presence. It is nil when they say nothing, or when f is nil if it is not given.
func PresenceOf(f reflect.StructField) *Presence {
	required, optional := presenceRules(f)
	if !required && !optional || isNilIfNotGiven(f.Type) {
		return nil
	}
	return &Presence{required, optional, f.Type.Kind() == reflect.String && !wire.HasUnmarshaler(f.Type)}
}

// presenceRules returns which of the rules of presence f has for itself, not for its elements.
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

// isOmit reports whether rule is one of the validator's names for "may be left out".
func isOmit(rule string) bool { return rule == "omitempty" || rule == "omitnil" || rule == "omitzero" }

// isNilIfNotGiven reports whether a field of typ is nil when it is not given, and only then.
func isNilIfNotGiven(typ reflect.Type) bool {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Interface:
		return true
	case reflect.Slice, reflect.Map:
		return !wire.HasUnmarshaler(typ)
	default:
		return wire.IsOptional(typ)
	}
}

// appliedRules returns the rules of f for the validator, which takes a zero value for "not given". Rules of presence for which that
// is wrong are left out; the binder applies those. With givenZero the rules are for a field that was given with its zero value.
func appliedRules(f reflect.StructField, givenZero bool) string {
	typ, outer, inside := f.Type, f.Type, false
	given := givenZero || f.Tag.Get(string(wire.URI)) != "" // what comes from the path is always given
	var applied []string
	for rule := range strings.SplitSeq(f.Tag.Get("binding"), ",") {
		switch {
		case rule == "dive" && wire.IsCollection(wire.Ruled(typ)):
			outer, typ, inside = typ, wire.Ruled(typ).Elem(), true
		case rule == "keys" && wire.Ruled(outer).Kind() == reflect.Map:
			typ = wire.Ruled(outer).Key()
		case rule == "endkeys" && wire.IsCollection(wire.Ruled(outer)):
			typ = wire.Ruled(outer).Elem()
		case rule == "required" && !inside && !isNilIfNotGiven(typ):
			continue
		case isOmit(rule) && !isNilIfNotGiven(typ) && (inside || given):
			continue
		case isOmit(rule):
			rule = "omitempty"
		}
		applied = append(applied, rule)
	}
	return strings.Join(applied, ",")
}
