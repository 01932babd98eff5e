package manifest

import "regexp"

// Endpoint is an HTTP endpoint as it is served.
type Endpoint struct {
	// ID names the operation: the plugin's name, then the handler's where that is not Execute.
	ID     string `json:"id"`
	Method string `json:"method"`
	// Path is in Gin's form.
	Path   string `json:"path"`
	Plugin string `json:"plugin"`
	Source string `json:"source"`
	// Kind is "io", "cpu" or "raw".
	Kind string `json:"kind"`
	// Summary was given by [app.Summary]. Without it, the comment above the handler has the summary.
	Summary string `json:"summary,omitzero"`
	// Statuses are the statuses of success, the default first.
	Statuses []int `json:"statuses"`
	// Fails are the codes that the plugin declared. Failures are all failures; the host adds some.
	Fails    []string  `json:"fails"`
	Failures []Failure `json:"failures"`
	// Timeout is the request's deadline, "0s" for none; BodyLimit is in bytes.
	Timeout   string `json:"timeout"`
	BodyLimit int64  `json:"body_limit"`
	// Accepts are the media types of the body; it is empty when the endpoint takes no body.
	Accepts []string `json:"accepts,omitempty"`
	// Produces are the media types of success. It is empty for a raw or binary endpoint that does not declare them.
	Produces []string `json:"produces,omitempty"`
	// Binary is true when a success has no envelope.
	Binary bool     `json:"binary,omitzero"`
	Tags   []string `json:"tags"`
	// Access says who may call: "public", "signed_in", or "can" for those who have Permission. Fresh is how long ago their sign-in may be, "" for any
	// time.
	Access     string `json:"access"`
	Permission string `json:"permission,omitzero"`
	Fresh      string `json:"fresh,omitzero"`
	// Allows is how many functions decide about a bound request.
	Allows int `json:"allows,omitzero"`
	// Limits are the limits on requests.
	Limits []Limit `json:"limits,omitempty"`
	// Guards is the number of guards.
	Guards int `json:"guards,omitzero"`
	// Security are the names of the security schemes; one of them suffices.
	Security []string `json:"security,omitempty"`
	Strict   bool     `json:"strict,omitzero"`
	// Hidden keeps the endpoint out of the documents.
	Hidden     bool         `json:"hidden,omitzero"`
	Deprecated *Deprecation `json:"deprecated,omitempty"`
	// Idempotent is true when a request may have an Idempotency-Key, with which its repeats get the answer of the first.
	Idempotent bool `json:"idempotent,omitzero"`
	// Request and Response name the Go types.
	Request  string `json:"request,omitzero"`
	Response string `json:"response,omitzero"`
	// Parameters are the fields of the request that do not come from JSON: In is "path", "query", "header", "cookie" or
	// "formData".
	Parameters []Parameter `json:"parameters,omitempty"`
	// Body is the schema of the JSON body, nil without one.
	Body *Schema `json:"body,omitempty"`
	// BodyRequired is true when a request must have a body.
	BodyRequired bool `json:"body_required,omitzero"`
	// Data is the schema of the data in the envelope of a success; for a raw endpoint, of the whole answer. It is nil for
	// a binary endpoint.
	Data *Schema `json:"data,omitempty"`
	// Rules are the rules on the request that no schema expresses.
	Rules []Rule `json:"rules,omitempty"`
}

// pathParameter matches a parameter in a path of Gin.
var pathParameter = regexp.MustCompile(`[:*](\w+)`)

// Template returns the path as documents write it: "/products/:id" is "/products/{id}".
func (e Endpoint) Template() string { return pathParameter.ReplaceAllString(e.Path, "{$1}") }

// PathParameters returns the names of the parameters in the path, in their order.
func (e Endpoint) PathParameters() []string {
	var names []string
	for _, m := range pathParameter.FindAllStringSubmatch(e.Path, -1) {
		names = append(names, m[1])
	}
	return names
}

// Schemas returns the outermost schemas of the endpoint: those of its parameters, its body and its data.
func (e Endpoint) Schemas() []*Schema {
	var all []*Schema
	for _, p := range e.Parameters {
		all = append(all, p.Schema)
	}
	for _, s := range []*Schema{e.Body, e.Data} {
		if s != nil {
			all = append(all, s)
		}
	}
	return all
}

// Limit is a limit on the requests to an endpoint.
type Limit struct {
	// Requests are let through in the time Per, such as "1m0s".
	Requests int    `json:"requests"`
	Per      string `json:"per"`
	// Key says whose requests count together: "client" or "principal".
	Key string `json:"key"`
	// Shared is true when all processes of the service count together.
	Shared bool `json:"shared,omitzero"`
}

// Deprecation says that the endpoint will be removed.
type Deprecation struct {
	// Since and Sunset are days, as 2006-01-02; Sunset is "" where none is set.
	Since  string `json:"since"`
	Sunset string `json:"sunset,omitzero"`
}

// Failure is a status of failure with its codes.
type Failure struct {
	Status int      `json:"status"`
	Codes  []string `json:"codes"`
}

// Parameter is a field of a request that is given as text or as a file.
type Parameter struct {
	// Name is the name callers use.
	Name     string  `json:"name"`
	In       string  `json:"in"`
	Required bool    `json:"required,omitzero"`
	Schema   *Schema `json:"schema"`
}
