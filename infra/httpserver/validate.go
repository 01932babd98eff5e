package httpserver

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-playground/validator/v10"

	"plugboard/app"
)

// embedMark stands for an embedded struct in a validator's namespace. Embedding is nobody's business outside.
const embedMark = "\x00"

// ioRules are rules of the validator that look at the network or the disk, which validation must not do.
var ioRules = []string{
	"file", "filepath", "dir", "dirpath", "image", "uds_exists", "unix_addr",
	"tcp_addr", "tcp4_addr", "tcp6_addr", "udp_addr", "udp4_addr", "udp6_addr", "ip_addr", "ip4_addr", "ip6_addr",
}

// newValidator returns a validator that knows fields by the names callers know.
func newValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.SetTagName("binding")
	v.RegisterTagNameFunc(wireName)
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
	return strings.TrimSpace(f.Field().String()) != ""
}

// wireName returns the name a caller knows f by.
func wireName(f reflect.StructField) string {
	sources, name, _ := sourcesOf(f)
	if len(sources) == 0 && f.Anonymous {
		return embedMark
	}
	return name
}

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

// validate applies the rules of request's fields, then its own Validate method once they all hold.
func (s *Server) validate(p *requestPlan, request any, bad *violations) error {
	if p.rules {
		if err := s.validateRules(request, bad); err != nil {
			return err
		}
	}
	if err := bad.err(); err != nil || !p.custom {
		return err
	}
	custom, ok := request.(app.Validator)
	if !ok {
		return nil
	}
	err := custom.Validate()
	if broken, ok := err.(app.Violations); ok && len(broken) == 0 { //nolint:errorlint // a wrapped one is no bare list
		return nil
	}
	return err
}

func (s *Server) validateRules(request any, bad *violations) error {
	known := violations{list: slices.Clone(bad.list)}
	err, broken := s.judge(request, nil)
	if broken {
		return s.judgeEach(request, known, bad)
	}
	return noteViolations(request, err, known, bad)
}

// judge applies the rules to the fields that skip leaves, all of them without it. Some rules panic on values that they do not
// know how to compare, which fields of the type any may have: broken tells of that.
func (s *Server) judge(request any, skip validator.FilterFunc) (err error, broken bool) { //nolint:revive // the error is the caller's, not ours
	defer func() {
		if recover() != nil {
			broken = true
		}
	}()
	if skip == nil {
		return s.rules.Struct(request), false
	}
	return s.rules.StructFiltered(request, skip), false
}

// judgeEach applies the rules of each of the request's own fields by themselves, after a rule has panicked. The field whose
// rules do is refused.
func (s *Server) judgeEach(request any, known violations, bad *violations) error {
	var fields []string
	_, _ = s.judge(request, func(ns []byte) bool {
		fields = append(fields, string(ns))
		return true
	})
	for _, field := range fields {
		err, broken := s.judge(request, func(ns []byte) bool { return string(ns) != field && !within(string(ns), field) })
		if broken {
			bad.add(clip(s.wireField(request, field)), "type", "has a value that its rules do not fit")
			continue
		}
		if err := noteViolations(request, err, known, bad); err != nil {
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
func (s *Server) wireField(request any, namespace string) string {
	typ := reflect.TypeOf(request).Elem()
	name := namespace[strings.LastIndexByte(namespace, '.')+1:]
	if f, ok := typ.FieldByName(name); ok {
		return wireName(f)
	}
	return name
}

// noteViolations adds what the validator found to bad, but for fields that are known to be wrong.
func noteViolations(request any, err error, known violations, bad *violations) error {
	if err == nil {
		return nil
	}
	var found validator.ValidationErrors
	if !errors.As(err, &found) {
		return fmt.Errorf("validate request: %w", err)
	}
	for _, f := range found {
		if bad.full() {
			break // the validator finds as many as the body has room for
		}
		field := fieldName(reflect.TypeOf(request).Elem(), f.Namespace())
		if notGiven(f) || known.covers(field) {
			continue
		}
		bad.add(clip(field), ruleName(f), ruleMessage(f, otherField(reflect.TypeOf(request).Elem(), f)))
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
		if other, ok := structOf(typ).FieldByName(name); ok && wireName(other) != "" && wireName(other) != embedMark {
			return wireName(other)
		}
		return "another field"
	}
}

// structOf returns the struct that typ is, points to or lists; a struct without fields when there is none.
func structOf(typ reflect.Type) reflect.Type {
	if typ = under(element(under(typ))); typ.Kind() == reflect.Struct {
		return typ
	}
	return reflect.TypeFor[struct{}]()
}

// notGiven reports whether f complains about a value that was not given and need not be: a pointer or an
// app.Optional without a value breaks no rule but the required ones.
func notGiven(f validator.FieldError) bool {
	return (f.Kind() == reflect.Pointer || f.Kind() == reflect.Invalid) && !strings.HasPrefix(f.Tag(), "required")
}

// fieldNames turns the brackets of indices into dots, and leaves alone those that end a name, as in the form field "ids[]".
var fieldNames = strings.NewReplacer(embedMark+".", "", "[]", "[]", "[", ".", "]", "")

// fieldName turns a validator's namespace, "Request.items[0].price", into the caller's name, "items.0.price". It begins
// with the name of the request's type, which may itself have dots and brackets, or be none.
func fieldName(request reflect.Type, namespace string) string {
	if name := request.Name(); name != "" {
		namespace = strings.TrimPrefix(namespace, name+".")
	}
	return fieldNames.Replace(namespace)
}

// checkRules applies every rule of typ's fields to a sample value, so that an unknown rule, a rule that does not
// fit its field or a bad parameter shows at start and not in the first request.
func (s *Server) checkRules(typ reflect.Type) []string {
	c := ruleChecker{rules: s.rules, seen: map[reflect.Type]bool{}}
	c.structType(typ)
	return c.problems
}

type ruleChecker struct {
	rules    *validator.Validate
	seen     map[reflect.Type]bool
	problems []string
}

func (c *ruleChecker) structType(typ reflect.Type) {
	typ = element(typ)
	if typ.Kind() != reflect.Struct || c.seen[typ] || typ == timeType || typ == fileType.Elem() {
		return
	}
	c.seen[typ] = true
	if IsOptional(typ) {
		c.rules.RegisterCustomTypeFunc(optionalValue, reflect.Zero(typ).Interface())
	}
	guarded := map[string]string{}
	for f := range typ.Fields() {
		if !f.IsExported() && !f.Anonymous {
			continue
		}
		c.structType(f.Type)
		c.elements(f)
		if tag := withoutNil(f); tag != f.Tag.Get("binding") {
			guarded[f.Name] = tag
		}
		if tag := f.Tag.Get("binding"); tag != "" && tag != "-" {
			c.field(f, tag)
		}
	}
	if len(guarded) > 0 {
		c.rules.RegisterStructValidationMapRules(guarded, reflect.Zero(typ).Interface())
	}
	if len(c.problems) == 0 {
		if why := c.panics(func() { _ = c.rules.Struct(reflect.Zero(typ).Interface()) }); why != "" {
			c.problems = append(c.problems, fmt.Sprintf("the rules of %s do not fit: %s", typ, why))
		}
	}
}

// withoutNil returns the rules of f, such that those behind a condition are not applied to a missing value: the validator
// goes on behind "required_if=…" and its like when the condition does not hold, and panics at the next rule.
func withoutNil(f reflect.StructField) string {
	tag := f.Tag.Get("binding")
	if kind := f.Type.Kind(); kind != reflect.Pointer && kind != reflect.Interface && !IsOptional(f.Type) {
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
	typ := under(f.Type)
	for isCollection(typ) {
		typ = under(typ.Elem())
		dives--
	}
	if dives < 0 && hasRules(typ, map[reflect.Type]bool{}) {
		c.problems = append(c.problems, fmt.Sprintf(`request field %s: its elements have rules, which nobody applies; add "dive" to its binding, once for each level`, f.Name))
	}
}

// hasRules reports whether a field of typ, or of what it holds, has a rule.
func hasRules(typ reflect.Type, seen map[reflect.Type]bool) bool {
	typ = under(element(typ))
	if typ.Kind() != reflect.Struct || seen[typ] || typ == timeType || typ == fileType.Elem() {
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

// element returns what typ holds in the end, through pointers, lists and maps.
func element(typ reflect.Type) reflect.Type {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map || typ.Kind() == reflect.Array {
		typ = typ.Elem()
	}
	return typ
}

// field checks the rules of one field, each by itself.
func (c *ruleChecker) field(f reflect.StructField, tag string) {
	typ := f.Type
	outer := typ
	for rule := range strings.SplitSeq(tag, ",") {
		name, _, _ := strings.Cut(rule, "=")
		switch {
		case strings.Contains(rule, "|"):
			c.alternatives(f.Name, rule, typ)
		case name == "dive" && !isCollection(under(typ)), name == "keys" && under(outer).Kind() != reflect.Map:
			c.problems = append(c.problems, fmt.Sprintf("request field %s: the rule %q does not fit a %s", f.Name, rule, typ))
			return
		case name == "dive":
			outer, typ = typ, under(typ).Elem()
		case name == "keys":
			typ = under(outer).Key()
		case name == "endkeys":
			typ = under(outer).Elem()
		case slices.Contains(ioRules, name):
			c.problems = append(c.problems, fmt.Sprintf("request field %s: the rule %q looks at the disk or the network, which validation must not do", f.Name, name))
		case isStructural(name):
		default:
			c.rule(f.Name, rule, typ)
		}
	}
}

// alternatives checks a rule of several, of which one must hold, as a whole unless one of them needs the other fields.
func (c *ruleChecker) alternatives(field, rule string, typ reflect.Type) {
	for part := range strings.SplitSeq(rule, "|") {
		name, _, _ := strings.Cut(part, "=")
		if slices.Contains(ioRules, name) {
			c.problems = append(c.problems, fmt.Sprintf("request field %s: the rule %q looks at the disk or the network, which validation must not do", field, name))
			return
		}
		if isStructural(name) {
			return
		}
	}
	c.rule(field, rule, typ)
}

func isCollection(typ reflect.Type) bool {
	return typ.Kind() == reflect.Slice || typ.Kind() == reflect.Array || typ.Kind() == reflect.Map
}

// under returns what the rules of a field of typ are about: typ without pointers and app.Optional.
func under(typ reflect.Type) reflect.Type {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if !IsOptional(typ) {
		return typ
	}
	value, _ := typ.FieldByName("Value")
	return under(value.Type)
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
	typ = under(typ)
	sample := sampleOf(typ)
	if why := c.panics(func() { _ = c.rules.Var(sample.Interface(), rule) }); why != "" {
		c.problems = append(c.problems, fmt.Sprintf("request field %s: the rule %q is unknown or does not fit a %s", field, rule, typ))
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
