package schema_test

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/infra/host/schema"
)

type (
	tellsWell   struct{}
	tellsNoJSON struct{}
	tellsOneOf  struct{}
	tellsType   struct{}
	tellsRef    struct{}
)

func (tellsWell) JSONSchema() string {
	return `{"type":["string","null"],"pattern":"^x","properties":{"a":{"minimum":1}},"additionalProperties":false}`
}
func (tellsNoJSON) JSONSchema() string { return `{"type":` }
func (tellsOneOf) JSONSchema() string  { return `{"items":{"oneOf":[{"type":"string"}]}}` }
func (tellsType) JSONSchema() string   { return `{"type":"strng"}` }
func (tellsRef) JSONSchema() string    { return `{"$ref":"#/$defs/x"}` }

// What a type tells of itself and the documents cannot pass on is named.
func TestWhatTypesTellWronglyIsNamed(t *testing.T) {
	t.Parallel()
	s := schema.NewSet()
	_ = s.Of(reflect.TypeFor[struct {
		A tellsWell   `json:"a"`
		B tellsNoJSON `json:"b"`
		C tellsOneOf  `json:"c"`
		D tellsType   `json:"d"`
		E tellsRef    `json:"e"`
	}](), schema.Use{Answer: true})
	_, conflicts := s.Components()
	require.Len(t, conflicts, 4)
	require.Contains(t, conflicts[0], "JSONSchema of plugboard/infra/host/schema_test.tellsNoJSON is no JSON")
	require.Contains(t, conflicts[1], `tellsOneOf has "oneOf", which the documents cannot pass on; it may have description, type,`)
	require.Contains(t, conflicts[2], "tellsType has the type strng")
	require.Contains(t, conflicts[3], `tellsRef has "$ref"`)
}
