package description

// Route is an endpoint.
type Route struct {
	Method string `json:"method"`
	// Path is in Gin's form.
	Path   string `json:"path"`
	Plugin string `json:"plugin"`
	Source string `json:"source"`
	// Kind is "io", "cpu" or "raw".
	Kind string `json:"kind"`
	// Statuses are those of success, the default first.
	Statuses []int `json:"statuses"`
	// Fails are the codes that the plugin declared, Failures the statuses of all failures, the host's with them.
	Fails    []string `json:"fails"`
	Failures []int    `json:"failures"`
	// Timeout is the request's deadline, "0s" for none; BodyLimit is in bytes.
	Timeout   string `json:"timeout"`
	BodyLimit int64  `json:"body_limit"`
	// Accepts are the media types of the bodies taken; none when the endpoint takes no body.
	Accepts []string `json:"accepts,omitempty"`
	// Binary tells that success is answered without the envelope.
	Binary bool     `json:"binary,omitzero"`
	Tags   []string `json:"tags"`
	// Guards is how many there are.
	Guards   int      `json:"guards,omitzero"`
	Security []string `json:"security,omitempty"`
	Strict   bool     `json:"strict,omitzero"`
	// Request and Response name the types of a typed handler.
	Request  string `json:"request,omitzero"`
	Response string `json:"response,omitzero"`
	// Fields are those of the request.
	Fields []Field `json:"fields,omitempty"`
	// Data is what a success answers in its envelope; nil for binary and raw endpoints.
	Data *Schema `json:"data,omitempty"`
}

// Field is a field of a request.
type Field struct {
	// Name is the name callers use; In is "path", "query", "header", "formData" or "body".
	Name string `json:"name"`
	In   string `json:"in"`
	// Package, Struct and Field say where the field is declared.
	Package string `json:"package"`
	Struct  string `json:"struct"`
	Field   string `json:"field"`
	// Type is "string", "integer", "number", "boolean", "file" or "object"; Array tells that there may be several.
	Type     string `json:"type"`
	Array    bool   `json:"array,omitzero"`
	Format   string `json:"format,omitzero"`
	Required bool   `json:"required,omitzero"`

	Default string   `json:"default,omitzero"`
	Example string   `json:"example,omitzero"`
	Enum    []string `json:"enum,omitempty"`
	// Minimum and Maximum are inclusive; Above and Below are limits that are refused themselves.
	Minimum   string `json:"minimum,omitzero"`
	Maximum   string `json:"maximum,omitzero"`
	Above     string `json:"above,omitzero"`
	Below     string `json:"below,omitzero"`
	MinLength string `json:"min_length,omitzero"`
	MaxLength string `json:"max_length,omitzero"`
	// Schema says all of it.
	Schema *Schema `json:"schema"`
}
