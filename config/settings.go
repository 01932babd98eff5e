package config

import (
	"net/url"
	"reflect"
	"strings"
	"time"
)

// prefix begins every environment name of this service.
const prefix = "APP_"

// fileVariable is the variable with the name of the optional file of settings. It is no setting.
const fileVariable = prefix + "CONFIG"

// fileSuffix ends the name of the variable with the path of a file that holds a secret: APP_DATABASE_URL_FILE.
const fileSuffix = "_FILE"

// field is one setting as the struct tags describe it.
type field struct {
	key      string // "http.addr"
	env      string // "APP_HTTP_ADDR"
	fallback string // the default, as text
	without  bool   // there is no default: the setting has its type's zero value until it is given
	required bool   // it must be given, or have a default, and must not be empty
	rules    string // validator's terms
	secret   bool
	kind     reflect.Type
	place    reflect.Value // where the value goes
	owner    *Section      // nil for a setting of the host's
	goName   string        // "MailSettings.Host"
}

// hostFields lists every setting of the host's in the order of the page. Their values go into cfg.
func hostFields(cfg *Config) []field {
	var all []field
	page := reflect.ValueOf(cfg).Elem()
	for section, place := range page.Fields() {
		if !section.IsExported() {
			continue
		}
		for f, at := range place.Fields() {
			all = append(all, newField(section.Tag.Get("key"), section.Type.Name(), f, at))
		}
	}
	return all
}

func newField(section, structName string, f reflect.StructField, place reflect.Value) field {
	key := section + "." + f.Tag.Get("key")
	fallback, ok := f.Tag.Lookup("default")
	rules, required := withoutRequired(f.Tag.Get("binding"))
	return field{
		key:      key,
		env:      envName(key),
		fallback: strings.ReplaceAll(fallback, "{service}", ServiceName()),
		without:  !ok,
		required: required,
		rules:    rules,
		secret:   f.Tag.Get("secret") == "true",
		kind:     f.Type,
		place:    place,
		goName:   structName + "." + f.Name,
	}
}

// withoutRequired takes the rule "required" out of rules. The loader knows itself what was given, while validator would take a
// given 0 or false for missing.
func withoutRequired(rules string) (rest string, required bool) {
	var kept []string
	for rule := range strings.SplitSeq(rules, ",") {
		switch rule {
		case "required":
			required = true
		case "":
		default:
			kept = append(kept, rule)
		}
	}
	return strings.Join(kept, ","), required
}

// envName returns the environment name of a key: APP_ and the key in capitals. The section app is left out,
// since the prefix says it already.
func envName(key string) string {
	key = strings.TrimPrefix(key, "app.")
	return prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// text renders the setting's value the way it is written in the environment.
func (f field) text() string {
	switch v := f.place.Interface().(type) {
	case time.Duration:
		return shortDuration(v)
	case []string:
		return strings.Join(v, ",")
	case *url.URL:
		if v == nil {
			return ""
		}
		return v.String()
	default:
		return plain(v)
	}
}

// shortDuration renders d without the zero parts that time.Duration adds: 10m, not 10m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
