package openapi_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app/plug/openapi"
	"plugboard/infra/host/description"
)

// swagger is what swag writes about the routes below.
const swagger = `{
    "swagger": "2.0", "info": {"title": "Shop", "version": "1", "contact": {}},
    "paths": {
        "/things/{id}": {"put": {
            "operationId": "shop.put_thing", "security": [{"bearer": []}], "consumes": ["application/json"], "produces": ["application/json"],
            "parameters": [
                {"name": "id", "in": "path", "required": true, "type": "integer", "minimum": 1},
                {"name": "tag", "in": "query", "type": "array", "items": {"type": "string"}, "collectionFormat": "multi"},
                {"name": "body", "in": "body", "required": true, "schema": {"$ref": "#/definitions/plugins.PutThingRequest"}}
            ],
            "responses": {
                "200": {"description": "OK", "schema": {"$ref": "#/definitions/plugins.PutThingResponse"}},
                "202": {"description": "Later", "schema": {"$ref": "#/definitions/my_shop_app.Empty"}},
                "422": {"description": "No", "schema": {"$ref": "#/definitions/Failure"}}
            }
        }},
        "/things/{id}/picture": {"get": {
            "produces": ["image/png", "application/json"],
            "parameters": [{"name": "id", "in": "path", "required": true, "type": "integer"}],
            "responses": {
                "200": {"description": "OK", "schema": {"type": "file"}},
                "404": {"description": "Not Found", "schema": {"$ref": "#/definitions/Failure"}}
            }
        }},
        "/pictures": {"post": {
            "consumes": ["multipart/form-data"], "produces": ["application/json"],
            "parameters": [{"name": "file", "in": "formData", "required": true, "type": "file"}],
            "responses": {"204": {"description": "Stored"}}
        }}
    },
    "securityDefinitions": {"bearer": {"type": "apiKey", "in": "header", "name": "Authorization"}},
    "definitions": {
        "Failure": {"type": "object", "properties": {
            "success": {"type": "boolean"}, "data": {"type": "object", "x-nullable": true}, "error": {"type": "string"}, "code": {"type": "string"},
            "details": {"type": "array", "items": {"$ref": "#/definitions/Violation"}}
        }},
        "Violation": {"type": "object", "properties": {"field": {"type": "string"}, "rule": {"type": "string"}, "message": {"type": "string"}}},
        "my_shop_app.Empty": {"type": "object"},
        "plugins.Part": {"type": "object", "properties": {"at": {"type": "string"}, "size": {"type": "integer"}}},
        "plugins.PutThingRequest": {"type": "object", "properties": {
            "rate": {"type": "number"}, "code": {"type": "string"}, "part": {"$ref": "#/definitions/plugins.Part"},
            "more": {"type": "array", "items": {"$ref": "#/definitions/plugins.Part"}}, "Hidden": {"type": "string"},
            "anything": {"type": "object", "description": "said by hand"}
        }},
        "plugins.PutThingData": {"type": "object", "properties": {"part": {"description": "a part", "allOf": [{"$ref": "#/definitions/plugins.Part"}]}}},
        "plugins.PutThingResponse": {"type": "object", "properties": {
            "success": {"type": "boolean"}, "error": {"type": "string", "x-nullable": true}, "data": {"$ref": "#/definitions/plugins.PutThingData"}
        }}
    }
}`

func routes(t *testing.T) []description.Route {
	t.Helper()
	schema := func(text string) *description.Schema {
		s := new(description.Schema)
		require.NoError(t, json.Unmarshal([]byte(text), s))
		return s
	}
	id := description.Field{Name: "id", In: "path", Required: true, Schema: schema(`{"type":"integer","format":"int64","minimum":1,"example":7}`)}
	const part = `"type":"object","required":["size"],"properties":{
		"at":{"type":"string","format":"date-time"},"size":{"type":"integer","format":"int64","enum":[1,2]}}`
	return []description.Route{
		{
			Security: []string{"bearer"},
			Method:   "PUT", Path: "/things/:id", Kind: "io", Statuses: []int{200, 202}, Accepts: []string{"application/json"},
			Fields: []description.Field{
				id,
				{Name: "tag", In: "query", Schema: schema(`{"type":"array","maxItems":3,"items":{"type":"string","minLength":1,"pattern":"^[a-z]+$"}}`)},
				{Name: "rate", In: "body", Required: true, Schema: schema(`{"type":"number","format":"double","minimum":0,"exclusiveMinimum":true,"maximum":1,"exclusiveMaximum":true,"default":0.5}`)},
				{Name: "code", In: "body", Schema: schema(`{"type":"string","nullable":true,"minLength":2,"maxLength":4}`)},
				{Name: "part", In: "body", Schema: schema(`{"nullable":true,` + part + `}`)},
				{Name: "more", In: "body", Schema: schema(`{"type":"array","minItems":1,"uniqueItems":true,"items":{` + part + `}}`)},
				{Name: "anything", In: "body", Schema: schema(`{}`)},
			},
			Data: schema(`{"type":"object","required":["part"],"properties":{"part":{"type":"object","nullable":true,"required":["at","size"],
				"properties":{"at":{"type":"string","format":"date-time"},"size":{"type":"integer","format":"int64"}}}}}`),
		},
		{Method: "GET", Path: "/things/:id/picture", Kind: "io", Statuses: []int{200}, Binary: true, Fields: []description.Field{id}},
		{
			Method: "POST", Path: "/pictures", Kind: "cpu", Statuses: []int{204}, Accepts: []string{"multipart/form-data"},
			Fields: []description.Field{{Name: "file", In: "formData", Required: true, Schema: schema(`{"type":"string","format":"binary"}`)}},
		},
		{Method: "GET", Path: "/raw", Kind: "raw"},
	}
}

// document looks into what was generated.
type document map[string]any

func generate(t *testing.T, swagger string, routes []description.Route) document {
	t.Helper()
	text, err := openapi.Generate(t.Context(), []byte(swagger), routes)
	require.NoError(t, err)
	again, err := openapi.Generate(t.Context(), []byte(swagger), routes)
	require.NoError(t, err)
	require.Equal(t, string(text), string(again))
	var d document
	require.NoError(t, json.Unmarshal(text, &d))
	return d
}

// holds compares what is at a path of the document, whose parts are separated by spaces.
func (d document) holds(t *testing.T, path, want string) {
	t.Helper()
	at := any(map[string]any(d))
	for part := range strings.FieldsSeq(path) {
		object, ok := at.(map[string]any)
		require.True(t, ok, path)
		at = object[part]
	}
	got, err := json.Marshal(at)
	require.NoError(t, err)
	require.JSONEq(t, want, string(got), path)
}

// What Swagger 2.0 or swag has lost is there again.
func TestGenerateRestores(t *testing.T) {
	t.Parallel()
	d := generate(t, swagger, routes(t))
	d.holds(t, "openapi", `"3.0.3"`)
	d.holds(t, "info", `{"title":"Shop","version":"1"}`)
	const put, schemas = "paths /things/{id} put ", "components schemas "
	d.holds(t, put+"parameters", `[
		{"name":"id","in":"path","required":true,"example":7,"schema":{"type":"integer","format":"int64","minimum":1}},
		{"name":"tag","in":"query","style":"form","explode":true,
			"schema":{"type":"array","maxItems":3,"items":{"type":"string","minLength":1,"pattern":"^[a-z]+$"}}}]`)
	d.holds(t, put+"security", `[{"bearer":[]}]`)
	d.holds(t, "components securitySchemes", `{"bearer":{"type":"http","scheme":"bearer"}}`)
	d.holds(t, put+"requestBody", `{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/PutThingRequest"}}}}`)
	d.holds(t, schemas+"PutThingRequest required", `["rate"]`)
	d.holds(t, schemas+"PutThingRequest properties", `{
		"rate":{"type":"number","format":"double","minimum":0,"exclusiveMinimum":true,"maximum":1,"exclusiveMaximum":true,"default":0.5},
		"code":{"type":"string","nullable":true,"minLength":2,"maxLength":4},
		"part":{"nullable":true,"allOf":[{"$ref":"#/components/schemas/Part"}]},
		"more":{"type":"array","minItems":1,"uniqueItems":true,"items":{"$ref":"#/components/schemas/Part"}},
		"anything":{"type":"object","description":"said by hand"}}`)
	d.holds(t, schemas+"Part", `{"type":"object","required":["size"],"properties":{
		"at":{"type":"string","format":"date-time"},"size":{"type":"integer","format":"int64","enum":[1,2]}}}`)
	d.holds(t, schemas+"PutThingResponse required", `["success","data","error"]`)
	d.holds(t, schemas+"PutThingResponse properties error", `{"type":"string","nullable":true,"example":null}`)
	d.holds(t, schemas+"PutThingData", `{"type":"object","required":["part"],"properties":{
		"part":{"description":"a part","nullable":true,"allOf":[{"$ref":"#/components/schemas/Part"}]}}}`)
	d.holds(t, schemas+"Empty", `{"type":"object"}`)
	d.holds(t, schemas+"Failure required", `["success","data","error","code"]`)
	d.holds(t, schemas+"Violation required", `["field","rule","message"]`)
	const picture = "paths /things/{id}/picture get responses "
	d.holds(t, picture+"200 content", `{"image/png":{"schema":{"type":"string","format":"binary"}}}`)
	d.holds(t, picture+"404", `{"$ref":"#/components/responses/NotFound"}`)
	d.holds(t, "components responses", `{"NotFound":{"description":"Not Found","content":{"application/json":{
		"schema":{"$ref":"#/components/schemas/Failure"},
		"example":{"success":false,"data":null,"error":"there is nothing of this id","code":"not_found"}}}}}`)
	d.holds(t, put+"responses 422", `{"description":"No","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Failure"}}}}`)
	d.holds(t, "paths /pictures post requestBody", `{"required":true,"content":{"multipart/form-data":{"schema":{
		"type":"object","required":["file"],"properties":{"file":{"type":"string","format":"binary"}}}}}}`)
}

func TestGenerateRefuses(t *testing.T) {
	t.Parallel()
	without := func(n int) []description.Route { r := routes(t); return append(r[:n:n], r[n+1:]...) }
	for want, c := range map[string]struct {
		old, with string
		routes    []description.Route
	}{
		"PUT /things/{id} is registered and not described":                         {`"put"`, `"post"`, nil},
		"POST /pictures is described and not registered":                           {"", "", without(2)},
		"PUT /things/{id}: the query parameter tag is registered and not":          {`"name": "tag"`, `"name": "label"`, nil},
		"PUT /things/{id}: status 202 is registered and not described":             {`"202"`, `"203"`, nil},
		"PUT /things/{id}: a body of application/json is registered and not":       {`"consumes": ["application/json"]`, `"consumes": ["text/plain"]`, nil},
		"name schemas: Violation and plugins.Violation would both be called Viol":  {`"plugins.Part": {`, `"plugins.Violation": {}, "plugins.Part": {`, nil},
		"PUT /things/{id}: the security scheme bearer is not defined: say in docs": {`"securityDefinitions": {"bearer"`, `"securityDefinitions": {"key"`, nil},
		"validate openapi": {`"title": "Shop", `, ``, nil},
		"read swagger":     {`{`, `[`, nil},
	} {
		if c.routes == nil {
			c.routes = routes(t)
		}
		_, err := openapi.Generate(t.Context(), []byte(strings.Replace(swagger, c.old, c.with, 1)), c.routes)
		require.ErrorContains(t, err, want[:len(want)-1])
	}
}

// The document of this service is valid, and an example that does not fit its schema would not be.
func TestDocumentIsValid(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/openapi.json")
	require.NoError(t, err)
	require.NoError(t, openapi.Validate(t.Context(), text))
	for old, wrong := range map[string]string{
		`"example": 49.9`:          `"example": -1`,
		`"openapi": "3.0.3"`:       `"openapi": ""`,
		`#/components/schemas/`:    `#/components/schema/`,
		`"example": "product.cre`:  `"example": 7, "x": "`,
		`"name": "id",`:            `"name": "number",`,
		`"default": 20`:            `"default": 101`,
		`"type": "integer"`:        `"type": "int"`,
		`"operationId": "products`: `"operationId": "products.list_products", "x": "`,
	} {
		require.Contains(t, string(text), old)
		require.Error(t, openapi.Validate(t.Context(), []byte(strings.ReplaceAll(string(text), old, wrong))), wrong)
	}
}
