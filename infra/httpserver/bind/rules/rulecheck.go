// Package rules checks requests against the rules in the binding tags of their types.
//
// At start a [Compiler] checks the tags of a request type and returns its [Set] of rules. [Set.Apply] checks one request and adds
// what is wrong to its [Violations], in words for the caller. The rules are those of go-playground/validator. A Set is immutable and
// safe for concurrent use; Violations belong to one request.
package rules

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"plugboard/infra/httpserver/bind/wire"
)

// Set are the rules of the fields of one request type.
type Set struct {
	typ    reflect.Type
	judges judges
	sure   sureRules
}

// Compile returns the rules of typ. It applies every rule to a sample value, so that an unknown rule, a rule that does not
// fit its field or a bad parameter shows at start and not in the first request.
func (v *Compiler) Compile(typ reflect.Type) (*Set, []string) {
	r := &Set{typ: typ, judges: v.next()}
	c := ruleChecker{judges: r.judges, seen: map[reflect.Type]bool{}}
	c.register(typ)
	clear(c.seen)
	c.structType(typ)
	r.sure = sureRulesOf(typ)
	return r, c.problems
}

type ruleChecker struct {
	judges

	prefix   string // of the fields of the struct that is being looked at, "" for those of the request
	seen     map[reflect.Type]bool
	problems []string
}

// enter reports whether typ, or what it holds, is a struct with fields to look at that was not looked at before.
func (c *ruleChecker) enter(typ reflect.Type) (structType reflect.Type, first bool) {
	typ = wire.Element(typ)
	if typ.Kind() != reflect.Struct || c.seen[typ] || typ == wire.TimeType || typ == wire.FileType.Elem() {
		return typ, false
	}
	c.seen[typ] = true
	return typ, true
}

// register tells the validators how to judge typ and all that it holds. They learn a type's rules when they first meet a value
// of it, which the checks of other types may give them.
func (c *ruleChecker) register(typ reflect.Type) {
	typ, first := c.enter(typ)
	if !first {
		return
	}
	if wire.IsOptional(typ) {
		c.rules.RegisterCustomTypeFunc(optionalValue, reflect.Zero(typ).Interface())
		c.given.RegisterCustomTypeFunc(optionalValue, reflect.Zero(typ).Interface())
	}
	applied, given := map[string]string{}, map[string]string{}
	for f := range typ.Fields() {
		if !f.IsExported() && !f.Anonymous {
			continue
		}
		c.register(f.Type)
		tag := f.Tag.Get("binding")
		if tag == "" || tag == "-" {
			continue
		}
		if rules := withoutNil(f, appliedRules(f, false)); rules != tag {
			applied[f.Name] = rules
		}
		if p := PresenceOf(f); p != nil && p.Optional {
			given[f.Name] = appliedRules(f, true)
		}
	}
	if len(applied) > 0 {
		c.rules.RegisterStructValidationMapRules(applied, reflect.Zero(typ).Interface())
	}
	if len(given) > 0 {
		c.given.RegisterStructValidationMapRules(given, reflect.Zero(typ).Interface())
	}
}

func (c *ruleChecker) structType(typ reflect.Type) {
	typ, first := c.enter(typ)
	if !first {
		return
	}
	defer func(outer string) { c.prefix = outer }(c.prefix)
	if len(c.seen) > 1 && typ.Name() != "" {
		c.prefix = typ.Name() + "."
	}
	for f := range typ.Fields() {
		if !f.IsExported() && !f.Anonymous {
			continue
		}
		c.structType(f.Type)
		c.elements(f)
		if tag := f.Tag.Get("binding"); tag != "" && tag != "-" {
			c.field(f, tag)
		}
		c.presence(f)
	}
	if len(c.problems) == 0 {
		if why := c.panics(func() { _ = c.rules.Struct(reflect.Zero(typ).Interface()) }); why != "" {
			c.problem("the rules of %s do not fit: %s", typ, why)
		}
	}
}

// withoutNil returns rules of f, such that those behind a condition are not applied to a missing value: the validator
// goes on behind "required_if=…" and its like when the condition does not hold, and panics at the next rule.
func withoutNil(f reflect.StructField, tag string) string {
	if kind := f.Type.Kind(); kind != reflect.Pointer && kind != reflect.Interface && !wire.IsOptional(f.Type) {
		return tag
	}
	rules := strings.Split(tag, ",")
	last := -1
	for i, rule := range rules {
		if rule == "dive" {
			break
		}
		if strings.HasPrefix(rule, "required_") || strings.HasPrefix(rule, "excluded_") || strings.HasPrefix(rule, "skip_") {
			last = i
		}
	}
	if last < 0 || last == len(rules)-1 {
		return tag
	}
	return strings.Join(slices.Insert(rules, last+1, "omitnil"), ",")
}

// elements reports a list or map whose elements have rules that nobody would apply, though the description tells of them.
func (c *ruleChecker) elements(f reflect.StructField) {
	dives := 0
	for rule := range strings.SplitSeq(f.Tag.Get("binding"), ",") {
		if rule == "dive" {
			dives++
		}
	}
	typ := wire.Ruled(f.Type)
	for wire.IsCollection(typ) {
		typ = wire.Ruled(typ.Elem())
		dives--
	}
	if dives < 0 && hasRules(typ, map[reflect.Type]bool{}) {
		c.problem(`request field %s: its elements have rules, which nobody applies; add "dive" to its binding, once for each level`, c.prefix+f.Name)
	}
}

// hasRules reports whether a field of typ, or of what it holds, has a rule.
func hasRules(typ reflect.Type, seen map[reflect.Type]bool) bool {
	typ = wire.Ruled(wire.Element(typ))
	if typ.Kind() != reflect.Struct || seen[typ] || typ == wire.TimeType || typ == wire.FileType.Elem() {
		return false
	}
	seen[typ] = true
	for f := range typ.Fields() {
		if tag := f.Tag.Get("binding"); tag != "" && tag != "-" || hasRules(f.Type, seen) {
			return true
		}
	}
	return false
}

// field checks the rules of one field, each by itself.
func (c *ruleChecker) field(f reflect.StructField, tag string) {
	typ, outer, inside := f.Type, f.Type, false
	for rule := range strings.SplitSeq(tag, ",") {
		name, parameter, _ := strings.Cut(rule, "=")
		switch {
		case strings.Contains(rule, "|"):
			c.alternatives(c.prefix+f.Name, rule, typ)
		case name == "dive" && !wire.IsCollection(wire.Ruled(typ)), name == "keys" && wire.Ruled(outer).Kind() != reflect.Map:
			c.problem("request field %s: the rule %q does not fit a %s", c.prefix+f.Name, rule, typ)
			return
		case name == "dive":
			outer, typ, inside = typ, wire.Ruled(typ).Elem(), true
		case name == "keys":
			typ = wire.Ruled(outer).Key()
		case name == "endkeys":
			typ = wire.Ruled(outer).Elem()
		case slices.Contains(ioRules, name):
			c.problem("request field %s: the rule %q looks at the disk or the network, which validation must not do", c.prefix+f.Name, name)
		case inside && c.inside(f, rule, name, typ), name == "unique" && c.uniqueBy(f, parameter, typ):
		case isStructural(name):
		default:
			c.rule(c.prefix+f.Name, rule, typ)
		}
	}
}

// alternatives checks a rule of several, of which one must hold, as a whole unless one of them needs the other fields.
func (c *ruleChecker) alternatives(field, rule string, typ reflect.Type) {
	for part := range strings.SplitSeq(rule, "|") {
		name, _, _ := strings.Cut(part, "=")
		if slices.Contains(ioRules, name) {
			c.problem("request field %s: the rule %q looks at the disk or the network, which validation must not do", field, name)
			return
		}
		if isStructural(name) {
			return
		}
	}
	c.rule(field, rule, typ)
}

// isStructural reports whether a rule needs the other fields or only steers validation, so that it cannot be
// tried by itself.
func isStructural(name string) bool {
	switch name {
	case "omitempty", "omitnil", "omitzero", "structonly", "nostructlevel", "required", "isdefault", "fieldcontains", "fieldexcludes":
		return true
	}
	return strings.HasSuffix(name, "field") || strings.HasPrefix(name, "required_") ||
		strings.HasPrefix(name, "excluded_") || name == "skip_unless"
}

func (c *ruleChecker) rule(field, rule string, typ reflect.Type) {
	typ = wire.Ruled(typ)
	sample := sampleOf(typ)
	if why := c.panics(func() { _ = c.rules.VarWithKey("value", sample.Interface(), rule) }); why != "" {
		c.problem("request field %s: the rule %q is unknown or does not fit a %s", field, rule, typ)
	}
}

// sampleOf returns a value of typ that is not zero where that is easy, since rules skip zero values.
func sampleOf(typ reflect.Type) reflect.Value {
	v := reflect.New(typ).Elem()
	switch typ.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Slice:
		v.Set(reflect.MakeSlice(typ, 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(typ))
	}
	return v
}

// panics runs fn and returns what it panicked with, or "".
func (c *ruleChecker) panics(fn func()) (why string) {
	defer func() {
		if v := recover(); v != nil {
			why = fmt.Sprint(v)
		}
	}()
	fn()
	return ""
}
