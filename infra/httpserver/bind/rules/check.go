package rules

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"plugboard/infra/httpserver/bind/wire"
)

// ioRules are rules of the validator that look at the network or the disk, which validation must not do.
var ioRules = []string{
	"file", "filepath", "dir", "dirpath", "image", "uds_exists", "unix_addr",
	"tcp_addr", "tcp4_addr", "tcp6_addr", "udp_addr", "udp4_addr", "udp6_addr", "ip_addr", "ip4_addr", "ip6_addr",
}

// checker checks the rules of one request type at start.
type checker struct {
	validators

	prefix   string // of the fields of the struct that is being checked, "" for those of the request
	seen     map[reflect.Type]bool
	problems []string
}

func (c *checker) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// enter returns the struct that typ is or holds, and reports whether its fields are still to be checked.
func (c *checker) enter(typ reflect.Type) (structType reflect.Type, first bool) {
	typ = wire.Element(typ)
	if typ.Kind() != reflect.Struct || c.seen[typ] || typ == wire.TimeType || typ == wire.FileType.Elem() {
		return typ, false
	}
	c.seen[typ] = true
	return typ, true
}

// register tells the validators the rules of typ and of all that it holds. It comes before the checks: a validator learns the rules
// of a type when it first meets a value of it, and a check of another type may give it one.
func (c *checker) register(typ reflect.Type) {
	typ, first := c.enter(typ)
	if !first {
		return
	}
	if wire.IsOptional(typ) {
		c.all.RegisterCustomTypeFunc(optionalValue, reflect.Zero(typ).Interface())
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
		if rules := withOmitNil(f, appliedRules(f, false)); rules != tag {
			applied[f.Name] = rules
		}
		if p := PresenceOf(f); p != nil && p.Optional {
			given[f.Name] = appliedRules(f, true)
		}
	}
	if len(applied) > 0 {
		c.all.RegisterStructValidationMapRules(applied, reflect.Zero(typ).Interface())
	}
	if len(given) > 0 {
		c.given.RegisterStructValidationMapRules(given, reflect.Zero(typ).Interface())
	}
}

// structType checks the rules of the fields of the struct that typ is or holds.
func (c *checker) structType(typ reflect.Type) {
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
		if why := panicOf(func() { _ = c.all.Struct(reflect.Zero(typ).Interface()) }); why != nil {
			c.problem("the rules of %s do not fit: %v", typ, why)
		}
	}
}

// withOmitNil adds "omitnil" to the rules of a field that can be nil, behind its last rule with a condition, such as "required_if=…". When
// the condition does not hold and the value is missing, the validator would otherwise go on to the next rule, and panic.
func withOmitNil(f reflect.StructField, tag string) string {
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

// elements reports a list or map whose elements have rules that nobody would apply, although the documents show them.
func (c *checker) elements(f reflect.StructField) {
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

// field checks the rules of one field one by one.
func (c *checker) field(f reflect.StructField, tag string) {
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
		case cannotTryAlone(name):
		default:
			c.rule(c.prefix+f.Name, rule, typ)
		}
	}
}

// alternatives checks a rule such as "eq=a|eq=b" as a whole, unless a part of it needs the other fields.
func (c *checker) alternatives(field, rule string, typ reflect.Type) {
	for part := range strings.SplitSeq(rule, "|") {
		name, _, _ := strings.Cut(part, "=")
		if slices.Contains(ioRules, name) {
			c.problem("request field %s: the rule %q looks at the disk or the network, which validation must not do", field, name)
			return
		}
		if cannotTryAlone(name) {
			return
		}
	}
	c.rule(field, rule, typ)
}

// cannotTryAlone reports whether the checker cannot try a rule on a sample value: the rule needs the other fields of the request, or only
// says how other rules are applied.
func cannotTryAlone(name string) bool {
	switch name {
	case "omitempty", "omitnil", "omitzero", "structonly", "nostructlevel", "required", "isdefault", "fieldcontains", "fieldexcludes":
		return true
	}
	return strings.HasSuffix(name, "field") || strings.HasPrefix(name, "required_") ||
		strings.HasPrefix(name, "excluded_") || name == "skip_unless"
}

// rule tries a rule on a sample value of typ.
func (c *checker) rule(field, rule string, typ reflect.Type) {
	typ = wire.Ruled(typ)
	sample := sampleOf(typ)
	if panicOf(func() { _ = c.all.VarWithKey("value", sample.Interface(), rule) }) != nil {
		c.problem("request field %s: the rule %q is unknown or does not fit a %s", field, rule, typ)
	}
}

// sampleOf returns a value of typ. It is not zero where that is easy, since rules skip zero values.
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

// panicOf runs fn and returns what it panicked with, or nil.
func panicOf(fn func()) (value any) {
	defer func() { value = recover() }()
	fn()
	return nil
}
