package httpserver

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"plugboard/app"
	"plugboard/infra/httpserver/bind/wire"
	"plugboard/infra/httpserver/internal/answer"
	"plugboard/infra/httpserver/internal/routes"
)

// Check compiles the endpoints of all plugins and returns everything that is wrong with them, each problem naming
// plugin, file and line. It opens nothing. Call it once, with all endpoints, before [Server.Mount].
func (s *Server) Check(endpoints []app.Endpoint) []error {
	var problems []error
	if s.invalid != nil {
		problems = append(problems, fmt.Errorf("set up http server: %w", s.invalid))
	}
	trees := routes.Reserve(reservedPaths())
	for i := range endpoints {
		e, wrong := s.compile(&endpoints[i])
		for _, why := range wrong {
			problems = append(problems, fmt.Errorf("%s: %s", routes.Describe(&endpoints[i]), why))
		}
		if err := trees.Add(&endpoints[i]); err != nil {
			problems = append(problems, err)
			continue
		}
		if len(wrong) == 0 {
			s.compiled[keyOf(&endpoints[i])] = e
		}
	}
	problems = append(problems, trees.AddHeads(endpoints)...)
	problems = append(problems, routes.DifferingNames(endpoints)...)
	if len(problems) == 0 {
		problems = s.rehearse(endpoints)
	}
	return problems
}

// key identifies an endpoint.
type key struct{ method, path, plugin, source string }

func keyOf(e *app.Endpoint) key { return key{e.Method, e.Path, e.Plugin.Name, e.Source} }

// compile turns a registration into something that can be served, and says all that is wrong with it.
func (s *Server) compile(e *app.Endpoint) (*endpoint, []string) {
	c := &endpoint{
		Endpoint: *e, server: s, timeout: s.config.RequestTimeout, readTimeout: s.config.ReadTimeout, bodyLimit: s.config.BodyLimit, status: http.StatusOK,
		route: &route{path: e.Path, plugin: e.Plugin.Name, method: e.Method, metrics: s.metrics},
	}
	wrong := c.applyOptions()
	params, why := routes.Parse(e.Path)
	if why != "" {
		wrong = append(wrong, why)
	}
	if strings.Trim(e.Method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || e.Method == "" {
		wrong = append(wrong, fmt.Sprintf("%q is not an HTTP method", e.Method))
	}
	switch {
	case e.Raw != nil:
		return c, wrong
	case e.Handler.IsZero():
		return c, append(wrong, "the endpoint has no handler: make one with app.Handle or app.HandleCPU")
	case why != "":
		return c, wrong // without a sound path the request cannot be held against it
	}
	return c, append(wrong, c.compileTyped(params)...)
}

// compileTyped compiles what only a typed endpoint has.
func (e *endpoint) compileTyped(params []string) []string {
	var wrong []string
	e.binder, wrong = e.server.compiler.Compile(e.Method, params, e.Handler.RequestType(), e.Options.Strict)
	e.binary = e.Handler.ResponseType() == answer.BinaryType
	problems, numbers := answer.Check(e.Handler.ResponseType(), e.Options.Open)
	wrong = append(wrong, problems...)
	if e.encoding = e.server.encoding; numbers {
		e.encoding = answer.WithNumbers(e.encoding)
	}
	wrong = append(wrong, e.checkDeclared()...)
	if e.Handler.CPU() && e.server.pool == nil {
		wrong = append(wrong, "the endpoint needs the work pool, which the host was not given")
	}
	return wrong
}

// checkDeclared finds options for the documentation that a typed endpoint tells by its types.
func (e *endpoint) checkDeclared() (wrong []string) {
	o := e.Options
	if len(o.Produces) > 0 && !e.binary {
		wrong = append(wrong, "app.Produces is for app.Binary and raw endpoints; this one answers with JSON")
	}
	if len(o.Accepts) > 0 && (e.binder == nil || !e.binder.TakesAnything()) {
		wrong = append(wrong, "app.Accepts is for raw endpoints and for those that read their body by app.RawBody alone; the request type tells what this one accepts")
	}
	if o.Takes != nil || o.Answers != nil {
		wrong = append(wrong, "app.Takes and app.Answers are for raw endpoints; the handler's types tell what this one takes and answers")
	}
	return wrong
}

// The most that an endpoint may ask for, as much as the settings may say: sums with them do not overflow.
const (
	mostTimeout = 7 * 24 * time.Hour
	mostBody    = 1 << 40
)

func (e *endpoint) applyOptions() (wrong []string) {
	o := e.Options
	if o.Timeout != nil {
		e.timeout, e.readTimeout = *o.Timeout, *o.Timeout
		if e.timeout < 0 || (e.timeout == 0 && e.Raw == nil) {
			wrong = append(wrong, fmt.Sprintf("the timeout %s must be greater than 0; 0, for none, is for raw endpoints alone", e.timeout))
		}
		if e.timeout > mostTimeout {
			wrong = append(wrong, fmt.Sprintf("the timeout %s must be at most %s", e.timeout, mostTimeout))
		}
	}
	switch {
	case o.BodyLimit < 0:
		wrong = append(wrong, fmt.Sprintf("the body limit %d must be greater than 0", o.BodyLimit))
	case o.BodyLimit > mostBody:
		wrong = append(wrong, fmt.Sprintf("the body limit %d must be at most %d", o.BodyLimit, int64(mostBody)))
	case o.BodyLimit > 0:
		e.bodyLimit = o.BodyLimit
	}
	for _, status := range o.Statuses {
		if status < http.StatusOK || status >= http.StatusBadRequest {
			wrong = append(wrong, fmt.Sprintf("app.Status declares statuses of success, from 200 to 399, and not %d; failures are declared with app.Fails", status))
		}
	}
	if len(o.Statuses) > 0 {
		e.status = o.Statuses[0]
	}
	wrong = append(wrong, checkWords(o)...)
	if slices.ContainsFunc(o.Guards, func(g app.GuardFunc) bool { return g == nil }) {
		wrong = append(wrong, "a guard is nil")
	}
	e.deprecation = newDeprecation(o)
	if o.Deprecated && o.Since.IsZero() || !o.Sunset.IsZero() && o.Sunset.Before(o.Since) {
		wrong = append(wrong, "app.Deprecated needs the day from which on the endpoint is deprecated, and a sunset that is not before it")
	}
	if len(o.Security) > 0 && len(o.Guards) == 0 {
		wrong = append(wrong, "app.Secured documents what a guard asks for, and there is none: add app.Guard")
	}
	return wrong
}

// checkWords finds codes and media types that are none.
func checkWords(o app.EndpointOptions) (wrong []string) {
	for _, code := range o.Fails {
		if !code.Known() {
			wrong = append(wrong, fmt.Sprintf("app.Fails has the code %q, which is none of package app's", code))
		}
	}
	for _, name := range slices.Concat(o.Produces, o.Accepts) {
		if kind, _, err := mime.ParseMediaType(name); err != nil || !strings.Contains(kind, "/") {
			wrong = append(wrong, fmt.Sprintf("%q is no media type; one is \"text/csv\"", name))
		}
	}
	return wrong
}

// rehearse registers everything on an engine that is thrown away, so that whatever Gin itself would refuse is
// a start error that names its owner.
func (s *Server) rehearse(endpoints []app.Endpoint) (problems []error) {
	engine := gin.New()
	for i := range endpoints {
		if err := register(engine, &endpoints[i], func(*gin.Context) {}); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

// register puts a route on engine.
func register(engine *gin.Engine, e *app.Endpoint, h gin.HandlerFunc) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%s: the router refuses the route: %v", routes.Describe(e), v)
		}
	}()
	engine.Handle(e.Method, e.Path, h)
	return nil
}

// Mount puts the endpoints on the router. Those that [Server.Check] has not seen are checked first. Call it
// once, before serving.
func (s *Server) Mount(endpoints []app.Endpoint) error {
	for i := range endpoints {
		if s.compiled[keyOf(&endpoints[i])] == nil {
			if problems := s.Check(endpoints); len(problems) > 0 {
				return errors.Join(problems...)
			}
			break
		}
	}
	heads := map[string]bool{}
	for i := range endpoints {
		e := s.compiled[keyOf(&endpoints[i])]
		if err := register(s.engine, &e.Endpoint, e.serve); err != nil {
			return err
		}
		s.mounted = append(s.mounted, e)
		heads[e.Path] = heads[e.Path] || e.Method == http.MethodHead
		s.routes = append(s.routes, describeRoute(e))
	}
	return s.mountHeads(endpoints, heads)
}

func (s *Server) mountHeads(endpoints []app.Endpoint, heads map[string]bool) error {
	for i := range endpoints {
		e := s.compiled[keyOf(&endpoints[i])]
		if e.Method != http.MethodGet || heads[e.Path] {
			continue
		}
		head := e.Endpoint
		head.Method = http.MethodHead
		if err := register(s.engine, &head, e.serve); err != nil {
			return err
		}
	}
	return nil
}

// Route describes a mounted endpoint: for the routes command and for what is generated from the registrations.
type Route struct {
	Method string
	Path   string
	Plugin string
	// Source is where the endpoint was registered, as "file:line".
	Source string
	// Kind is "io", "cpu" or "raw".
	Kind string
	// Statuses are the statuses of success, the default first.
	Statuses []int
	// Fails are the failures the plugin declared.
	Fails []app.Code
	// Timeout is the request's deadline; zero means none.
	Timeout time.Duration
	// BodyLimit is the largest body in bytes.
	BodyLimit int64
	// Accepts are the media types of the bodies taken; none when the endpoint takes no body.
	Accepts []string
	// Produces are the media types of success; none where those may be any, since the plugin does not declare them.
	Produces []string
	// FormBody tells that fields tagged form come from the body.
	FormBody bool
	// Binary tells that success is answered without the envelope.
	Binary bool
	// Handler is the name of the handler's function, "" for a function literal.
	Handler string
	// Options are the options as the plugin gave them.
	Options app.EndpointOptions
	// Request and Response are the types of the typed handler, nil for a raw one.
	Request  reflect.Type
	Response reflect.Type
}

// hasJSON reports whether a declared request has members of a JSON body.
func hasJSON(typ reflect.Type) bool {
	if typ == nil || typ.Kind() != reflect.Struct {
		return false
	}
	for f := range typ.Fields() {
		sources, _, _ := wire.Sources(f)
		if slices.Contains(sources, wire.JSON) || f.Anonymous && hasJSON(f.Type) {
			return true
		}
	}
	return false
}

// produces returns the media types of success, none where they are not known.
func (e *endpoint) produces() []string {
	switch {
	case len(e.Options.Produces) > 0:
		return e.Options.Produces
	case e.binary, e.Raw != nil && e.Options.Answers == nil:
		return nil
	default:
		return []string{"application/json"}
	}
}

func describeRoute(e *endpoint) Route {
	r := Route{
		Method: e.Method, Path: e.Path, Plugin: e.Plugin.Name, Source: e.Source, Kind: "raw", Statuses: e.Options.Statuses,
		Fails: e.Options.Fails, Timeout: e.timeout, BodyLimit: e.bodyLimit, Binary: e.binary, Options: e.Options,
	}
	if len(r.Statuses) == 0 {
		r.Statuses = []int{e.status}
	}
	r.Produces = e.produces()
	if e.Raw != nil {
		r.Request, r.Response, r.Accepts = e.Options.Takes, e.Options.Answers, e.Options.Accepts
		if r.Accepts == nil && hasJSON(r.Request) {
			r.Accepts = []string{"application/json"}
		}
		r.Handler = app.FunctionName(e.Raw)
		return r
	}
	r.Kind, r.Request, r.Response, r.Accepts = "io", e.Handler.RequestType(), e.Handler.ResponseType(), e.binder.Accepts()
	r.FormBody, r.Handler = e.binder.FormBody(), e.Handler.Name()
	if e.binder.TakesAnything() {
		r.Accepts = e.Options.Accepts
	}
	if e.Handler.CPU() {
		r.Kind = "cpu"
	}
	return r
}

// Routes returns the mounted endpoints in the order of their registration.
func (s *Server) Routes() []Route { return slices.Clone(s.routes) }
