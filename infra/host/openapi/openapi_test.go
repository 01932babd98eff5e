package openapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/infra/host/manifest"
	"plugboard/infra/host/openapi"
)

// words are the texts of the tests: every declaration is told of by its name.
type words struct{}

func (words) Operation(e manifest.Endpoint) openapi.Words {
	return openapi.Words{
		Summary: "Sell", Description: "Sells " + e.ID + ".", Parameters: map[string]string{"id": "Which"}, Answers: map[int]string{201: "Sold"},
		Headers: []openapi.HeaderWords{{Statuses: []int{201}, Name: "Location", Type: "string", About: "Where"}},
	}
}
func (words) Declaration(name string) string { return "About " + name }
func (words) Tag(name string) string         { return name + "!" }

func types(names ...string) manifest.Types { return names }

func ref(name string) *manifest.Schema { return &manifest.Schema{Ref: manifest.RefPrefix + name} }

// service has an endpoint that takes and answers with something of everything.
func service() manifest.Service {
	id := manifest.Parameter{Name: "id", In: "path", Required: true, Schema: &manifest.Schema{Type: types("integer"), Format: "int64", Examples: []any{json.Number("7")}}}
	auth := manifest.Parameter{Name: "Authorization", In: "header", Schema: &manifest.Schema{Type: types("string")}}
	return manifest.Service{
		Components: manifest.Components{Schemas: map[string]*manifest.Schema{
			"Sale": {
				Comment: "m.Sale", Type: types("object"), Required: []string{"price"}, AdditionalProperties: &manifest.Schema{Never: true},
				Properties: map[string]*manifest.Schema{
					"price": {Comment: "m.Sale.Price", Type: types("number"), ExclusiveMinimum: "0", Maximum: "18446744073709551615"},
					"again": {AnyOf: []*manifest.Schema{ref("Sale"), {Type: types("null")}}},
					"bytes": {Type: types("string", "null"), ContentEncoding: "base64"},
					"any":   {},
					"open":  {Type: types("array", "object")},
					"other": {Type: types("number", "string"), Not: &manifest.Schema{Enum: []any{"x"}}},
				},
			},
			"Unused": {Type: types("object")},
		}},
		Endpoints: []manifest.Endpoint{
			{
				ID: "shop.sell", Method: "POST", Path: "/things/:id", Plugin: "shop.sell", Source: "sell.go:7", Kind: "io", Statuses: []int{201, 204},
				Failures: []manifest.Failure{{Status: 409, Codes: []string{"conflict"}}, {Status: 422, Codes: []string{"invalid", "odd"}}},
				Accepts:  []string{"application/json"}, Tags: []string{"Shop"}, Security: []string{"bearer"}, Parameters: []manifest.Parameter{id, auth},
				Body: ref("Sale"), BodyRequired: true, Data: &manifest.Schema{Type: types("array"), Items: ref("Sale")},
				Rules: []manifest.Rule{{Field: "price", Rule: "odd", Says: "odd"}}, Deprecated: &manifest.Deprecation{Since: "2026-01-31", Sunset: "2027-01-31"},
			},
			{ID: "shop.look", Method: "GET", Path: "/things/:id", Kind: "io", Statuses: []int{200, 202}, Binary: true, Produces: []string{"image/png"}, Parameters: []manifest.Parameter{id}},
			{ID: "shop.secret", Method: "GET", Path: "/secret", Kind: "io", Statuses: []int{200}, Hidden: true},
		},
	}
}

func about() openapi.About {
	return openapi.About{
		Info:            openapi.Info{Title: "Shop", Version: "1", License: &openapi.License{Name: "MIT", Identifier: "MIT"}},
		SecuritySchemes: map[string]any{"bearer": map[string]any{"type": "http", "scheme": "bearer"}},
	}
}

// document looks into what was written.
type document map[string]any

func read(t *testing.T, text []byte) document {
	t.Helper()
	var d document
	require.NoError(t, json.Unmarshal(text, &d))
	return d
}

// holds requires what stands at a path of names, which spaces separate.
func (d document) holds(t *testing.T, path, want string) {
	t.Helper()
	var value any = map[string]any(d)
	for name := range strings.FieldsSeq(path) {
		value = value.(map[string]any)[name]
	}
	text, err := json.Marshal(value)
	require.NoError(t, err)
	require.JSONEq(t, want, string(text), path)
}

func written(t *testing.T) []byte {
	t.Helper()
	text, err := openapi.Write(service(), about(), words{})
	require.NoError(t, err)
	again, err := openapi.Write(service(), about(), words{})
	require.NoError(t, err)
	require.Equal(t, string(text), string(again), "the same from run to run")
	return text
}

// All answers of an endpoint with limits have headers that say how these stand.
func TestWriteDescribesLimits(t *testing.T) {
	t.Parallel()
	limited := service()
	limited.Endpoints[1].Limits = []manifest.Limit{{Requests: 9, Per: "1m0s", Key: "client"}}
	limited.Endpoints[1].Failures = []manifest.Failure{{Status: 429, Codes: []string{"too_many"}}}
	text, err := openapi.Write(limited, about(), words{})
	require.NoError(t, err)
	d := read(t, text)
	const quota = `{"description":"How the limits stand, such as \"client\";r=99;t=1: 99 requests are left, and all are there again after a second","schema":{"type":"string"}}`
	const policy = `{"description":"The limits on requests, such as \"client\";q=100;w=60 for 100 in a minute; see draft-ietf-httpapi-ratelimit-headers","schema":{"type":"string"}}`
	d.holds(t, "paths /things/{id} get responses 200 headers RateLimit", quota)
	d.holds(t, "paths /things/{id} get responses 304 headers RateLimit-Policy", policy)
	d.holds(t, "components responses TooManyRequests headers", `{"RateLimit":`+quota+`,"RateLimit-Policy":`+policy+`,
		"Retry-After":{"description":"After how many seconds to try again","schema":{"type":"integer","minimum":1}}}`)
	d.holds(t, "paths /things/{id} post responses 204 headers RateLimit", `null`)
}

func TestWrite(t *testing.T) {
	t.Parallel()
	text := written(t)
	require.Contains(t, string(text), `"maximum": 18446744073709551615`, "no digit is lost")
	require.NotContains(t, string(text), "$comment")
	require.NotContains(t, string(text), "secret", "hidden endpoints are not told of")
	d := read(t, text)
	const sell, look = "paths /things/{id} post ", "paths /things/{id} get "
	d.holds(t, sell+"parameters", `[{"name":"id","in":"path","description":"Which","required":true,"example":7,"schema":{"type":"integer","format":"int64"}}]`)
	d.holds(t, sell+"description", `"Sells shop.sell.\n\nDeprecated since 2026-01-31; it may be gone from 2027-01-31 on.\n\nChecked besides what the schemas say:\n\n- `+"`price`"+`: odd"`)
	d.holds(t, sell+"x-rules", `[{"field":"price","rule":"odd","says":"odd"}]`)
	d.holds(t, sell+"x-codes", `["conflict","invalid","odd"]`)
	d.holds(t, sell+"security", `[{"bearer":[]}]`)
	d.holds(t, sell+"requestBody", `{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Sale"}}}}`)
	d.holds(t, sell+"responses 201", `{"description":"Sold","headers":{"Location":{"description":"Where","schema":{"type":"string"}},
			"Deprecation":{"description":"The moment from which on the endpoint is deprecated (RFC 9745)","schema":{"type":"string"}},
			"Sunset":{"description":"The moment from which on it may be gone (RFC 8594)","schema":{"type":"string"}}},
		"content":{"application/json":{"schema":{"type":"object","required":["success","data","error"],"properties":{
			"success":{"type":"boolean","enum":[true]},"error":{"type":"null"},"data":{"type":"array","items":{"$ref":"#/components/schemas/Sale"}}}}}}}`)
	d.holds(t, sell+"responses 204 description", `"No Content"`)
	d.holds(t, sell+"responses 204 content", `null`)
	d.holds(t, sell+"responses 422", `{"$ref":"#/components/responses/UnprocessableEntity"}`)
	d.holds(t, sell+"responses default", `{"$ref":"#/components/responses/Failure"}`)
	d.holds(t, "components responses UnprocessableEntity content application/json schema", `{"allOf":[{"$ref":"#/components/schemas/Failure"},
		{"type":"object","properties":{"code":{"type":"string","enum":["invalid","odd"]}}}]}`)
	d.holds(t, "components schemas Unused", `null`)
	d.holds(t, "components schemas Sale properties price", `{"type":"number","description":"About m.Sale.Price","exclusiveMinimum":0,"maximum":18446744073709551615}`)
	d.holds(t, "components schemas Sale properties open", `{"type":["array","object"],"items":{}}`)
	d.holds(t, look+"responses 206 content", `{"image/png":{"schema":{"type":"string","format":"binary"}}}`)
	d.holds(t, look+"responses 304", `{"description":"Not Modified"}`)
	d.holds(t, look+"responses 202 content application/json schema properties data", `{"type":"object"}`)
	d.holds(t, "tags", `[{"name":"Shop","description":"Shop!"}]`)
}

// What 3.0 cannot say is said in the nearest true words.
func TestOld(t *testing.T) {
	t.Parallel()
	text, err := openapi.Old(written(t))
	require.NoError(t, err)
	require.Contains(t, string(text), `"maximum": 18446744073709551615`)
	d := read(t, text)
	d.holds(t, "openapi", `"3.0.3"`)
	d.holds(t, "info license", `{"name":"MIT","url":"https://spdx.org/licenses/MIT.html"}`)
	d.holds(t, "components schemas Sale", `{"type":"object","description":"About m.Sale","required":["price"],"additionalProperties":false,"properties":{
		"price":{"type":"number","description":"About m.Sale.Price","minimum":0,"exclusiveMinimum":true,"maximum":18446744073709551615},
		"again":{"type":"object","nullable":true,"allOf":[{"$ref":"#/components/schemas/Sale"}]},
		"bytes":{"type":"string","format":"byte","nullable":true},
		"any":{},
		"open":{"items":{},"anyOf":[{"type":"array","items":{}},{"type":"object"}]},
		"other":{"anyOf":[{"type":"number"},{"type":"string"}],"not":{"enum":["x"]}}}}`)
	d.holds(t, "components schemas Failure properties data", `{"type":"string","nullable":true}`)
	_, err = openapi.Old([]byte("{"))
	require.ErrorContains(t, err, "read openapi")
}

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*manifest.Service){
		"plugin shop.sell (sell.go:7): the security scheme key is not defined": func(s *manifest.Service) { s.Endpoints[0].Security = []string{"key"} },
		"a.X and b.X would both be called X":                                   func(s *manifest.Service) { s.Components.Conflicts = []string{"a.X and b.X would both be called X"} },
		"a type is called Failure, as a part of the envelope is": func(s *manifest.Service) {
			s.Components.Schemas["Failure"], s.Endpoints[0].Data = &manifest.Schema{}, ref("Failure")
		},
	} {
		s := service()
		change(&s)
		_, err := openapi.Write(s, about(), words{})
		require.ErrorContains(t, err, want)
	}
}

// A document is stale when it says otherwise than the registrations, in whatever words.
func TestCurrent(t *testing.T) {
	t.Parallel()
	built := written(t)
	document, stale, err := openapi.Current(built, service())
	require.NoError(t, err)
	require.False(t, stale)
	require.Equal(t, string(built), string(document))

	for name, change := range map[string]func(*manifest.Service){
		"limit": func(s *manifest.Service) {
			s.Components.Schemas["Sale"].Properties["price"].Maximum = "18446744073709551614"
		},
		"status": func(s *manifest.Service) { s.Endpoints[0].Statuses = []int{201} },
		"gone":   func(s *manifest.Service) { s.Endpoints = s.Endpoints[1:] },
		"hidden": func(s *manifest.Service) { s.Endpoints[2].Hidden, s.Endpoints[2].Data = false, &manifest.Schema{} },
	} {
		s := service()
		change(&s)
		document, stale, err = openapi.Current(built, s)
		require.NoError(t, err)
		require.True(t, stale, name)
		d := read(t, document)
		d.holds(t, "info title", `"Shop"`)
		d.holds(t, "paths /things/{id} get description", `"Sells shop.look."`)
	}
	s := service()
	s.Components.Conflicts = []string{"two of one name"}
	document, stale, err = openapi.Current([]byte("no document"), s)
	require.NoError(t, err)
	require.True(t, stale)
	read(t, document).holds(t, "paths /things/{id} post security", `null`)
}
