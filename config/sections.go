package config

import (
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"
)

// Section is the settings of a domain's own: a struct with the tags of [Config]'s sections.
type Section struct {
	// Name is the section's name in the file, and the first part of its names in the environment: the domain's name.
	Name string
	// Type is the struct. Its fields are of type string, bool, int, int64, float64, time.Duration, []string or *url.URL. Each has
	// the tag key; a field without the tag default has its type's zero value until the setting is given. A field with
	// the rule "required" and no default must be given. When the struct, or a pointer to it, has a method Validate() error, that is
	// called once its settings are read.
	Type reflect.Type
	// Source is where the section was declared, as "file:line", for messages.
	Source string
}

// Validator is implemented by the settings of a domain that have rules between each other. The error is reported at the start,
// behind the section's name; it must not contain a secret.
type Validator interface{ Validate() error }

// Faults returns what is wrong with the sections themselves, whatever the environment: a name that is the host's, two settings
// with one name in the environment, a type twice, a field that the loader does not read, a default that its own rules refuse.
// The error joins one error for each, which names where each section was declared. What is wrong is left out of the settings.
func (c Config) Faults() error { return c.faults }

// Own returns the settings of the sections, each as a value of its section's type, in the order of the sections.
func (c Config) Own() []any { return c.own }

// With returns the settings with value, the settings of a section, in the place of those of the same type.
func (c Config) With(value any) Config {
	own := slices.Clone(c.own)
	i := slices.IndexFunc(own, func(v any) bool { return reflect.TypeOf(v) == reflect.TypeOf(value) })
	if i < 0 {
		c.own = append(own, value)
		return c
	}
	own[i], c.own = value, own
	return c
}

// WithDefaults returns the settings with the defaults of those sections that they do not have yet.
func (c Config) WithDefaults(sections ...Section) Config {
	have := map[reflect.Type]bool{}
	for _, v := range c.own {
		have[reflect.TypeOf(v)] = true
	}
	if !slices.ContainsFunc(sections, func(s Section) bool { return !have[s.Type] }) {
		return c
	}
	defaults := read(nil, sections).cfg
	c.faults = defaults.faults
	for _, v := range defaults.own {
		if !have[reflect.TypeOf(v)] {
			c = c.With(v)
		}
	}
	return c
}

// ownSettings are the settings of the domains' own, while they are read.
type ownSettings struct {
	sections []*ownSection
	fields   []field // those that can be read
	problems []error
}

type ownSection struct {
	Section
	value  reflect.Value // of the struct
	fields []field
}

func newOwnSettings(sections []Section) *ownSettings {
	own := &ownSettings{}
	for _, s := range sections {
		if s.Type == nil || s.Type.Kind() != reflect.Struct || s.Type.Name() == "" {
			own.report("domain %s (%s): app.Settings needs a struct type with a name, not %s", s.Name, s.Source, typeText(s.Type))
			continue
		}
		own.sections = append(own.sections, &ownSection{Section: s, value: reflect.New(s.Type).Elem()})
	}
	return own
}

func typeText(t reflect.Type) string {
	if t == nil {
		return "nothing"
	}
	return t.String()
}

func (own *ownSettings) report(format string, args ...any) {
	own.problems = append(own.problems, fmt.Errorf(format, args...))
}

// check finds the fields that can be read, and the problems of the others.
func (own *ownSettings) check(limits *validator.Validate) {
	reserved, taken := hostNames()
	declared := map[reflect.Type]*ownSection{}
	for _, s := range own.sections {
		if before, twice := declared[s.Type]; twice {
			own.report("%s is in app.Settings twice: of domain %s (%s) and of domain %s (%s); each domain has a type of its own",
				s.Type, before.Name, before.Source, s.Name, s.Source)
			continue
		}
		declared[s.Type] = s
		if reserved[s.Name] {
			own.report("domain %s (%s) has app.Settings, but %q is a section of the host's settings (package config); name the domain otherwise",
				s.Name, s.Source, s.Name)
			continue
		}
		own.checkSection(s, taken, limits)
	}
}

// hostNames returns the sections that no domain may have, and which setting of the host's has which name in the environment.
func hostNames() (sections map[string]bool, taken map[string]string) {
	sections, taken = map[string]bool{"config": true}, map[string]string{fileVariable: "the variable that names the file of settings"}
	var cfg Config
	for _, f := range hostFields(&cfg) {
		section, _, _ := strings.Cut(f.key, ".")
		sections[section] = true
		for _, name := range f.names() {
			taken[name] = "the host's setting " + f.key
		}
	}
	return sections, taken
}

// names returns the names in the environment by which the setting is given.
func (f field) names() []string {
	if f.secret {
		return []string{f.env, f.env + fileSuffix}
	}
	return []string{f.env}
}

var keyForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// checkSection adds the fields of s that can be read.
func (own *ownSettings) checkSection(s *ownSection, taken map[string]string, limits *validator.Validate) {
	for structField, place := range s.value.Fields() {
		f := newField(s.Name, s.Type.Name(), structField, place)
		f.owner = &s.Section
		where := fmt.Sprintf("setting %s of domain %s (%s)", f.goName, s.Name, s.Source)
		if problem := f.malformed(structField); problem != "" {
			own.report("%s %s", where, problem)
			continue
		}
		if other, name := clash(f, taken); other != "" {
			own.report("%s is %s and also %s; give one of them another key", name, other, where)
			continue
		}
		if problem := f.wrongDefault(limits); problem != "" {
			own.report("%s %s", where, problem)
			continue
		}
		for _, name := range f.names() {
			taken[name] = where
		}
		s.fields = append(s.fields, f)
		own.fields = append(own.fields, f)
	}
}

// clash returns which setting already has one of f's names in the environment, and that name.
func clash(f field, taken map[string]string) (other, name string) {
	for _, name := range f.names() {
		if other, ok := taken[name]; ok {
			return other, name
		}
	}
	return "", ""
}

// malformed says why the loader cannot read a field, or "".
func (f field) malformed(in reflect.StructField) string {
	key := in.Tag.Get("key")
	readable := []reflect.Type{
		reflect.TypeFor[string](), reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int64](), reflect.TypeFor[float64](),
		reflect.TypeFor[time.Duration](), reflect.TypeFor[[]string](), reflect.TypeFor[*url.URL](),
	}
	switch {
	case in.Anonymous:
		return "is an embedded struct; settings are fields of the struct itself"
	case !in.IsExported():
		return "is not exported, so nothing can set it; write it with a capital letter"
	case key == "":
		return "has no key; add the tag key, as in `key:\"timeout\"`"
	case !keyForm.MatchString(key):
		return fmt.Sprintf("has the key %q; a key is made of lower case letters, digits and _, and begins with a letter", key)
	case !slices.Contains(readable, f.kind):
		return fmt.Sprintf("has type %s; a setting is a string, bool, int, int64, float64, time.Duration, []string or *url.URL", f.kind)
	}
	return ""
}

// wrongDefault says why the default cannot be, or "". A field without one has its type's zero value, which its rules must
// allow unless the setting is required.
func (f field) wrongDefault(limits *validator.Validate) (problem string) {
	defer func() {
		if r := recover(); r != nil { // of validator
			problem = fmt.Sprintf("has the rules %q, which cannot be read: %v", f.rules, r)
		}
	}()
	if f.without {
		zero := f.place.Interface()
		if err := f.try(limits, zero); err && !f.required {
			return fmt.Sprintf("has no default, and its rules (%s) refuse %s; give it a default, or the rule required or omitempty", f.rules, describeZero(zero))
		}
		return ""
	}
	if err := f.set(limits, f.fallback); err != nil {
		words, _, _ := strings.Cut(f.wanted().Error(), "; the default is")
		return fmt.Sprintf("has the default %q; %s", f.fallback, words)
	}
	return ""
}

// try reports whether the rules refuse value.
func (f field) try(limits *validator.Validate, value any) bool {
	return f.rules != "" && limits.Var(value, f.rules) != nil
}

func describeZero(zero any) string {
	if s, ok := zero.(string); ok && s == "" {
		return "an empty text"
	}
	if isNothing(zero) {
		return "nothing"
	}
	return fmt.Sprint(zero)
}

// validate calls the Validate methods of the sections whose settings were read without a problem.
func (own *ownSettings) validate(r *reading) []error {
	if len(r.problems) > 0 {
		return nil // a rule between settings would be judged by defaults that nobody chose
	}
	var problems []error
	for _, s := range own.sections {
		if err := validated(s.value); err != nil {
			problems = append(problems, fmt.Errorf("settings of %s: %w", s.Name, err))
		}
	}
	return problems
}

// validated calls the method Validate, if there is one.
func validated(value reflect.Value) (err error) {
	v, ok := reflect.TypeAssert[Validator](value.Addr())
	if !ok {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("its Validate panicked: %v", r)
		}
	}()
	return v.Validate()
}

// values returns the settings of the sections, each type once.
func (own *ownSettings) values() []any {
	var all []any
	seen := map[reflect.Type]bool{}
	for _, s := range own.sections {
		if !seen[s.Type] {
			seen[s.Type] = true
			all = append(all, s.value.Interface())
		}
	}
	return all
}
