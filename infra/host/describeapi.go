package host

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"plugboard/app"
	"plugboard/infra/host/description"
	"plugboard/infra/httpserver"
)

// fieldsOf describes the fields of a route's request, in their order.
func fieldsOf(r httpserver.Route) []description.Field {
	if r.Request == nil {
		return nil
	}
	form := "query"
	if len(r.Accepts) > 0 && !slices.Contains(r.Accepts, "application/json") {
		form = "formData"
	}
	return requestSchemas(r.Method == http.MethodPatch).fields(r.Request, form)
}

func (c *schemas) fields(t reflect.Type, form string) []description.Field {
	var all []description.Field
	for f := range t.Fields() {
		in, name := placeOf(f.Tag, form)
		switch {
		case in == "" && f.Anonymous && f.Type.Kind() == reflect.Struct:
			all = append(all, c.fields(f.Type, form)...)
		case in != "":
			schema, required := c.field(f)
			d := description.Field{
				Name: name, In: in, Package: t.PkgPath(), Struct: t.Name(), Field: f.Name, Required: required || in == "path",
				Default: f.Tag.Get("default"), Example: f.Tag.Get("example"), Schema: schema,
			}
			schema.Nullable = schema.Nullable && in == "body"
			flattenSchema(&d, schema)
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

// flattenSchema fills in what of the schema "routes --json" says in a word each.
func flattenSchema(d *description.Field, s *description.Schema) {
	one := s
	if d.Array = s.Type == "array"; d.Array {
		one = s.Items
	}
	d.Type = one.Type
	switch {
	case one.Format == "binary":
		d.Type = "file"
		return
	case d.Type == "":
		d.Type = "object"
	case d.Type == "string":
		d.Format = s.Format
	}
	for _, value := range s.Enum {
		d.Enum = append(d.Enum, fmt.Sprint(value))
	}
	d.Minimum, d.Maximum = s.Minimum.String(), s.Maximum.String()
	d.MinLength, d.MaxLength = s.MinLength.String(), s.MaxLength.String()
	if s.ExclusiveMinimum {
		d.Minimum, d.Above = "", d.Minimum
	}
	if s.ExclusiveMaximum {
		d.Maximum, d.Below = "", d.Maximum
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
