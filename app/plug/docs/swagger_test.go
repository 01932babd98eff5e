package docs_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/plug/docs"
	"plugboard/infra/host/manifest"
)

// sold is an endpoint and what swag writes about it.
func sold() (manifest.Service, string) {
	object := func(properties map[string]*manifest.Schema) *manifest.Schema {
		return &manifest.Schema{Type: types("object"), Properties: properties}
	}
	item := &manifest.Schema{Ref: manifest.RefPrefix + "Item"}
	return manifest.Service{
			Components: manifest.Components{
				Schemas: map[string]*manifest.Schema{"Item": object(map[string]*manifest.Schema{
					"id": {Type: types("string")}, "any": {}, "bytes": {Type: types("string"), ContentEncoding: "base64"},
					"again": {AnyOf: []*manifest.Schema{item, {Type: types("null")}}}, "price": {Type: types("number")},
				})},
				Forms: map[string]string{"m/app.Decimal": "string", "encoding/json.Number": "number", "encoding/json.RawMessage": "", "m/app.On": "boolean", "m/app.Big": "integer"},
			},
			Endpoints: []manifest.Endpoint{{
				Method: "POST", Path: "/sales/:id", Plugin: "shop.sell", Source: "domains/shop/plugins/sell.go:7", Kind: "io", Statuses: []int{201},
				Body: object(map[string]*manifest.Schema{"items": {Type: types("array"), Items: item}}), Data: item,
			}},
		}, `{
		"paths": {"/sales/{id}": {"post": {
			"parameters": [{"in": "path"}, {"in": "body", "schema": {"type": "object", "properties": {"items": {"type": "array", "items": {"$ref": "#/definitions/Item"}}}}}],
			"responses": {"201": {"schema": {"type": "object", "properties": {"data": {"description": "it", "allOf": [{"$ref": "#/definitions/Item"}]}}}}}
		}}},
		"definitions": {"Item": {"type": "object", "properties": {
			"id": {"type": "string"}, "any": {"type": "object"}, "bytes": {"type": "string"},
			"again": {"$ref": "#/definitions/Item"}, "price": {"type": "integer"}}}}
	}`
}

// Where swag guesses wrong, plugin, file and member are named, with what to write.
func TestCheckSwagger(t *testing.T) {
	t.Parallel()
	service, document := sold()
	require.NoError(t, docs.CheckSwagger([]byte(document), service))
	for want, change := range map[string][2]string{
		`the member id of the answer's data: it is string, not integer; give its field the tag swaggertype:"string"`: {`"id": {"type": "string"}`, `"id": {"type": "integer"}`},
		`the member bytes of the answer's data: it is string, not array`:                                             {`"bytes": {"type": "string"}`, `"bytes": {"type": "array", "items": {"type": "integer"}}`},
		`an element of the member items of the body: it is not described`:                                            {`"items": {"$ref": "#/definitions/Item"}`, `"items": {}`},
		`the member price of the answer's data: it is missing`:                                                       {`, "price": {"type": "integer"}`, ``},
		`the answer's data: it is not described`:                                                                     {`"data"`, `"result"`},
		`is registered and not described in docs/swagger.json`:                                                       {`"post"`, `"put"`},
		`the domain shop and another both declare Item`:                                                              {`"definitions": {`, `"definitions": {"m_domains_shop_plugins.Item": {}, `},
	} {
		require.Contains(t, document, change[0])
		err := docs.CheckSwagger([]byte(strings.Replace(document, change[0], change[1], 1)), service)
		require.ErrorContains(t, err, want)
		if !strings.Contains(want, "another both declare") {
			require.ErrorContains(t, err, "plugin shop.sell (domains/shop/plugins/sell.go:7): POST /sales/{id}")
		}
	}
	require.ErrorContains(t, docs.CheckSwagger([]byte("{"), service), "read swag's document")
}

func TestSwagOverrides(t *testing.T) {
	t.Parallel()
	service, _ := sold()
	require.Equal(t, `replace Decimal string
replace app.Big int64
replace app.Decimal string
replace app.On bool
replace encoding/json.Number number
replace encoding/json.RawMessage object
replace json.Number float64
replace json.RawMessage object
replace m/app.Big integer
replace m/app.Decimal string
replace m/app.On boolean
`, string(docs.SwagOverrides(service)))
}

// An example that its field cannot have is named by the field, before swag is asked, which would say nothing of it.
func TestCheckManifest(t *testing.T) {
	t.Parallel()
	service, _ := sold()
	require.NoError(t, docs.CheckManifest(service))
	price := service.Components.Schemas["Item"].Properties["price"]
	price.Comment, price.Examples = "m/domains/shop/plugins.Item.Price", []any{"three"}
	service.Endpoints[0].Parameters = []manifest.Parameter{
		{Name: "sort", Schema: &manifest.Schema{Comment: "p.Sort", Type: types("string"), Enum: []any{"id"}, Examples: []any{"name"}}},
		{Name: "on", Schema: &manifest.Schema{Comment: "p.On", Type: types("boolean"), Examples: []any{"yes"}}},
		{Name: "n", Schema: &manifest.Schema{Comment: "p.N", Type: types("integer"), Examples: []any{json.Number("1.5")}}},
		{Name: "ok", Schema: &manifest.Schema{Comment: "p.OK", Type: types("integer"), Examples: []any{json.Number("1")}}},
	}
	service.Components.Conflicts = []string{"two of one name"}
	require.EqualError(t, docs.CheckManifest(service), `two of one name
the example "three" of m/domains/shop/plugins.Item.Price is no number that the field can have
the example "name" of p.Sort is no string that the field can have
the example "yes" of p.On is no boolean that the field can have
the example "1.5" of p.N is no integer that the field can have`)
}
