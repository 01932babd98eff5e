package manifest

import "regexp"

// Endpoint is an HTTP endpoint as it is served.
type Endpoint struct {
	// ID is the operation's: the plugin's name, and the handler's behind it where that is not Execute.
	ID     string `json:"id"`
	Method string `json:"method"`
	// Path is in Gin's form.
	Path   string `json:"path"`
	Plugin string `json:"plugin"`
	Source string `json:"source"`
	// Kind is "io", "cpu" or "raw".
	Kind string `json:"kind"`
	// Summary is what [app.Summary] says; the comment above the handler says it otherwise.
	Summary string `json:"summary,omitzero"`
	// Statuses are those of success, the default first.
	Statuses []int `json:"statuses"`
	// Fails are the codes that the plugin declared, Failures all failures, the host's with them.
	Fails    []string  `json:"fails"`
	Failures []Failure `json:"failures"`
	// Timeout is the request's deadline, "0s" for none; BodyLimit is in bytes.
	Timeout   string `json:"timeout"`
	BodyLimit int64  `json:"body_limit"`
	// Accepts are the media types of the bodies taken; none when the endpoint takes no body.
	Accepts []string `json:"accepts,omitempty"`
	// Produces are the media types of success; none of a raw or binary endpoint that does not declare them.
	Produces []string `json:"produces,omitempty"`
	// Binary tells that success is answered without the envelope.
	Binary bool     `json:"binary,omitzero"`
	Tags   []string `json:"tags"`
	// Guards is how many there are.
	Guards   int      `json:"guards,omitzero"`
	Security []string `json:"security,omitempty"`
	Strict   bool     `json:"strict,omitzero"`
	// Hidden keeps the endpoint out of the documents.
	Hidden     bool         `json:"hidden,omitzero"`
	Deprecated *Deprecation `json:"deprecated,omitempty"`
	// Request and Response name the Go types.
	Request  string `json:"request,omitzero"`
	Response string `json:"response,omitzero"`
	// Parameters are the fields of the request that do not come from JSON: In is "path", "query", "header", "cookie" or
	// "formData".
	Parameters []Parameter `json:"parameters,omitempty"`
	// Body is the schema of the JSON body, nil without one.
	Body *Schema `json:"body,omitempty"`
	// BodyRequired tells that a request must have a body.
	BodyRequired bool `json:"body_required,omitzero"`
	// Data is what a success answers with in its envelope, and what a raw endpoint answers with as it is; nil for binary
	// endpoints.
	Data *Schema `json:"data,omitempty"`
	// Rules are those on the request that no schema can say.
	Rules []Rule `json:"rules,omitempty"`
}

// pathParameter is a parameter in a path of Gin's.
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

// Deprecation tells that an endpoint is to go.
type Deprecation struct {
	// Since and Sunset are days, as 2006-01-02; Sunset is "" where none is set.
	Since  string `json:"since"`
	Sunset string `json:"sunset,omitzero"`
}

// Failure is a status of failure with the codes that come with it.
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
