package schema

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"plugboard/infra/host/manifest"
	"plugboard/infra/httpserver/bind/rules"
	"plugboard/infra/httpserver/bind/wire"
)

// addRules adds the binding rules of a field to its schema, and returns whether a request must have the field. A rule
// that no schema expresses is listed in [manifest.Schema.Rules].
func addRules(s *manifest.Schema, f reflect.StructField, owner reflect.Type) (required bool) {
	required = ruler{owner}.add(s, f.Tag.Get("binding"), f.Type)
	addChecks(s, f)
	return required
}

// addChecks lists the rules that a plugin checks in its own code. The tag checks names them: "claim=is of the type it
// says; damaged".
func addChecks(s *manifest.Schema, f reflect.StructField) {
	for check := range strings.SplitSeq(f.Tag.Get("checks"), ";") {
		if name, says, _ := strings.Cut(strings.TrimSpace(check), "="); name != "" {
			s.Rules = append(s.Rules, manifest.Rule{Rule: name, Says: says})
		}
	}
}

// ruler adds the rules of a field of a struct.
type ruler struct{ owner reflect.Type }

// add adds the rules for values of typ and, after "dive", for their elements.
func (r ruler) add(s *manifest.Schema, rules string, typ reflect.Type) (required bool) {
	if rules == "-" {
		return false
	}
	own, elements, dives := cutRule(rules, "dive")
	for rule := range strings.SplitSeq(own, ",") {
		if rule == "required" {
			required = true
			continue
		}
		r.rule(s, rule, typ)
	}
	if required {
		notNull(s)
		notEmpty(s, typ)
	}
	if dives {
		r.elements(s, elements, typ)
	}
	return required
}

// notEmpty adds that "required" refuses an empty text. For a type with a JSON form of its own it refuses nothing that is
// given.
func notEmpty(s *manifest.Schema, typ reflect.Type) {
	if implements(typ, jsonUnmarshalers...) || implements(typ, textUnmarshaler) {
		return
	}
	if typ.Kind() == reflect.String && s.Is("string") && (s.MinLength == "" || s.MinLength == "0") && len(s.Enum) == 0 {
		s.MinLength = "1"
	}
}

// elements adds rules about the elements of a list, or the keys and values of a map.
func (r ruler) elements(s *manifest.Schema, rules string, typ reflect.Type) {
	typ = wire.Ruled(typ)
	switch typ.Kind() {
	case reflect.Slice, reflect.Array:
		if s.Items != nil {
			r.add(s.Items, rules, typ.Elem())
		}
	case reflect.Map:
		if rest, ok := strings.CutPrefix(rules, "keys,"); ok {
			keys, values, _ := cutRule(rest, "endkeys")
			if s.PropertyNames == nil {
				s.PropertyNames = scalarSchema(typ.Key())
			}
			r.add(s.PropertyNames, keys, typ.Key())
			rules = values
		}
		if s.AdditionalProperties != nil {
			r.add(s.AdditionalProperties, rules, typ.Elem())
		}
	}
}

// cutRule cuts rules around the first rule of the given name.
func cutRule(rules, name string) (before, after string, found bool) {
	all := strings.Split(rules, ",")
	if i := slices.Index(all, name); i >= 0 {
		return strings.Join(all[:i], ","), strings.Join(all[i+1:], ","), true
	}
	return rules, "", false
}

// written replaces the codes that stand for commas and bars in tags.
var written = strings.NewReplacer("0x2C", ",", "0x7C", "|")

// rule adds one rule to the schema, or lists it when the schema cannot express it.
func (r ruler) rule(s *manifest.Schema, rule string, typ reflect.Type) {
	name, value, _ := strings.Cut(rule, "=")
	value = written.Replace(value)
	switch {
	case rule == "" || name == "omitempty" || name == "omitnil" || name == "omitzero" || name == "structonly" || name == "nostructlevel":
		return
	case strings.Contains(rule, "|"):
		if !addAlternatives(s, rule, wire.Ruled(typ)) {
			s.Rules = append(s.Rules, manifest.Rule{Rule: "any_of", Says: strings.ReplaceAll(r.said(rule), "|", " or ")})
		}
	case !addRule(s, name, value, wire.Ruled(typ)):
		s.Rules = append(s.Rules, manifest.Rule{Rule: name, Says: r.said(rule)})
		if mayNotFit(name, wire.Ruled(typ)) {
			s.Rules = append(s.Rules, manifest.Rule{Rule: "type", Says: "is a value that its rules fit"})
		}
	}
}

// mayNotFit reports whether some values of typ cannot be checked by the rule, so that the host refuses them: values of
// an interface type, and lists whose elements cannot be compared.
func mayNotFit(rule string, typ reflect.Type) bool {
	if rule == "unique" {
		typ = typ.Elem()
		return typ.Kind() == reflect.Interface || !typ.Comparable()
	}
	return typ.Kind() == reflect.Interface
}

// said returns the rule with the names that callers know instead of the names of Go fields.
func (r ruler) said(rule string) string {
	words := strings.FieldsFunc(rule, func(c rune) bool { return c == '=' || c == ' ' || c == ':' })
	for i, word := range words {
		if f, ok := r.owner.FieldByName(word); ok && i > 0 {
			if _, name := placeOf(f.Tag, "form"); name != "" {
				words[i] = name
			}
		}
	}
	return strings.Join(words, " ")
}

// addRule adds a rule to the schema of values of typ, and returns whether the schema expresses all of it.
func addRule(s *manifest.Schema, name, value string, typ reflect.Type) bool {
	switch name {
	case "oneof", "eq":
		return addEnum(s, name, value, typ)
	case "ne":
		values, ok := valuesOf(s, []string{value}, typ)
		if ok && s.Not == nil {
			s.Not = &manifest.Schema{Enum: values}
		}
		return ok && s.Not != nil && len(s.Not.Enum) == 1
	case "unique":
		s.UniqueItems = s.Is("array") && value == "" && isScalar(typ.Elem())
		return s.UniqueItems
	case "min", "gte":
		return addBound(s, typ, value, "", false)
	case "max", "lte":
		return addBound(s, typ, "", value, false)
	case "gt":
		return addBound(s, typ, value, "", true)
	case "lt":
		return addBound(s, typ, "", value, true)
	case "len":
		return addBound(s, typ, value, value, false)
	default:
		return typ.Kind() == reflect.String && s.Is("string") && addText(s, name, value)
	}
}

func isScalar(typ reflect.Type) bool {
	return typ.Kind() == reflect.String || typ.Kind() == reflect.Bool || isInteger(typ) || isFloat(typ)
}

func isInteger(typ reflect.Type) bool {
	return typ.Kind() >= reflect.Int && typ.Kind() <= reflect.Uint64
}
func isFloat(typ reflect.Type) bool {
	return typ.Kind() == reflect.Float32 || typ.Kind() == reflect.Float64
}

// addEnum adds the values of oneof or eq.
func addEnum(s *manifest.Schema, rule, value string, typ reflect.Type) bool {
	texts := []string{value}
	if rule == "oneof" {
		texts = rules.Choices(value)
	}
	switch typ.Kind() { // eq compares the length of these
	case reflect.Slice, reflect.Map, reflect.Array:
		return rule == "eq" && addBound(s, typ, value, value, false)
	}
	return addValues(s, texts, typ)
}

// addValues limits a value to several, given as texts. Null stays allowed.
func addValues(s *manifest.Schema, texts []string, typ reflect.Type) bool {
	values, ok := valuesOf(s, texts, typ)
	if !ok || len(s.Enum) > 0 {
		return false
	}
	if s.Enum = values; slices.Contains(s.Type, "null") {
		s.Enum = append(s.Enum, nil)
	}
	return true
}

// valuesOf converts texts to values of the schema's type.
func valuesOf(s *manifest.Schema, texts []string, typ reflect.Type) (values []any, ok bool) {
	if !isScalar(typ) || s.Type.Main() == "" {
		return nil, false
	}
	for _, text := range texts {
		values = append(values, valueOf(s, text))
	}
	return values, true
}

// addAlternatives adds a rule such as "eq=a|eq=b": one part must hold. It returns false when a part is about something
// else than values.
func addAlternatives(s *manifest.Schema, rule string, typ reflect.Type) bool {
	var texts []string
	for part := range strings.SplitSeq(rule, "|") {
		name, value, _ := strings.Cut(part, "=")
		value = written.Replace(value)
		switch name {
		case "eq":
			texts = append(texts, value)
		case "oneof":
			texts = append(texts, rules.Choices(value)...)
		default:
			return false
		}
	}
	return addValues(s, texts, typ)
}

// addBound adds limits of a number, or of the length of a text, a list or a map. An empty limit is none. When outside is
// true, the limits themselves are refused.
func addBound(s *manifest.Schema, typ reflect.Type, least, most string, outside bool) bool {
	if isFloat(typ) && s.Is("number") {
		low, high := &s.Minimum, &s.Maximum
		if outside {
			low, high = &s.ExclusiveMinimum, &s.ExclusiveMaximum
		}
		return set(low, least) && set(high, most)
	}
	beside := int64(0)
	if outside {
		beside = 1
	}
	least, most = whole(least, beside), whole(most, -beside)
	switch {
	case isInteger(typ) && s.Is("integer"):
		return set(&s.Minimum, least) && set(&s.Maximum, most)
	case s.Is("array"):
		return set(&s.MinItems, least) && set(&s.MaxItems, most)
	case s.Is("object") && typ.Kind() == reflect.Map:
		return set(&s.MinProperties, least) && set(&s.MaxProperties, most)
	case typ.Kind() == reflect.String && s.Is("string") && s.Format != "binary":
		return set(&s.MinLength, least) && set(&s.MaxLength, most)
	default:
		return false
	}
}

// set sets a limit, and returns false when text is no number.
func set(limit *json.Number, text string) bool {
	if text == "" {
		return true
	}
	n, ok := numeral(text)
	if ok {
		*limit = n
	}
	return ok
}
