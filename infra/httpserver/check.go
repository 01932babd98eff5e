package httpserver

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"plugboard/app"
	"plugboard/infra/httpserver/internal/answer"
	"plugboard/infra/httpserver/internal/routes"
)

// Check compiles the endpoints of all plugins, puts them on the router, and returns everything that is wrong with them. Each problem
// names plugin, file and line. It opens nothing. Call it once, with all endpoints.
func (s *Server) Check(endpoints []app.Endpoint) []error {
	var problems []error
	if s.invalid != nil {
		problems = append(problems, fmt.Errorf("set up http server: %w", s.invalid))
	}
	s.mounted = make([]*endpoint, len(endpoints))
	for i := range endpoints {
		e, wrong := s.compile(&endpoints[i])
		for _, why := range wrong {
			problems = append(problems, fmt.Errorf("%s: %s", routes.Describe(&endpoints[i]), why))
		}
		s.mounted[i] = e
	}
	problems = append(problems, routes.Conflicts(endpoints, reservedPaths())...)
	if len(problems) == 0 {
		problems = s.register()
	}
	s.checked, s.problems = true, errors.Join(problems...)
	return problems
}

// Mount has the server serve the endpoints, or says what is wrong with them. It calls [Server.Check] unless somebody has. After Check it
// ignores its argument, and serves the endpoints that Check was given.
func (s *Server) Mount(endpoints []app.Endpoint) error {
	if !s.checked {
		s.Check(endpoints)
	}
	return s.problems
}

// register puts the endpoints on the router. A GET has a HEAD too, unless a plugin registered that.
func (s *Server) register() (problems []error) {
	heads := map[string]bool{}
	for _, e := range s.mounted {
		heads[e.Path] = heads[e.Path] || e.Method == http.MethodHead
	}
	for _, e := range s.mounted {
		methods := []string{e.Method}
		if e.Method == http.MethodGet && !heads[e.Path] {
			methods = append(methods, http.MethodHead)
		}
		for _, method := range methods {
			if err := s.handle(method, e); err != nil {
				problems = append(problems, fmt.Errorf("%s: the router refuses the route: %w", routes.Describe(&e.Endpoint), err))
			}
		}
	}
	return problems
}

// handle puts a route on the router, which panics when it does not like it.
func (s *Server) handle(method string, e *endpoint) (err error) {
	defer app.Recover(&err)
	s.engine.Handle(method, e.Path, e.serve)
	return nil
}

// compile compiles an endpoint and returns everything that is wrong with it.
func (s *Server) compile(e *app.Endpoint) (*endpoint, []string) {
	c := &endpoint{
		Endpoint: *e, server: s, timeout: s.config.RequestTimeout, readTimeout: s.config.ReadTimeout, bodyLimit: s.config.BodyLimit, status: http.StatusOK,
		route: &route{path: e.Path, plugin: e.Plugin.Name, method: e.Method, metrics: s.metrics},
	}
	wrong := append(c.applyOptions(), c.applyAccess()...)
	wrong = append(wrong, c.checkAllows()...)
	wrong = append(wrong, c.applyLimits()...)
	params, why := routes.Parse(e.Path)
	if why != "" {
		wrong = append(wrong, why)
	}
	if strings.Trim(e.Method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || e.Method == "" {
		wrong = append(wrong, fmt.Sprintf("%q is not an HTTP method", e.Method))
	}
	c.binary = e.Handler.ResponseType() == answer.BinaryType
	if why := c.checkIdempotent(); why != "" {
		wrong = append(wrong, why)
	}
	switch {
	case e.Raw != nil:
		return c, wrong
	case e.Handler.IsZero():
		return c, append(wrong, "the endpoint has no handler: make one with app.Handle or app.HandleCPU")
	case why != "":
		return c, wrong // without a valid path there are no parameters that the fields could be compared with
	}
	return c, append(wrong, c.compileTyped(params)...)
}

// compileTyped compiles the types of a typed endpoint.
func (e *endpoint) compileTyped(params []string) []string {
	var wrong []string
	e.binder, wrong = e.server.compiler.Compile(e.Method, params, e.Handler.RequestType(), e.Options.Strict)
	problems, numbers := answer.Check(e.Handler.ResponseType(), e.Options.Open)
	wrong = append(wrong, problems...)
	e.encoding = answer.Encoding(numbers)
	wrong = append(wrong, e.checkDeclared()...)
	if e.Handler.CPU() && e.server.pool == nil {
		wrong = append(wrong, "the endpoint needs the work pool, which the host was not given")
	}
	return wrong
}

// checkDeclared finds options that tell the documents what the types of a typed endpoint tell already.
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

// An endpoint may have a timeout and a body limit up to these, as the settings may. They are low enough that sums with them do not
// overflow.
const (
	mostTimeout = 7 * 24 * time.Hour
	mostBody    = 1 << 40
)

// applyOptions takes over the options of the endpoint and returns what is wrong with them.
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
		wrong = append(wrong, fmt.Sprintf("the body limit %d must not be negative", o.BodyLimit))
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

// checkWords finds codes that are unknown, and media types that are malformed.
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
