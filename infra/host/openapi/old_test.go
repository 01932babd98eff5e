package openapi_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/infra/host/openapi"
)

// old returns what becomes of a schema in version 3.0, beside a schema T of an object.
func old(t *testing.T, schema string) string {
	t.Helper()
	text, err := openapi.Old(fmt.Appendf(nil, `{"openapi":"3.1.0","components":{"schemas":{"S":%s,"T":{"type":"object"}}}}`, schema))
	require.NoError(t, err)
	var doc struct {
		Components struct{ Schemas map[string]json.RawMessage }
	}
	require.NoError(t, json.Unmarshal(text, &doc))
	return string(doc.Components.Schemas["S"])
}

// Where null is allowed, generators for 3.0 lost it or stopped: a reference without a type beside nullable is none that may be
// null, and null in a list of numbers is a constant without a type.
func TestNullInVersion30(t *testing.T) {
	t.Parallel()
	for schema, want := range map[string]string{
		`{"type":["string","null"]}`:                                                   `{"type":"string","nullable":true}`,
		`{"type":"null"}`:                                                              `{"type":"string","nullable":true}`,
		`{"type":["integer","null"],"enum":[1,2,null]}`:                                `{"type":"integer","nullable":true,"enum":[1,2]}`,
		`{"type":["integer","string","null"]}`:                                         `{"anyOf":[{"type":"integer","nullable":true},{"type":"string","nullable":true}]}`,
		`{"anyOf":[{"$ref":"#/components/schemas/T"},{"type":"null"}]}`:                `{"type":"object","nullable":true,"allOf":[{"$ref":"#/components/schemas/T"}]}`,
		`{"anyOf":[{"anyOf":[{"type":"string"},{"type":"integer"}]},{"type":"null"}]}`: `{"anyOf":[{"anyOf":[{"type":"string"},{"type":"integer"}]},{"type":"string","nullable":true}]}`,
		`{"anyOf":[{"type":"boolean"},{"type":"integer"},{"type":"null"}]}`:            `{"anyOf":[{"type":"boolean"},{"type":"integer"},{"type":"string","nullable":true}]}`,
		`{"anyOf":[{"type":["boolean","null"]},{"type":"integer"}]}`:                   `{"anyOf":[{"type":"boolean","nullable":true},{"type":"integer"}]}`,
		`{"anyOf":[{"enum":["a",1]},{"type":"null"}]}`:                                 `{"anyOf":[{"enum":["a",1]},{"type":"string","nullable":true}]}`,
		`{"$ref":"#/components/schemas/T","description":"d"}`:                          `{"description":"d","allOf":[{"$ref":"#/components/schemas/T"}]}`,
		`{"type":"array"}`:             `{"type":"array","items":{}}`,
		`{"type":["array","boolean"]}`: `{"anyOf":[{"type":"array","items":{}},{"type":"boolean"}]}`,
		`{}`:                           `{}`,
		`{"type":"number","exclusiveMinimum":12345678901234567890.5}`:      `{"type":"number","minimum":12345678901234567890.5,"exclusiveMinimum":true}`,
		`{"type":"object","propertyNames":{"pattern":"^a$"},"items":{}}`:   `{"type":"object","items":{}}`,
		`{"type":"string","contentEncoding":"base64","examples":["AQ=="]}`: `{"type":"string","format":"byte","example":"AQ=="}`,
	} {
		require.JSONEq(t, want, old(t, schema), schema)
	}
}

// Version 3.0 has no word for a license's identifier, and linters ask for a license's page.
func TestTheLicenseInVersion30(t *testing.T) {
	t.Parallel()
	for license, want := range map[string]string{
		`{"name":"MIT","identifier":"MIT"}`:               `{"name":"MIT","url":"https://spdx.org/licenses/MIT.html"}`,
		`{"name":"Two","identifier":"MIT OR Apache-2.0"}`: `{"name":"Two"}`,
		`{"name":"Ours","url":"https://a.example"}`:       `{"name":"Ours","url":"https://a.example"}`,
	} {
		text, err := openapi.Old([]byte(`{"openapi":"3.1.0","info":{"license":` + license + `}}`))
		require.NoError(t, err)
		var doc struct {
			Info struct{ License json.RawMessage }
		}
		require.NoError(t, json.Unmarshal(text, &doc))
		require.JSONEq(t, want, string(doc.Info.License))
	}
}
