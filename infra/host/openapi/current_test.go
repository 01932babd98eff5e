package openapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/infra/host/manifest"
	"plugboard/infra/host/openapi"
)

// mail is a service that answers with a type whose members are called as the parts of an answer in the document.
func mail(headers string) manifest.Service {
	members := map[string]*manifest.Schema{"content": {Type: types("string")}}
	if headers != "" {
		members["headers"] = &manifest.Schema{Type: types(headers)}
	}
	return manifest.Service{
		Components: manifest.Components{Schemas: map[string]*manifest.Schema{"Mail": {Type: types("object"), Properties: members}}},
		Endpoints:  []manifest.Endpoint{{ID: "shop.mail", Method: "GET", Path: "/mail", Kind: "io", Statuses: []int{200}, Data: ref("Mail")}},
	}
}

// A stale document was taken for a current one when the only change was in a member called headers beside one called content.
func TestMembersCalledHeadersAreCompared(t *testing.T) {
	t.Parallel()
	built, stale, err := openapi.Current([]byte("{}"), mail("object"))
	require.NoError(t, err)
	require.True(t, stale)
	_, stale, err = openapi.Current(built, mail("object"))
	require.NoError(t, err)
	require.False(t, stale)
	for _, other := range []string{"array", ""} {
		_, stale, err := openapi.Current(built, mail(other))
		require.NoError(t, err)
		require.True(t, stale, other)
	}
}

// Whatever a service was built with, the document has what every document must have.
func TestAnyBuiltDocumentIsReplacedByAWholeOne(t *testing.T) {
	t.Parallel()
	for _, built := range []string{
		"", "null", "[]", "{", "{}", "7", `{"paths":null}`, `{"paths":{"/a":null}}`, `{"paths":{"/a":{"get":{"parameters":[null],"responses":{"200":null}}}}}`,
		`{"info":5}`, `{"info":{"title":"T"}}`, `{"openapi":"3.1.0"}more`, strings.Repeat("[", 100_000), `{"components":{"securitySchemes":{"a":null}}}`,
	} {
		document, stale, err := openapi.Current([]byte(built), mail("object"))
		require.NoError(t, err, built)
		require.True(t, stale, built)
		var read openapi.Document
		require.NoError(t, json.Unmarshal(document, &read), built)
		require.NotEmpty(t, read.Info.Title, built)
		require.NotEmpty(t, read.Info.Version, built)
		require.Len(t, read.Paths, 1, built)
	}
}
