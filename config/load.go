package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-playground/validator/v10"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
)

// Load reads the settings from environ, whose entries have the form "NAME=value" as in os.Environ, and from
// the YAML file that APP_CONFIG in environ names, if it does. It looks at nothing else, and is safe for
// concurrent use.
//
// All problems are reported at once: the error joins one error for each (errors.Join), which names the
// variable or the key in the file, its value unless that is secret, and what would be right. Together with
// an error, the Config returned has the defaults in the place of what is wrong, so that the rest of
// the application can still be checked.
func Load(environ []string) (Config, error) {
	r := read(environ)
	return r.cfg, errors.Join(r.problems...)
}

// Default returns the settings of a service nobody configured.
func Default() Config {
	cfg, err := Load(nil)
	if err != nil { // only a wrong tag on the page can do this, which the tests find
		panic(fmt.Sprintf("config: a default is wrong: %v", err))
	}
	return cfg
}

// Sources of a setting's value.
const (
	fromDefault = "default"
	fromFile    = "file"
	fromEnv     = "env"
)

// reading is what comes of one look at the environment and the file.
type reading struct {
	fields   []field
	limits   *validator.Validate
	cfg      Config
	path     string            // of the file, or ""
	source   map[string]string // key → fromDefault, fromFile or fromEnv
	problems []error
}

func read(environ []string) *reading {
	r := &reading{fields: fields(), limits: newValidator(), source: map[string]string{}}
	fromEnviron := r.readEnviron(environ)
	inFile := r.readFile()
	for _, f := range r.fields {
		r.fill(f, fromEnviron, inFile)
	}
	r.problems = append(r.problems, r.across()...)
	return r
}

// fill gives one setting its value: that of the environment, else that of the file, else the default.
func (r *reading) fill(f field, fromEnviron, inFile map[string]any) {
	given, name, source := any(f.fallback), f.env, fromDefault
	if v, ok := inFile[f.key]; ok {
		given, name, source = v, f.key+" in "+r.path, fromFile
	}
	if v, ok := fromEnviron[f.key]; ok {
		given, name, source = v, f.env, fromEnv
	}
	r.source[f.key] = source
	if err := f.set(&r.cfg, r.limits, given); err != nil {
		r.problems = append(r.problems, fmt.Errorf("%s %w", name, err))
		r.source[f.key] = fromDefault
		_ = f.set(&r.cfg, r.limits, f.fallback) // a default is right, which the tests hold
	}
}

// readEnviron returns the settings that environ gives, by key, and notes the names it does not know.
func (r *reading) readEnviron(environ []string) map[string]any {
	keys := make(map[string]string, len(r.fields))
	for _, f := range r.fields {
		keys[f.env] = f.key
	}
	var unknown []variable
	k := koanf.New("\x00") // names are resolved here, never by splitting
	err := k.Load(env.Provider("", env.Opt{
		Prefix:      prefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			if name == fileVariable {
				r.path = value
				return "", nil
			}
			key, ok := keys[name]
			if !ok {
				unknown = append(unknown, variable{name, value})
			}
			return key, value
		},
	}), nil)
	if err != nil {
		r.problems = append(r.problems, fmt.Errorf("read the environment: %w", err))
	}
	r.problems = append(r.problems, r.unknownVariables(unknown)...)
	return k.Raw()
}

// across checks the rules that hold between settings.
func (r *reading) across() []error {
	var problems []error
	for _, rule := range acrossRules() {
		if problem := rule.check(&r.cfg); problem != "" {
			problems = append(problems, fmt.Errorf("%s %s", r.named(rule.key), problem))
			f := r.field(rule.key)
			_ = f.set(&r.cfg, r.limits, f.fallback)
		}
	}
	return problems
}

// named names a setting by where its value came from.
func (r *reading) named(key string) string {
	if r.source[key] == fromFile {
		return key + " in " + r.path
	}
	return envName(key)
}

func (r *reading) field(key string) field {
	for _, f := range r.fields {
		if f.key == key {
			return f
		}
	}
	panic("config: no setting " + key)
}

// isSection reports whether key names a section of the page, such as "http".
func (r *reading) isSection(key string) bool {
	for _, f := range r.fields {
		if strings.HasPrefix(f.key, key+".") {
			return true
		}
	}
	return false
}
