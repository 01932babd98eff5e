package rules

import (
	"reflect"
	"strings"

	"plugboard/infra/httpserver/bind/wire"
)

// Presence has the rules of a field about whether a request must give it.
//
// The validator takes a zero value for one that was not given. That is right for a pointer, a list or a map, which is nil then, so the
// validator applies their rules of presence. It is wrong for the others: a request may give a bool, a number, a text or a struct as
// false, 0, "" or {}. Only these others have a Presence. The binder applies it, since it knows what was given.
type Presence struct {
	Required bool // it must be given
	Optional bool // its other rules hold only when it is given
	text     bool // it is a text, which must not be empty where it is required
}

// RefusesEmpty reports whether the field must not be given with its zero value, since that is the empty text.
func (p *Presence) RefusesEmpty() bool { return p.Required && p.text }

// PresenceOf returns the Presence of f. It is nil when f has no rule of presence, and when the validator can apply it (see [Presence]).
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

// appliedRules returns the rules of f as the validator gets them. It leaves out or replaces each rule of presence that the validator would
// apply wrongly, because it takes a zero value for one that was not given (see [Presence]). With givenZero, the rules are for a field
// that was given with its zero value. Fields from the path are always given. Examples:
//
//	type       binding              the validator gets   why
//	int        required,max=9       max=9                0 may be given; the binder applies "required"
//	int        omitempty,min=1      the same             for 0, the binder asks again with givenZero
//	int        omitempty,min=1      min=1                with givenZero, or from the path
//	*int       omitnil,min=1        omitempty,min=1      all names of the rule mean the same here
//	[]string   required,dive,max=9  the same             a list is nil when it is not given
//	[]int      dive,omitempty,gt=0  dive,gt=0            an element is always given
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
