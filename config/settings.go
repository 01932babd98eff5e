package config

import (
	"reflect"
	"strings"
	"time"
)

// prefix begins every environment name of this service.
const prefix = "APP_"

// fileVariable is the variable with the name of the optional file of settings. It is no setting.
const fileVariable = prefix + "CONFIG"

// field is one setting as the struct tags describe it.
type field struct {
	key      string // "http.addr"
	env      string // "APP_HTTP_ADDR"
	fallback string // the default, as text
	rules    string // validator's terms
	secret   bool
	kind     reflect.Type
	index    []int // where it is within Config
}

// fields lists every setting in the order of the page.
func fields() []field {
	var all []field
	page := reflect.TypeFor[Config]()
	for i := range page.NumField() {
		section := page.Field(i)
		for j := range section.Type.NumField() {
			all = append(all, newField(section.Tag.Get("key"), section.Type.Field(j), []int{i, j}))
		}
	}
	return all
}

func newField(section string, f reflect.StructField, index []int) field {
	key := section + "." + f.Tag.Get("key")
	return field{
		key:      key,
		env:      envName(key),
		fallback: strings.ReplaceAll(f.Tag.Get("default"), "{service}", ServiceName()),
		rules:    f.Tag.Get("binding"),
		secret:   f.Tag.Get("secret") == "true",
		kind:     f.Type,
		index:    index,
	}
}

// envName returns the environment name of a key: APP_ and the key in capitals. The section app is left out,
// since the prefix says it already.
func envName(key string) string {
	key = strings.TrimPrefix(key, "app.")
	return prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// in returns the setting's place within cfg.
func (f field) in(cfg *Config) reflect.Value {
	return reflect.ValueOf(cfg).Elem().FieldByIndex(f.index)
}

// text renders the setting's value in cfg the way it is written in the environment.
func (f field) text(cfg *Config) string {
	switch v := f.in(cfg).Interface().(type) {
	case time.Duration:
		return shortDuration(v)
	case []string:
		return strings.Join(v, ",")
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
