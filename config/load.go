package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-playground/validator/v10"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
)

// Load reads the settings from environ, whose entries have the form "NAME=value" as in os.Environ, from the YAML file that
// APP_CONFIG in environ names, if it does, and from the files that variables such as APP_DATABASE_URL_FILE name, each of
// which holds one secret. It looks at nothing else, and is safe for concurrent use. The settings are those of the host
// and of sections; what is wrong with a section itself is told by [Config.Faults].
//
// All problems are reported at once: the error joins one error for each (errors.Join), which names the
// variable or the key in the file, its value unless that is secret, and what would be right. Together with
// an error, the Config returned has the defaults in the place of what is wrong, so that the rest of
// the application can still be checked.
func Load(environ []string, sections ...Section) (Config, error) {
	r := read(environ, sections)
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
	fromSecret  = "secret file"
)

// reading is what comes of one look at the environment and the file.
type reading struct {
	fields   []field
	limits   *validator.Validate
	cfg      Config
	path     string            // of the file, or ""
	secrets  map[string]string // key → path of the file with the secret
	source   map[string]string // key → fromDefault, …
	problems []error
}

func read(environ []string, sections []Section) *reading {
	r := &reading{limits: newValidator(), source: map[string]string{}, secrets: map[string]string{}}
	own := newOwnSettings(sections)
	own.check(r.limits)
	r.fields = append(hostFields(&r.cfg), own.fields...)
	fromEnviron := r.readEnviron(environ)
	inFile := r.readFile()
	r.readSecrets(fromEnviron)
	for _, f := range r.fields {
		r.fill(f, fromEnviron, inFile)
	}
	r.problems = append(r.problems, r.across()...)
	r.problems = append(r.problems, own.validate(r)...)
	r.cfg.own, r.cfg.faults = own.values(), errors.Join(own.problems...)
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
		if _, ok := r.secrets[f.key]; ok {
			name, source = f.env+fileSuffix, fromSecret
		}
	}
	r.source[f.key] = source
	if source == fromDefault && f.without {
		if f.required && !r.unread(f.key) {
			r.problems = append(r.problems, &MissingError{f.env, f.wanted().Error()})
		}
		return
	}
	if source == fromDefault && f.owner != nil {
		return // the check of the section has set it
	}
	if err := f.set(r.limits, given); err != nil {
		r.problems = append(r.problems, fmt.Errorf("%s %w", name, err))
		r.source[f.key] = fromDefault
		if !f.without {
			_ = f.set(r.limits, f.fallback) // a default is right, which the check of the section and the tests hold
		}
	}
}

// unread reports whether the environment names a file for a secret that has no value: the file could not be read, which was told.
func (r *reading) unread(key string) bool {
	_, named := r.secrets[key]
	return named
}

// MissingError is the problem of a setting that must be given and was not. Commands that only describe the service do without
// its value.
type MissingError struct{ Env, wanted string }

// Error names the setting in the environment and says which values are right.
func (e *MissingError) Error() string { return e.Env + " is not given; " + e.wanted }

// WithoutMissing returns err without the settings that must be given and were not.
func WithoutMissing(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	var rest []error
	for _, e := range joined.Unwrap() {
		if _, missing := errors.AsType[*MissingError](e); !missing {
			rest = append(rest, e)
		}
	}
	return errors.Join(rest...)
}

// readEnviron returns the settings that environ gives, by key, and notes the names it does not know.
func (r *reading) readEnviron(environ []string) map[string]any {
	keys, secrets := make(map[string]string, len(r.fields)), map[string]string{}
	for _, f := range r.fields {
		keys[f.env] = f.key
		if f.secret {
			secrets[f.env+fileSuffix] = f.key
		}
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
			if key, ok := secrets[name]; ok {
				r.secrets[key] = value
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
			_ = f.set(r.limits, f.fallback)
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
