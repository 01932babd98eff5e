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
	name  string
	index []int
	parse wire.Parser
	slice bool
	asked *rules.Presence // nil when nobody asks whether it is given
}

// fileParam is a request field that is filled from an uploaded file.
type fileParam struct {
	name  string
	index []int
	slice bool
}

// Binder is how a request of one endpoint becomes its request struct. It is immutable once compiled.
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
	defaults []wire.Default
	json     *jsonPlan  // nil without JSON fields
	raw      []int      // the index of the field that takes the body as it was sent; nil without one
	rules    *rules.Set // nil where no field has a rule
	custom   bool       // the request implements app.Validator
}

// planner collects what is wrong with one request type while it is compiled.
type planner struct {
	plan     *Binder
	method   string
	problems []string
	uriSeen  []string
	fields   []jsonField
	shadow   reflect.Type
	rules    bool // some field has rules
}

func (c *planner) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// Compiler compiles request types into binders. It is not safe for concurrent use.
type Compiler struct{ rules rules.Compiler }

// Compile makes the binder for requests of typ, or says everything that is wrong with the type.
func (c *Compiler) Compile(method string, pathParams []string, typ reflect.Type, strict bool) (*Binder, []string) {
	p := planner{method: method, plan: &Binder{typ: typ, patch: method == http.MethodPatch, strict: strict}}
	p.compile(pathParams, typ)
	if len(p.problems) == 0 && p.rules {
		p.plan.rules, p.problems = c.rules.Compile(typ)
		if p.plan.json != nil {
			p.plan.json.rules = p.plan.rules
		}
	}
	return p.plan, p.problems
}

// compile makes the plan for requests of typ, but for its rules.
func (c *planner) compile(pathParams []string, typ reflect.Type) {
	if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[app.File]() {
		c.problem("the request must be a struct, not %s", typ)
		return
	}
	if why := forbidden(typ, map[reflect.Type]bool{}); why != "" {
		c.problem("the request %s", why)
		return
	}
	if len(c.problems) == 0 && wire.HasUnmarshaler(typ) {
		c.problem("the request %s must not decode itself (it has an Unmarshal method); put the method on a field's type", typ)
	}
	var jsonFields bool
	c.shadow, jsonFields = c.structFields(typ, nil, "")
	c.checkPath(pathParams)
	if jsonFields {
		c.compileJSON()
	}
	c.plan.formBody = c.plan.json == nil && len(c.plan.form)+len(c.plan.files) > 0 &&
		(c.method == http.MethodPost || c.method == http.MethodPut || c.method == http.MethodPatch)
	c.checkFiles()
	c.plan.custom = reflect.PointerTo(typ).Implements(reflect.TypeFor[app.Validator]())
}

// structFields compiles the fields of typ, which sits at index within the request, and returns the type
// under which the JSON body is decoded into it: the same layout, with all but the JSON fields hidden.
func (c *planner) structFields(typ reflect.Type, index []int, prefix string) (shadow reflect.Type, jsonFields bool) {
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
func (c *planner) field(f reflect.StructField, at []int, prefix string) bool {
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

func (c *planner) jsonField(f reflect.StructField, at []int, label, name string, options []string) bool {
	if !takesBody(c.method) {
		c.problem("request field %s comes from a JSON body, which %s requests do not have: use form for the query", label, c.method)
		return false
	}
	c.fields = append(c.fields, jsonField{name: name, index: at, typ: f.Type, label: label, options: options, asked: rules.PresenceOf(f)})
	c.addDefault(f, at, label)
	return true
}

// textField compiles a field that is filled from the path, the query, a form or a header.
func (c *planner) textField(f reflect.StructField, at []int, label string, from wire.Source, name string) {
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
	p := param{name: name, index: at, parse: parse, slice: slice, asked: rules.PresenceOf(f)}
	switch from {
	case wire.URI:
		c.uriSeen = append(c.uriSeen, name)
		c.plan.uri = c.addParam(c.plan.uri, p, label)
	case wire.Cookie:
		c.plan.cookies = c.addParam(c.plan.cookies, p, label)
	case wire.Header:
		p.name = textproto.CanonicalMIMEHeaderKey(name)
		if p.name == "Host" {
			c.problem("request field %s: Host is not among the headers a request can be given", label)
		}
		c.plan.header = c.addParam(c.plan.header, p, label)
	default:
		c.plan.form = c.addParam(c.plan.form, p, label)
	}
	c.addDefault(f, at, label)
}

// rawBody compiles the field that takes the body as it was sent.
func (c *planner) rawBody(f reflect.StructField, at []int, prefix string) {
	label := prefix + f.Name
	if !takesBody(c.method) {
		c.problem("request field %s takes the body, which %s requests do not have", label, c.method)
	}
	if c.plan.raw != nil {
		c.problem("request field %s: another field takes the body already", label)
	}
	if f.Tag.Get("binding") != "" {
		c.rules = true
	}
	if hasSourceTag(f) {
		c.problem(`request field %s takes the whole body; take its tag out`, label)
	}
	c.plan.raw = at
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

func (c *planner) addParam(list []param, p param, label string) []param {
	if slices.ContainsFunc(list, func(o param) bool { return o.name == p.name }) {
		c.problem("request field %s: another field is already filled from %q", label, p.name)
	}
	return append(list, p)
}

func (c *planner) fileField(f reflect.StructField, at []int, label string, from wire.Source, name string) {
	if from != wire.Form {
		c.problem("request field %s: a file comes from a form, not from %s", label, from)
		return
	}
	c.plan.files = append(c.plan.files, fileParam{name: name, index: at, slice: f.Type == wire.FilesType})
}

// addDefault compiles the default tag of f, where it has one.
func (c *planner) addDefault(f reflect.StructField, at []int, label string) {
	text, ok := f.Tag.Lookup("default")
	if !ok {
		return
	}
	d, ok := wire.NewDefault(f, at, text)
	if !ok {
		c.problem("request field %s: a %s cannot have a default", label, f.Type)
		return
	}
	scratch := reflect.New(f.Type).Elem()
	if message := d.Apply(scratch); message != "" {
		c.problem("request field %s: the default %q does not fit: %s", label, text, message)
		return
	}
	c.plan.defaults = append(c.plan.defaults, d)
}

// checkPath holds the fields filled from the path against the path.
func (c *planner) checkPath(pathParams []string) {
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

func (c *planner) checkFiles() {
	if len(c.plan.files) > 0 && !c.plan.formBody {
		c.problem("the request takes a file, which needs POST, PUT or PATCH and no JSON fields")
	}
}

// forbidden returns why a request type cannot be filled from a request at all, or "". A context or a job in
// a request would smuggle I/O into a CPU-bound handler, or outlive its request.
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
