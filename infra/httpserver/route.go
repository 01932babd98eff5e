package httpserver

import (
	"reflect"
	"slices"
	"time"

	"plugboard/app"
	"plugboard/infra/httpserver/bind/wire"
)

// Route describes an endpoint for the routes command, and for the documents that are generated from the registrations.
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
	// Access says who may call the endpoint. Schemes are the ways in which callers tell who they are, for one that is not public.
	Access  app.Access
	Schemes []app.SecurityScheme
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

// describeRoute describes an endpoint.
func describeRoute(e *endpoint) Route {
	r := Route{
		Method: e.Method, Path: e.Path, Plugin: e.Plugin.Name, Source: e.Source, Kind: "raw", Statuses: e.Options.Statuses,
		Fails: e.Options.Fails, Timeout: e.timeout, BodyLimit: e.bodyLimit, Binary: e.binary, Options: e.Options, Access: e.access,
	}
	if !e.access.Public {
		r.Schemes = e.server.Schemes()
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

// Routes describes the endpoints in the order of their registration.
func (s *Server) Routes() []Route {
	all := make([]Route, len(s.mounted))
	for i, e := range s.mounted {
		all[i] = describeRoute(e)
	}
	return all
}
