package bind

import (
	"context"
	"fmt"
	"net/http"
	"net/textproto"
	"reflect"
	"slices"

	"plugboard/app"
	"plugboard/infra/httpserver/bind/rules"
	"plugboard/infra/httpserver/bind/wire"
)

// The types that only the host gives, or that take the whole body.
var (
	rawBodyType = reflect.TypeFor[app.RawBody]()
	contextType = reflect.TypeFor[context.Context]()
	jobType     = reflect.TypeFor[app.Job]()
)

// param is a request field that is filled from text: from the path, the query, a form or a header.
type param struct {
	name     string
	index    []int
	parse    wire.Parser
	slice    bool
	presence *rules.Presence // nil when no rule asks whether it is given
}

// fileParam is a request field that is filled from an uploaded file.
type fileParam struct {
	name  string
	index []int
	slice bool
}

// defaultParam is a request field with a default.
type defaultParam struct {
	index []int
	wire.Default
}

// Binder fills the request structs of one endpoint. It is immutable once compiled.
type Binder struct {
	typ      reflect.Type
	patch    bool
	strict   bool
	formBody bool // form fields come from the body when there is one
	uri      []param
	form     []param
	header   []param
	cookies  []param
	files    []fileParam
	defaults []defaultParam
	json     *jsonBinder // nil without JSON fields
	raw      []int       // the index of the field that gets the body as it was sent; nil without one
	rules    *rules.Set  // nil where no field has a rule
	custom   bool        // the request implements app.Validator
}

// compilation is the compilation of one request type. It collects what is wrong with the type.
type compilation struct {
	binder   *Binder
	method   string
	problems []string
	uriSeen  []string // the path parameters for which there are fields
	fields   []jsonField
	shadow   reflect.Type // see structFields
	rules    bool         // some field has rules
}

func (c *compilation) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// Compiler compiles request types into binders. The zero value is ready. It is for one goroutine.
type Compiler struct{ rules rules.Compiler }

// Compile returns the binder for requests of typ to a path with the given parameters, or everything that is wrong with the type. With
// strict, the binder refuses members and parameters that no field is filled from.
func (c *Compiler) Compile(method string, pathParams []string, typ reflect.Type, strict bool) (*Binder, []string) {
	p := compilation{method: method, binder: &Binder{typ: typ, patch: method == http.MethodPatch, strict: strict}}
	p.compile(pathParams, typ)
	if len(p.problems) == 0 && p.rules {
		p.binder.rules, p.problems = c.rules.Compile(typ)
		if p.binder.json != nil {
			p.binder.json.rules = p.binder.rules
		}
	}
	return p.binder, p.problems
}

// compile makes the binder but for its rules.
func (c *compilation) compile(pathParams []string, typ reflect.Type) {
	if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[app.File]() {
		c.problem("the request must be a struct, not %s", typ)
		return
	}
	if why := forbidden(typ, map[reflect.Type]bool{}); why != "" {
		c.problem("the request %s", why)
		return
	}
	if wire.HasUnmarshaler(typ) {
		c.problem("the request %s must not decode itself (it has an Unmarshal method); put the method on a field's type", typ)
	}
	var jsonFields bool
	c.shadow, jsonFields = c.structFields(typ, nil, "")
	c.checkPath(pathParams)
	if jsonFields {
		c.compileJSON()
	}
	c.binder.formBody = c.binder.json == nil && len(c.binder.form)+len(c.binder.files) > 0 &&
		(c.method == http.MethodPost || c.method == http.MethodPut || c.method == http.MethodPatch)
	if len(c.binder.files) > 0 && !c.binder.formBody {
		c.problem("the request takes a file, which needs POST, PUT or PATCH and no JSON fields")
	}
	c.binder.custom = reflect.PointerTo(typ).Implements(reflect.TypeFor[app.Validator]())
}

// structFields compiles the fields of typ, the request or a struct that is embedded in it at index. It returns the shadow of typ, the
// type that the JSON library is given instead: it has the same memory layout, so that a pointer to a request can be taken for a pointer
// to it, but hides the fields that do not come from the body. For
//
//	type request struct {
//		ID    int `uri:"id"`
//		Paging    // embedded, with fields tagged form alone
//		Name  string `json:"name"`
//	}
//
// the shadow is
//
//	struct {
//		F0 int    `json:"-"`
//		F1 Paging `json:"-"`
//		F2 string `json:"name"`
//	}
//
// When nothing needs to be hidden, typ is its own shadow. The second result reports whether a field comes from the body.
func (c *compilation) structFields(typ reflect.Type, index []int, prefix string) (shadow reflect.Type, jsonFields bool) {
	hidden := make([]reflect.StructField, 0, typ.NumField())
	changed := false
	for i := range typ.NumField() {
		f := typ.Field(i)
		at := append(slices.Clone(index), i)
		as := reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: f.Type, Tag: `json:"-"`}
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct && !hasSourceTag(f):
			if f.Tag.Get("binding") != "" {
				c.rules = true
			}
			inner, has := c.structFields(f.Type, at, prefix+f.Name+".")
			if has {
				as.Type, as.Tag, jsonFields = inner, `json:",embed"`, true
			}
			changed = true
		case !f.IsExported():
			if f.Anonymous || hasSourceTag(f) {
				c.problem("request field %s%s is not exported and can never be filled", prefix, f.Name)
			}
			changed = true
		case f.Type == rawBodyType:
			c.rawBody(f, at, prefix)
			changed = true
		case c.field(f, at, prefix):
			as.Tag, jsonFields = f.Tag, true
		default:
			changed = true
		}
		hidden = append(hidden, as)
	}
	if !changed {
		return typ, jsonFields
	}
	return reflect.StructOf(hidden), jsonFields
}

// hasSourceTag reports whether f says where it is filled from.
func hasSourceTag(f reflect.StructField) bool {
	src, _, _ := wire.Sources(f)
	return len(src) > 0
}

// field compiles one field and reports whether it is filled from the JSON body.
func (c *compilation) field(f reflect.StructField, at []int, prefix string) bool {
	label := prefix + f.Name
	sources, name, options := wire.Sources(f)
	switch {
	case len(sources) == 0:
		c.problem(`request field %s has no source: add one of json:"…", uri:"…", form:"…", header:"…", cookie:"…"`, label)
		return false
	case len(sources) > 1:
		c.problem("request field %s has two sources, %s and %s: keep one", label, sources[0], sources[1])
		return false
	case name == "":
		c.problem("request field %s: the %s tag needs a name", label, sources[0])
		return false
	}
	if f.Tag.Get("binding") != "" {
		c.rules = true
	}
	if sources[0] == wire.JSON {
		return c.jsonField(f, at, label, name, options)
	}
	if len(options) > 0 {
		c.problem("request field %s: the option %q is not known in a %s tag", label, options[0], sources[0])
	}
	c.textField(f, at, label, sources[0], name)
	return false
}

func (c *compilation) jsonField(f reflect.StructField, at []int, label, name string, options []string) bool {
	if !takesBody(c.method) {
		c.problem("request field %s comes from a JSON body, which %s requests do not have: use form for the query", label, c.method)
		return false
	}
	c.fields = append(c.fields, jsonField{name: name, index: at, typ: f.Type, label: label, options: options, presence: rules.PresenceOf(f)})
	c.addDefault(f, at, label)
	return true
}

// textField compiles a field that is filled from the path, the query, a form or a header.
func (c *compilation) textField(f reflect.StructField, at []int, label string, from wire.Source, name string) {
	if f.Type == wire.FileType || f.Type == wire.FilesType {
		c.fileField(f, at, label, from, name)
		return
	}
	element, slice := f.Type, false
	parse := wire.ParserFor(element)
	if parse == nil && f.Type.Kind() == reflect.Slice && from != wire.URI && from != wire.Cookie {
		element, slice = f.Type.Elem(), true
		parse = wire.ParserFor(element)
	}
	if parse == nil || (element.Kind() == reflect.Pointer && (slice || from == wire.URI)) {
		c.problem("request field %s: a %s value cannot be a %s", label, from, f.Type)
		return
	}
	p := param{name: name, index: at, parse: parse, slice: slice, presence: rules.PresenceOf(f)}
	switch from {
	case wire.URI:
		c.uriSeen = append(c.uriSeen, name)
		c.binder.uri = c.addParam(c.binder.uri, p, label)
	case wire.Cookie:
		c.binder.cookies = c.addParam(c.binder.cookies, p, label)
	case wire.Header:
		p.name = textproto.CanonicalMIMEHeaderKey(name)
		if p.name == "Host" {
			c.problem("request field %s: Host is not among the headers a request can be given", label)
		}
		c.binder.header = c.addParam(c.binder.header, p, label)
	default:
		c.binder.form = c.addParam(c.binder.form, p, label)
	}
	c.addDefault(f, at, label)
}

// rawBody compiles the field that gets the body as it was sent.
func (c *compilation) rawBody(f reflect.StructField, at []int, prefix string) {
	label := prefix + f.Name
	if !takesBody(c.method) {
		c.problem("request field %s takes the body, which %s requests do not have", label, c.method)
	}
	if c.binder.raw != nil {
		c.problem("request field %s: another field takes the body already", label)
	}
	if f.Tag.Get("binding") != "" {
		c.rules = true
	}
	if hasSourceTag(f) {
		c.problem(`request field %s takes the whole body; take its tag out`, label)
	}
	c.binder.raw = at
}

// takesBody reports whether requests of the method may have a body.
func takesBody(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodOptions:
		return false
	default:
		return true
	}
}

func (c *compilation) addParam(list []param, p param, label string) []param {
	if slices.ContainsFunc(list, func(o param) bool { return o.name == p.name }) {
		c.problem("request field %s: another field is already filled from %q", label, p.name)
	}
	return append(list, p)
}

func (c *compilation) fileField(f reflect.StructField, at []int, label string, from wire.Source, name string) {
	if from != wire.Form {
		c.problem("request field %s: a file comes from a form, not from %s", label, from)
		return
	}
	c.binder.files = append(c.binder.files, fileParam{name: name, index: at, slice: f.Type == wire.FilesType})
}

// addDefault compiles the default tag of f, if it has one.
func (c *compilation) addDefault(f reflect.StructField, at []int, label string) {
	text, ok := f.Tag.Lookup("default")
	if !ok {
		return
	}
	d, ok := wire.NewDefault(f.Type, text)
	if !ok {
		c.problem("request field %s: a %s cannot have a default", label, f.Type)
		return
	}
	scratch := reflect.New(f.Type).Elem()
	if message := d.Apply(scratch); message != "" {
		c.problem("request field %s: the default %q does not fit: %s", label, text, message)
		return
	}
	c.binder.defaults = append(c.binder.defaults, defaultParam{at, d})
}

// checkPath compares the fields that are filled from the path with the parameters of the path.
func (c *compilation) checkPath(pathParams []string) {
	for _, name := range c.uriSeen {
		if !slices.Contains(pathParams, name) {
			c.problem(`the request has a field uri:%q, but the path has no ":%s"`, name, name)
		}
	}
	for _, name := range pathParams {
		if !slices.Contains(c.uriSeen, name) {
			c.problem(`the path has ":%s", but the request has no field uri:%q`, name, name)
		}
	}
}

// forbidden returns why a request type cannot be filled from a request at all, or "". With a context or a job in its request a
// CPU-bound handler could do I/O, and both could outlive the request.
func forbidden(typ reflect.Type, seen map[reflect.Type]bool) string {
	if seen[typ] {
		return ""
	}
	seen[typ] = true
	switch {
	case typ == jobType || typ.Implements(jobType):
		return "contains an app.Job: the host gives it to the handler, a request cannot carry it"
	case typ == contextType || typ.Implements(contextType):
		return "contains a context.Context: the host gives it to the handler, a request cannot carry it"
	}
	switch typ.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return fmt.Sprintf("contains a %s, which no request can carry", typ.Kind())
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		if wire.IsEndless(typ) {
			return fmt.Sprintf("contains %s, %s", typ, wire.HoldsItself)
		}
		return forbidden(typ.Elem(), seen)
	case reflect.Struct:
		if wire.IsOpaque(typ) {
			return ""
		}
		for f := range typ.Fields() {
			if why := forbidden(f.Type, seen); why != "" {
				return why
			}
		}
	}
	return ""
}
