package rules

import (
	"errors"
	"reflect"
	"strings"

	"github.com/go-playground/validator/v10"

	"plugboard/infra/httpserver/bind/wire"
)

// presence reports rules of f about its presence that contradict each other, and rules that refuse the value it has when it is not
// given.
func (c *checker) presence(f reflect.StructField) {
	required, optional := presenceRules(f)
	text, hasDefault := f.Tag.Lookup("default")
	sources, _, _ := wire.Sources(f)
	switch {
	case f.Anonymous && len(sources) == 0:
		if required || optional {
			c.problem("request field %s is embedded, and not given or missing by itself: put the rules on its fields", c.prefix+f.Name)
		}
	case required && optional:
		c.problem(`request field %s is both "required" and one that may be left out: keep one`, c.prefix+f.Name)
	case required && hasDefault:
		c.problem(`request field %s is "required" and has a default, which it would never get: keep one`, c.prefix+f.Name)
	case hasDefault:
		c.defaultValue(f, text)
	case !required && !optional && len(sources) > 0 && sources[0] != wire.URI:
		c.zeroValue(f)
	}
}

// defaultValue reports a default that breaks the rules of its field.
func (c *checker) defaultValue(f reflect.StructField, text string) {
	d, _ := wire.NewDefault(f.Type, text)
	value := reflect.New(f.Type).Elem()
	if d.Apply(value) != "" {
		return // the compiler of binders reports it
	}
	if rule := c.breaks(value, appliedRules(f, false)); rule != "" {
		c.problem("request field %s: its default %q breaks its rule %q", c.prefix+f.Name, text, rule)
	}
}

// zeroValue reports a field that need not be given although its rules refuse the value it then has.
func (c *checker) zeroValue(f reflect.StructField) {
	const advice = `add "required" if it must be given, or "omitempty" if it may be left out, or a default, or make it a pointer`
	own, _, _ := strings.Cut(f.Tag.Get("binding")+",", "dive,")
	if kind := f.Type.Kind(); kind == reflect.Pointer || kind == reflect.Interface || wire.IsOptional(f.Type) {
		return
	}
	if rule := c.breaks(reflect.Zero(f.Type), own); rule != "" {
		c.problem("request field %s: its rule %q refuses the value it has when it is not given: %s", c.prefix+f.Name, rule, advice)
		return
	}
	if inner := requiredWithin(f.Type); inner != "" {
		c.problem(`request field %s may be left out, but its field %s is "required": add "required" to %s if it must be given, or "omitempty" if it may be left out, or make it a pointer`,
			c.prefix+f.Name, inner, f.Name)
	}
}

// requiredWithin returns the name of a field that is required within a value of typ when nothing of the value is given; "" for none.
func requiredWithin(typ reflect.Type) string {
	if typ.Kind() != reflect.Struct || wire.IsOpaque(typ) || wire.IsOptional(typ) {
		return ""
	}
	for f := range typ.Fields() {
		required, optional := presenceRules(f)
		if required && !optional {
			return f.Name
		}
		if inner := requiredWithin(f.Type); inner != "" && !optional {
			return f.Name + "." + inner
		}
	}
	return ""
}

// breaks returns the first of the rules that value breaks, "" for none. Rules that need the other fields are left out.
func (c *checker) breaks(value reflect.Value, rules string) (broken string) {
	var own []string
	for rule := range strings.SplitSeq(rules, ",") {
		if rule != "" && (isOmit(rule) || !needsOthers(rule)) {
			own = append(own, rule)
		}
	}
	var found validator.ValidationErrors
	_ = panicOf(func() { errors.As(c.all.VarWithKey("value", value.Interface(), strings.Join(own, ",")), &found) })
	if len(found) == 0 {
		return ""
	}
	if found[0].Param() == "" || strings.Contains(found[0].Tag(), "|") {
		return found[0].Tag()
	}
	return found[0].Tag() + "=" + found[0].Param()
}

// needsOthers reports whether rule, or one of several in it, needs the other fields or only steers validation.
func needsOthers(rule string) bool {
	for part := range strings.SplitSeq(rule, "|") {
		if name, _, _ := strings.Cut(part, "="); cannotTryAlone(name) {
			return true
		}
	}
	return false
}

// inside reports a rule behind "dive" that does nothing on an element or key of typ, or refuses every one. It returns whether there
// was something to report.
func (c *checker) inside(f reflect.StructField, rule, name string, typ reflect.Type) bool {
	const given = `request field %s: the rule %q behind "dive" %s: an element is always given; %s`
	switch kind := typ.Kind(); {
	case strings.HasPrefix(name, "required_"), strings.HasPrefix(name, "excluded_"), name == "skip_unless":
		c.problem(given, c.prefix+f.Name, rule, "depends on another field", `put it in front of "dive"`)
	case name != "required" || kind == reflect.String && !wire.HasUnmarshaler(typ) || kind == reflect.Pointer || kind == reflect.Interface || wire.IsOptional(typ):
		return false
	case wire.IsCollection(typ):
		c.problem(given, c.prefix+f.Name, rule, "does nothing", "say min=1 if an empty one is refused")
	default:
		c.problem(given, c.prefix+f.Name, rule, "does nothing", "say ne=0 or gt=0 if 0 is refused")
	}
	return true
}

// uniqueBy reports a rule "unique=Field" on a list whose elements have no such field.
func (c *checker) uniqueBy(f reflect.StructField, field string, typ reflect.Type) bool {
	typ = wire.Ruled(typ)
	if field == "" || typ.Kind() != reflect.Slice {
		return false
	}
	elem := typ.Elem()
	if elem.Kind() == reflect.Pointer {
		elem = elem.Elem()
	}
	if elem.Kind() == reflect.Struct {
		if _, ok := elem.FieldByName(field); ok {
			return false
		}
	}
	c.problem("request field %s: the rule %q does not fit: the elements have no field %s", c.prefix+f.Name, "unique="+field, field)
	return true
}
