// Package openapi turns swag's Swagger 2.0 document into OpenAPI 3.0, with what 2.0 or swag cannot say restored from
// what the service says of itself: exclusive limits, patterns, formats, null, what is always there, media types.
package openapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"

	"plugboard/app/plug/annotate"
	"plugboard/infra/host/description"
)

const jsonType = "application/json"

// Generate returns the OpenAPI 3.0 document, in JSON, of what swag wrote about routes. The same input gives the same
// bytes. It fails when the two do not speak of the same routes, or the document is not valid.
func Generate(ctx context.Context, swagger []byte, routes []description.Route) ([]byte, error) {
	swagger, err := shortNames(swagger)
	if err != nil {
		return nil, err
	}
	var old openapi2.T
	if err := json.Unmarshal(swagger, &old); err != nil {
		return nil, fmt.Errorf("read swagger: %w", err)
	}
	doc, err := openapi2conv.ToV3(&old)
	if err != nil {
		return nil, fmt.Errorf("convert swagger: %w", err)
	}
	tidy(doc)
	r := refiner{schemas: doc.Components.Schemas, sent: map[string]bool{}, received: map[string]bool{}}
	if err := restore(doc, &r, routes); err != nil {
		return nil, err
	}
	r.failure()
	shareFailures(doc)
	text, err := encode(doc)
	if err != nil {
		return nil, err
	}
	return text, Validate(ctx, text)
}

// Validate reports what makes a document no valid OpenAPI 3.0; examples and defaults must fit their schemas.
func Validate(ctx context.Context, text []byte) error {
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return fmt.Errorf("read openapi: %w", err)
	}
	if err := doc.Validate(ctx, openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation()); err != nil {
		return fmt.Errorf("validate openapi: %w", err)
	}
	return nil
}

func encode(doc *openapi3.T) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "    ")
	if err := enc.Encode(doc); err != nil {
		return nil, fmt.Errorf("write openapi: %w", err)
	}
	return text.Bytes(), nil
}

// packageName is what swag puts before the names of types of the plugins' packages and of app. Within them names are
// unique, which annotate.CheckNames sees to, and clients are not to know how the module or its folders are called.
var packageName = regexp.MustCompile(`^(plugins|([\w-]+_)?app)\.`)

// shortNames takes the packages from the names of schemas.
func shortNames(swagger []byte) ([]byte, error) {
	var document struct {
		Definitions map[string]json.RawMessage `json:"definitions"`
	}
	if err := json.Unmarshal(swagger, &document); err != nil {
		return nil, fmt.Errorf("read swagger: %w", err)
	}
	taken := map[string]string{}
	var pairs []string
	for name := range document.Definitions {
		short := packageName.ReplaceAllString(name, "")
		if other, twice := taken[short]; twice {
			return nil, fmt.Errorf("name schemas: %s and %s would both be called %s; give one the name of its feature",
				min(name, other), max(name, other), short)
		}
		taken[short] = name
		if short != name {
			pairs = append(pairs, `"`+name+`": {`, `"`+short+`": {`, `"#/definitions/`+name+`"`, `"#/definitions/`+short+`"`)
		}
	}
	return []byte(strings.NewReplacer(pairs...).Replace(string(swagger))), nil
}

// tidy puts right what the conversion leaves behind.
func tidy(doc *openapi3.T) {
	if c := doc.Info.Contact; c != nil && c.Name == "" && c.URL == "" && c.Email == "" {
		doc.Info.Contact = nil
	}
	for name, ref := range doc.Components.SecuritySchemes {
		// Swagger 2.0 has no word for it.
		if s := ref.Value; name == "bearer" && s.Type == "apiKey" && s.In == "header" && s.Name == "Authorization" {
			ref.Value = openapi3.NewSecurityScheme().WithType("http").WithScheme("bearer").WithDescription(s.Description)
		}
	}
}

// restore holds the document against the routes and puts right what it says of each.
func restore(doc *openapi3.T, r *refiner, routes []description.Route) error {
	var problems []error
	known := map[string]bool{}
	for _, route := range routes {
		path := annotate.Template(route.Path)
		known[route.Method+" "+path] = true
		if item := doc.Paths.Value(path); item == nil || item.GetOperation(route.Method) == nil {
			if route.Kind != "raw" {
				problems = append(problems, fmt.Errorf("%s %s is registered and not described: run make docs", route.Method, path))
			}
			continue
		}
		if route.Kind == "raw" {
			continue // what its annotations say is all there is
		}
		o := operation{Operation: doc.Paths.Value(path).GetOperation(route.Method), route: route, refiner: r, schemes: doc.Components.SecuritySchemes}
		if err := o.restore(); err != nil {
			problems = append(problems, fmt.Errorf("%s %s: %w", route.Method, path, err))
		}
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if !known[method+" "+path] {
				problems = append(problems, fmt.Errorf("%s %s is described and not registered: run make docs", method, path))
			}
		}
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}
