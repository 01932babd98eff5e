package host

import (
	"encoding"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

// fieldJSON is a field of a request as "routes --json" prints it.
type fieldJSON struct {
	// Name is the name callers use; In is "path", "query", "header", "formData" or "body".
	Name string `json:"name"`
	In   string `json:"in"`
	// Package, Struct and Field say where the field is declared.
	Package string `json:"package"`
	Struct  string `json:"struct"`
	Field   string `json:"field"`
	// Type is "string", "integer", "number", "boolean", "file" or "object"; Array tells that there may be several.
	Type     string `json:"type"`
	Array    bool   `json:"array,omitzero"`
	Format   string `json:"format,omitzero"`
	Required bool   `json:"required,omitzero"`

	Default string   `json:"default,omitzero"`
	Example string   `json:"example,omitzero"`
	Enum    []string `json:"enum,omitempty"`
	// Minimum and Maximum are inclusive unless Above and Below say otherwise.
	Minimum   string `json:"minimum,omitzero"`
	Maximum   string `json:"maximum,omitzero"`
	Above     string `json:"above,omitzero"`
	Below     string `json:"below,omitzero"`
	MinLength string `json:"min_length,omitzero"`
	MaxLength string `json:"max_length,omitzero"`
}

// fieldsOf describes the fields of a route's request, in their order.
func fieldsOf(r httpserver.Route) []fieldJSON {
	if r.Request == nil {
		return nil
	}
	form := "query"
	if len(r.Accepts) > 0 && !slices.Contains(r.Accepts, "application/json") {
		form = "formData"
	}
	return structFields(r.Request, form)
}

func structFields(t reflect.Type, form string) []fieldJSON {
	var all []fieldJSON
	for f := range t.Fields() {
		in, name := placeOf(f.Tag, form)
		switch {
		case in == "" && f.Anonymous && f.Type.Kind() == reflect.Struct:
			all = append(all, structFields(f.Type, form)...)
		case in != "":
			d := fieldJSON{
				Name: name, In: in, Package: t.PkgPath(), Struct: t.Name(), Field: f.Name, Required: in == "path",
				Default: f.Tag.Get("default"), Example: f.Tag.Get("example"),
			}
			d.describe(f.Type)
			d.limit(f.Tag.Get("binding"))
			all = append(all, d)
		}
	}
	return all
}

// placeOf returns where a field comes from, and its name there.
func placeOf(tag reflect.StructTag, form string) (in, name string) {
	for _, source := range [][2]string{{"uri", "path"}, {"form", form}, {"header", "header"}, {"json", "body"}} {
		name, _, _ := strings.Cut(tag.Get(source[0]), ",")
		if name != "" && name != "-" {
			return source[1], name
		}
	}
	return "", ""
}

// describe fills in what the field's Go type means to callers.
func (d *fieldJSON) describe(t reflect.Type) {
	for t.Kind() == reflect.Pointer && t != reflect.TypeFor[*app.File]() {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[*app.File]():
		d.Type = "file"
	case t == reflect.TypeFor[time.Time]():
		d.Type, d.Format = "string", "date-time"
	case t == reflect.TypeFor[time.Duration](), reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		d.Type = "string"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		d.Type, d.Format = "string", "byte"
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Array:
		d.describe(t.Elem())
		d.Array = true
	case t.Kind() == reflect.String:
		d.Type = "string"
	case t.Kind() == reflect.Bool:
		d.Type = "boolean"
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		d.Type = "number"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		d.Type = "integer"
	default:
		d.Type = "object"
	}
}

// limit fills in what the field's rules say, those of a list's elements left out.
func (d *fieldJSON) limit(binding string) {
	rules, _, _ := strings.Cut(binding, "dive")
	for rule := range strings.SplitSeq(rules, ",") {
		name, value, _ := strings.Cut(rule, "=")
		switch name {
		case "required":
			d.Required = true
		case "oneof":
			d.Enum = strings.Fields(value)
		case "email", "uuid", "url", "ipv4", "ipv6", "hostname":
			d.Format = name
		default:
			d.bound(name, value)
		}
	}
}

func (d *fieldJSON) bound(rule, value string) {
	switch {
	case d.Array || d.Type == "file":
		return
	case d.Type == "string":
		d.length(rule, value)
		return
	}
	switch rule {
	case "min", "gte":
		d.Minimum = value
	case "max", "lte":
		d.Maximum = value
	case "gt":
		d.Above = value
	case "lt":
		d.Below = value
	}
	if d.Type != "integer" {
		return
	}
	if n, err := strconv.ParseInt(value, 10, 64); err == nil && rule == "gt" {
		d.Minimum = strconv.FormatInt(n+1, 10)
	} else if err == nil && rule == "lt" {
		d.Maximum = strconv.FormatInt(n-1, 10)
	}
}

func (d *fieldJSON) length(rule, value string) {
	switch rule {
	case "min", "gte":
		d.MinLength = value
	case "max", "lte":
		d.MaxLength = value
	case "len":
		d.MinLength, d.MaxLength = value, value
	}
}

// failuresOf returns the statuses of all failures that a route can answer with: those the plugin declared and those
// the host adds. That of a body sent to an endpoint which takes none is left out: no caller who reads the description
// sends one.
func failuresOf(r httpserver.Route) []int {
	all := []int{http.StatusBadRequest, http.StatusInternalServerError, http.StatusServiceUnavailable}
	add := func(when bool, statuses ...int) {
		if when {
			all = append(all, statuses...)
		}
	}
	for _, code := range r.Fails {
		all = append(all, code.Status())
	}
	add(len(r.Options.Guards) > 0, http.StatusUnauthorized, http.StatusForbidden)
	add(len(r.Accepts) > 0, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	add(r.Request != nil && (r.Request.NumField() > 0 || reflect.PointerTo(r.Request).Implements(reflect.TypeFor[app.Validator]())),
		http.StatusUnprocessableEntity)
	add(r.Binary, http.StatusRequestedRangeNotSatisfiable)
	add(r.Timeout > 0, http.StatusGatewayTimeout)
	add(r.Kind == "io" && r.Method != http.MethodGet && r.Method != http.MethodHead, http.StatusInsufficientStorage)
	slices.Sort(all)
	return slices.Compact(all)
}
