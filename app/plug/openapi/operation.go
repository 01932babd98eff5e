package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"plugboard/infra/host/description"
)

// operation is what is described of one route.
type operation struct {
	*openapi3.Operation

	route   description.Route
	refiner *refiner
	schemes openapi3.SecuritySchemes
}

// restore puts right what the operation says.
func (o operation) restore() error {
	body := openapi3.NewObjectSchema()
	body.Properties = openapi3.Schemas{}
	var problems []error
	for _, f := range o.route.Fields {
		schema, err := schemaOf(f.Schema)
		if err != nil {
			return fmt.Errorf("describe %s: %w", f.Name, err)
		}
		if f.In == "body" || f.In == "formData" {
			body.Properties[f.Name] = schema.NewRef()
			if f.Required {
				body.Required = append(body.Required, f.Name)
			}
			continue
		}
		problems = append(problems, o.parameter(f, schema))
	}
	problems = append(problems, o.security())
	if len(body.Properties) > 0 {
		problems = append(problems, o.body(body))
	}
	return errors.Join(append(problems, o.answers())...)
}

// schemaOf turns what the service says of a value into one of the library's schemas.
func schemaOf(s *description.Schema) (*openapi3.Schema, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	schema := new(openapi3.Schema)
	if err := json.Unmarshal(text, schema); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	return schema, nil
}

// parameter puts right what is said of a parameter. Its example belongs to the parameter, not to its schema.
func (o operation) parameter(f description.Field, schema *openapi3.Schema) error {
	p := o.Parameters.GetByInAndName(f.In, f.Name)
	if p == nil {
		return fmt.Errorf("the %s parameter %s is registered and not described: run make docs", f.In, f.Name)
	}
	p.Required = f.Required
	p.Example, schema.Example = schema.Example, nil
	p.Schema = o.refiner.refine(p.Schema, schema, o.refiner.received)
	return nil
}

// security holds the schemes that are asked for against those that are defined.
func (o operation) security() error {
	for _, name := range o.route.Security {
		if o.schemes[name] == nil {
			return fmt.Errorf("the security scheme %s is not defined: say in docs/docs.go what it is, as in "+
				"@securityDefinitions.apikey %[1]s, @in header, @name Authorization", name)
		}
	}
	return nil
}

// body puts right what is said of the request's body: JSON, or a form.
func (o operation) body(schema *openapi3.Schema) error {
	if o.RequestBody == nil || o.RequestBody.Value == nil {
		return errors.New("a body is registered and not described: run make docs")
	}
	request := o.RequestBody.Value
	request.Extensions = nil
	for _, name := range o.route.Accepts {
		content := request.Content[name]
		if content == nil {
			return fmt.Errorf("a body of %s is registered and not described: run make docs", name)
		}
		content.Schema = o.refiner.refine(content.Schema, schema, o.refiner.received)
		request.Required = strings.HasSuffix(name, "json") || len(schema.Required) > 0
	}
	return nil
}

// answers puts right what is said of the answers: which media types they have, and what of them is always there.
func (o operation) answers() error {
	var data *openapi3.Schema
	if o.route.Data != nil {
		var err error
		if data, err = schemaOf(o.route.Data); err != nil {
			return fmt.Errorf("describe data: %w", err)
		}
	}
	first := ""
	for _, ref := range o.Responses.Map() {
		onlyJSON(ref.Value)
	}
	for _, status := range o.route.Statuses {
		response := o.Responses.Status(status)
		if response == nil {
			return fmt.Errorf("status %d is registered and not described: run make docs", status)
		}
		content := response.Value.Content.Get(jsonType)
		if content == nil || content.Schema == nil || isFile(content.Schema) {
			continue
		}
		if first == "" {
			first = content.Schema.Ref
		}
		if content.Schema.Ref != first { // described by hand
			o.refiner.envelope(content.Schema, nil)
			continue
		}
		o.refiner.envelope(content.Schema, data)
	}
	return nil
}

// onlyJSON leaves an answer the media types it can have: Swagger 2.0 knows those of the operation alone. A file has any
// but JSON, everything else is JSON.
func onlyJSON(response *openapi3.Response) {
	for name, content := range response.Content {
		if len(response.Content) > 1 && strings.HasPrefix(name, jsonType) == isFile(content.Schema) {
			delete(response.Content, name)
		}
	}
}

func isFile(ref *openapi3.SchemaRef) bool {
	return ref != nil && ref.Value != nil && ref.Value.Format == "binary"
}
