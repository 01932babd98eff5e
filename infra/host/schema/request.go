package schema

import (
	"encoding"
	stdjson "encoding/json"
	"net/http"
	"net/textproto"
	"reflect"
	"slices"
	"strings"
	"time"

	"plugboard/app"
	"plugboard/infra/host/manifest"
)

// Request describes what an endpoint takes.
type Request struct {
	// Parameters are the fields that are given as text or as files, in the order of the fields.
	Parameters []manifest.Parameter
	// Body is the schema of the JSON body; nil without one.
	Body *manifest.Schema
	// BodyRequired tells that there must be a body.
	BodyRequired bool
	// Checks tells that the request has a Validate method.
	Checks bool
}

var rawBodyType = reflect.TypeFor[app.RawBody]()

// Request describes requests of typ, a struct, as the server binds them for a method. Fields with the tag form come from
// the body when formBody is true, otherwise from the query.
func (s *Set) Request(typ reflect.Type, method string, formBody, strict bool) Request {
	use := Use{Patch: method == http.MethodPatch, Strict: strict}
	form := "query"
	if formBody {
		form = "formData"
	}
	r := Request{Checks: reflect.PointerTo(typ).Implements(reflect.TypeFor[app.Validator]())}
	var fromJSON []member
	s.fields(&r, typ, use, form, &fromJSON)
	write := func() *manifest.Schema { return s.object(fromJSON, use) }
	switch {
	case len(fromJSON) == 0:
	case typ.Name() == "":
		r.Body, r.BodyRequired = write(), true
	default:
		r.Body, r.BodyRequired = s.reference(typ, use, write), true
	}
	return r
}

// fields describes parameters and collects the members of the JSON body.
func (s *Set) fields(r *Request, typ reflect.Type, use Use, form string, fromJSON *[]member) {
	for f := range typ.Fields() {
		in, name := placeOf(f.Tag, form)
		switch {
		case f.Type == rawBodyType:
			r.BodyRequired = r.BodyRequired || slices.Contains(strings.Split(f.Tag.Get("binding"), ","), "required")
		case in == "" && f.Anonymous && f.Type.Kind() == reflect.Struct:
			s.fields(r, f.Type, use, form, fromJSON)
		case in == "":
		case in == "body":
			*fromJSON = append(*fromJSON, member{name: name, field: f, owner: typ, named: true})
		default:
			r.Parameters = append(r.Parameters, s.parameter(f, typ, in, name))
		}
	}
}

// placeOf returns where a field comes from, and its name there.
func placeOf(tag reflect.StructTag, form string) (in, name string) {
	for _, source := range [][2]string{{"uri", "path"}, {"form", form}, {"header", "header"}, {"cookie", "cookie"}, {"json", "body"}} {
		name, _, _ := strings.Cut(tag.Get(source[0]), ",")
		if name == "" || name == "-" {
			continue
		}
		if source[1] == "header" {
			name = textproto.CanonicalMIMEHeaderKey(name)
		}
		return source[1], name
	}
	return "", ""
}

// parameter describes a field that is given as text or as a file.
func (s *Set) parameter(f reflect.StructField, owner reflect.Type, in, name string) manifest.Parameter {
	schema := s.textSchema(f.Type)
	required := addRules(schema, f, owner)
	setDefault(schema, f)
	setExample(schema, f)
	schema.Comment = comment(owner, f.Name)
	return manifest.Parameter{Name: name, In: in, Required: required || in == "path", Schema: schema}
}

// textSchema describes values that are given as text.
func (s *Set) textSchema(typ reflect.Type) *manifest.Schema {
	switch {
	case typ == fileType:
		return s.Of(typ, Use{})
	case typ.Kind() == reflect.Pointer:
		return s.textSchema(typ.Elem())
	case typ == reflect.TypeFor[time.Duration]():
		return &manifest.Schema{Type: manifest.Types{"string"}, Rules: []manifest.Rule{{Rule: "type", Says: "a duration such as 1m30s"}}}
	case typ == reflect.TypeFor[time.Time](), typ == reflect.TypeFor[app.Date](), typ == reflect.TypeFor[stdjson.Number]():
		return s.Of(typ, Use{})
	case implements(typ, reflect.TypeFor[encoding.TextUnmarshaler]()):
		form, _ := ownForm(typ, Use{})
		if form == nil || !form.Is("string") {
			form = withFormRule(&manifest.Schema{Type: manifest.Types{"string"}}, Use{})
		}
		return form
	case typ.Kind() == reflect.Slice:
		return &manifest.Schema{Type: manifest.Types{"array"}, Items: s.textSchema(typ.Elem())}
	default:
		return scalarSchema(typ)
	}
}
