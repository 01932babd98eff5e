// Package openapi writes the OpenAPI document of a service from its manifest.
//
// The document is of version 3.1; [Old] makes one of version 3.0 from it, for generators that read no other. [Current] compares
// the document that was built in with what the service registers now. All functions are pure.
package openapi

// Document is an OpenAPI document, as far as this package writes one. A schema in it is a *manifest.Schema, and after
// reading what encoding/json makes of that.
type Document struct {
	OpenAPI    string                          `json:"openapi"`
	Info       Info                            `json:"info"`
	Servers    []Server                        `json:"servers"`
	Security   []map[string][]string           `json:"security"`
	Tags       []Tag                           `json:"tags,omitempty"`
	Paths      map[string]map[string]Operation `json:"paths"`
	Components Components                      `json:"components"`
}

// Info describes the service as a whole.
type Info struct {
	Title       string            `json:"title"`
	Description string            `json:"description,omitzero"`
	Version     string            `json:"version"`
	Terms       string            `json:"termsOfService,omitzero"`
	Contact     map[string]string `json:"contact,omitempty"`
	License     *License          `json:"license,omitempty"`
}

// License is the license of the API.
type License struct {
	Name       string `json:"name"`
	Identifier string `json:"identifier,omitzero"`
	URL        string `json:"url,omitzero"`
}

// Server is an address of the service.
type Server struct {
	URL         string `json:"url"`
	Description string `json:"description,omitzero"`
}

// Tag is a group of operations.
type Tag struct {
	Name        string `json:"name"`
	Description string `json:"description,omitzero"`
}

// Operation is an endpoint.
type Operation struct {
	Tags        []string              `json:"tags,omitempty"`
	Summary     string                `json:"summary"`
	Description string                `json:"description,omitzero"`
	OperationID string                `json:"operationId"`
	Deprecated  bool                  `json:"deprecated,omitzero"`
	Sunset      string                `json:"x-sunset,omitzero"`
	Security    []map[string][]string `json:"security,omitempty"`
	// Permission is what the caller needs beside being known. Fresh is how long ago the caller's sign-in may be.
	Permission string              `json:"x-permission,omitzero"`
	Fresh      string              `json:"x-fresh,omitzero"`
	Parameters []Parameter         `json:"parameters,omitempty"`
	Body       *Body               `json:"requestBody,omitempty"`
	Responses  map[string]Response `json:"responses"`
	// Rules are the rules that no schema expresses.
	Rules any `json:"x-rules,omitempty"`
	// Codes are the codes of its failures.
	Codes []string `json:"x-codes,omitempty"`
}

// Parameter is given in the path, the query, a header or a cookie.
type Parameter struct {
	Name        string `json:"name"`
	In          string `json:"in"`
	Description string `json:"description,omitzero"`
	Required    bool   `json:"required,omitzero"`
	Schema      any    `json:"schema"`
	Example     any    `json:"example,omitempty"`
}

// Body is the body of a request.
type Body struct {
	Description string           `json:"description,omitzero"`
	Required    bool             `json:"required,omitzero"`
	Content     map[string]Media `json:"content"`
}

// Media is a body in one media type.
type Media struct {
	Schema  any `json:"schema,omitempty"`
	Example any `json:"example,omitempty"`
}

// Response is the answer of one status, or a reference to one that several operations share.
type Response struct {
	Ref         string            `json:"$ref,omitzero"`
	Description string            `json:"description,omitzero"`
	Headers     map[string]Header `json:"headers,omitempty"`
	Content     map[string]Media  `json:"content,omitempty"`
}

// Header is a header of an answer.
type Header struct {
	Description string `json:"description,omitzero"`
	Schema      any    `json:"schema"`
}

// Components are parts that operations refer to.
type Components struct {
	Schemas         map[string]any      `json:"schemas"`
	Responses       map[string]Response `json:"responses"`
	SecuritySchemes map[string]any      `json:"securitySchemes,omitempty"`
}

// eachSchema replaces every outermost schema of the document by the result of change.
func (d *Document) eachSchema(change func(any) any) {
	for _, path := range d.Paths {
		for method, o := range path {
			for i := range o.Parameters {
				o.Parameters[i].Schema = change(o.Parameters[i].Schema)
			}
			if o.Body != nil {
				changeContent(o.Body.Content, change)
			}
			for _, r := range o.Responses {
				r.eachSchema(change)
			}
			path[method] = o
		}
	}
	for _, r := range d.Components.Responses {
		r.eachSchema(change)
	}
	for name, s := range d.Components.Schemas {
		d.Components.Schemas[name] = change(s)
	}
}

func (r Response) eachSchema(change func(any) any) {
	changeContent(r.Content, change)
	for name, h := range r.Headers {
		h.Schema = change(h.Schema)
		r.Headers[name] = h
	}
}

func changeContent(content map[string]Media, change func(any) any) {
	for name, m := range content {
		if m.Schema != nil {
			m.Schema = change(m.Schema)
			content[name] = m
		}
	}
}
