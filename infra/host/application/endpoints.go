package application

import (
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"plugboard/app"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/schema"
	"plugboard/infra/httpserver"
)

// endpoints describes the endpoints and the types that they refer to.
func (a *App) endpoints() ([]manifest.Endpoint, manifest.Components, error) {
	routes, err := a.Routes()
	if err != nil {
		return nil, manifest.Components{}, err
	}
	set := schema.NewSet()
	all := make([]manifest.Endpoint, len(routes))
	for i, r := range routes {
		all[i] = endpointManifest(set, r)
	}
	nameOperations(all, routes)
	var schemas []*manifest.Schema
	for _, e := range all {
		schemas = append(schemas, e.Schemas()...)
	}
	components, conflicts := set.Components(schemas...)
	ruled := withRules(components)
	for i := range all {
		all[i].Rules = append(all[i].Rules, rulesOf(all[i], ruled)...)
	}
	return all, manifest.Components{Schemas: components, Forms: set.Forms(), Conflicts: conflicts}, nil
}

// endpointManifest describes a route, without the ID of its operation: [nameOperations] needs all endpoints for that.
func endpointManifest(set *schema.Set, r httpserver.Route) manifest.Endpoint {
	o := r.Options
	e := manifest.Endpoint{
		Method: r.Method, Path: r.Path, Plugin: r.Plugin, Source: FromRoot(r.Source), Kind: r.Kind, Summary: o.Summary,
		Statuses: r.Statuses, Fails: []string{}, Failures: failuresOf(r), Timeout: r.Timeout.String(), BodyLimit: r.BodyLimit,
		Accepts: r.Accepts, Produces: r.Produces, Binary: r.Binary, Tags: o.Tags, Guards: len(o.Guards), Security: o.Security,
		Strict: o.Strict, Hidden: o.Hidden, Deprecated: deprecationOf(o), Allows: len(o.Allows),
		Limits: limitsOf(o), Idempotent: o.Idempotent,
	}
	describeAccess(&e, r)
	for _, code := range r.Fails {
		e.Fails = append(e.Fails, string(code))
	}
	if r.Request != nil {
		e.Request = r.Request.String()
		request := set.Request(r.Request, r.Method, r.FormBody, o.Strict)
		e.Parameters, e.Body, e.BodyRequired = request.Parameters, request.Body, request.BodyRequired
		if request.Checks {
			e.Rules = append(e.Rules, manifest.Rule{Rule: "validate", Says: "rules across fields"})
		}
	}
	e.Parameters = withKey(withPath(e), o)
	if r.Response != nil && !r.Binary {
		e.Response = r.Response.String()
		e.Data = set.Of(r.Response, schema.Use{Answer: true})
	}
	return e
}

// describeAccess says who may call the endpoint.
func describeAccess(e *manifest.Endpoint, r httpserver.Route) {
	switch {
	case r.Access.Public:
		e.Access = "public"
		return
	case r.Access.Permission != "":
		e.Access, e.Permission = "can", r.Access.Permission
	default:
		e.Access = "signed_in"
	}
	if fresh := r.Options.Fresh; fresh != nil {
		e.Fresh = fresh.String()
	}
	for _, scheme := range r.Schemes {
		e.Security = append(e.Security, scheme.Name)
	}
}

// limitsOf describes the limits on requests.
func limitsOf(o app.EndpointOptions) []manifest.Limit {
	var all []manifest.Limit
	for _, l := range o.Limits {
		key := "client"
		if l.Key.Principal {
			key = "principal"
		}
		all = append(all, manifest.Limit{Requests: l.Requests, Per: l.Per.String(), Key: key, Shared: l.Key.InDatabase})
	}
	return all
}

func deprecationOf(o app.EndpointOptions) *manifest.Deprecation {
	if o.Since.IsZero() {
		return nil
	}
	d := &manifest.Deprecation{Since: o.Since.String()}
	if !o.Sunset.IsZero() {
		d.Sunset = o.Sunset.String()
	}
	return d
}

// withPath returns the parameters of an endpoint and adds those of its path that have no description yet: a raw endpoint
// reads them by itself.
func withPath(e manifest.Endpoint) []manifest.Parameter {
	parameters := e.Parameters
	for _, name := range e.PathParameters() {
		known := func(p manifest.Parameter) bool { return p.In == "path" && p.Name == name }
		if !slices.ContainsFunc(parameters, known) {
			parameters = append(parameters, manifest.Parameter{
				Name: name, In: "path", Required: true, Schema: &manifest.Schema{Type: manifest.Types{"string"}},
			})
		}
	}
	return parameters
}

// withKey adds the header of an idempotent endpoint, unless the request type has it.
func withKey(parameters []manifest.Parameter, o app.EndpointOptions) []manifest.Parameter {
	const name = "Idempotency-Key"
	known := func(p manifest.Parameter) bool { return p.In == "header" && strings.EqualFold(p.Name, name) }
	if !o.Idempotent || slices.ContainsFunc(parameters, known) {
		return parameters
	}
	return append(parameters, manifest.Parameter{Name: name, In: "header", Schema: &manifest.Schema{
		Type: manifest.Types{"string"}, MinLength: "1", MaxLength: "255",
		Description: "Names the request, so that it can be repeated without taking effect twice: a repeat gets the answer of the first. Use a new one for a new request, a UUID for example.",
	}})
}

// nameOperations gives each operation its ID. It is the plugin's name, then the handler's unless that is Execute. Where
// two would be the same, method and path follow, then a number.
func nameOperations(all []manifest.Endpoint, routes []httpserver.Route) {
	taken := map[string]bool{}
	for i := range all {
		id := all[i].Plugin
		if name := routes[i].Handler; name != "" && name != "Execute" {
			id += "." + strings.ToLower(name)
		}
		if taken[id] {
			id += "." + strings.ToLower(all[i].Method) + "_" + strings.Trim(noWord.ReplaceAllString(all[i].Path, "_"), "_")
		}
		for plain, n := id, 2; taken[id]; n++ {
			id = plain + "_" + strconv.Itoa(n)
		}
		taken[id] = true
		all[i].ID = id
	}
}

var noWord = regexp.MustCompile(`\W+`)

// failuresOf returns all failures of a route: the plugin declared some, the host adds the others. It leaves out the
// failure of a body that was sent to an endpoint without one: no reader of the documents sends that.
func failuresOf(r httpserver.Route) []manifest.Failure {
	codes := []app.Code{app.Malformed, app.Misdirected, app.Internal, app.Unavailable}
	add := func(when bool, more ...app.Code) {
		if when {
			codes = append(codes, more...)
		}
	}
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	add(true, r.Fails...)
	add(len(r.Options.Guards) > 0, app.Unauthorized, app.Forbidden)
	add(!r.Access.Public, app.Unauthorized)
	add(r.Access.Permission != "" || len(r.Options.Allows) > 0, app.Forbidden)
	add(len(r.Options.Limits) > 0, app.TooMany)
	add(!safe, app.Forbidden) // the request came from a page of another site
	typed := r.Kind != "raw"
	add(len(r.Accepts) > 0, app.TooLarge)
	add(len(r.Accepts) > 0 && typed, app.UnsupportedType)
	add(typed && r.Request != nil && (r.Request.NumField() > 0 || reflect.PointerTo(r.Request).Implements(reflect.TypeFor[app.Validator]())),
		app.Invalid)
	add(r.Binary && safe, app.PreconditionFailed, app.RangeNotSatisfiable)
	add(r.Options.Idempotent, app.Conflict, app.Invalid) // the key is in use now, or was used for another request
	add(r.Timeout > 0, app.TimedOut)
	add(r.Kind == "io" && !safe, app.StorageFull)
	byStatus := map[int][]string{}
	for _, code := range codes {
		if s := code.Status(); !slices.Contains(byStatus[s], string(code)) {
			byStatus[s] = append(byStatus[s], string(code))
		}
	}
	if len(r.Accepts) > 0 && typed {
		byStatus[http.StatusRequestTimeout] = []string{string(app.TimedOut)} // the body did not arrive in time
	}
	var all []manifest.Failure
	for status, codes := range byStatus {
		all = append(all, manifest.Failure{Status: status, Codes: codes})
	}
	slices.SortFunc(all, func(x, y manifest.Failure) int { return x.Status - y.Status })
	return all
}

// withRules returns the named schemas that have rules or refer to one that has. The search for rules then skips all
// others: types that hold each other have too many ways through them.
func withRules(components map[string]*manifest.Schema) map[string]*manifest.Schema {
	ruled := map[string]*manifest.Schema{}
	var has func(s *manifest.Schema) bool
	has = func(s *manifest.Schema) bool {
		return len(s.Rules) > 0 || ruled[s.RefName()] != nil || slices.ContainsFunc(s.Parts(), has)
	}
	for before := -1; before < len(ruled); {
		before = len(ruled)
		for name, s := range components {
			if ruled[name] == nil && has(s) {
				ruled[name] = s
			}
		}
	}
	return ruled
}

// rulesOf collects the rules of an endpoint that no schema can express, each with the name of its field.
func rulesOf(e manifest.Endpoint, components map[string]*manifest.Schema) []manifest.Rule {
	var all []manifest.Rule
	within := map[string]*bool{} // the named schemas that are being walked; true for one that contains itself
	var walk func(s *manifest.Schema, field string)
	walk = func(s *manifest.Schema, field string) {
		if s == nil || s.Never {
			return
		}
		for _, rule := range s.Rules {
			rule.Field = field
			all = append(all, rule)
		}
		if name := s.RefName(); within[name] != nil {
			*within[name] = true
		} else if name != "" {
			first, again := len(all), false
			within[name] = &again
			walk(components[name], field)
			delete(within, name)
			if again {
				atAnyDepth(all[first:], field)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			walk(s.Properties[name], strings.TrimPrefix(field+"."+name, "."))
		}
		for _, part := range []*manifest.Schema{s.Items, s.AdditionalProperties, s.PropertyNames} {
			walk(part, field+".*")
		}
		for _, part := range append(slices.Clone(s.AnyOf), s.AllOf...) {
			walk(part, field)
		}
	}
	for _, p := range e.Parameters {
		walk(p.Schema, p.Name)
	}
	walk(e.Body, "")
	return slices.Compact(all)
}

// atAnyDepth changes the fields of rules within field, so that they hold at any depth.
func atAnyDepth(rules []manifest.Rule, field string) {
	for i := range rules {
		rest := strings.TrimPrefix(strings.TrimPrefix(rules[i].Field, field), ".")
		rules[i].Field = strings.Trim(field+".**."+rest, ".")
	}
}
