package schema_test

import (
	stdjson "encoding/json"
	"errors"
	"math/big"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-playground/validator/v10"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"plugboard/app"
	"plugboard/infra/host/manifest"
	"plugboard/infra/host/schema"
)

type (
	label    string
	tiny     uint8
	blob     []byte
	textual  struct{ text string }
	onlyRead struct{}
	pair     struct {
		A int `json:"a"`
	}
	told struct{}
	node struct {
		Next *node `json:"next"`
	}
	outer struct {
		pair
		*Inner
		B string `json:"b,omitempty"`
		C *int   `json:"c,omitempty"`
	}
)

// Inner is embedded.
type Inner struct {
	D bool `json:"d"`
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *textual) UnmarshalText(text []byte) error { t.text = string(text); return nil }

// MarshalText implements encoding.TextMarshaler.
func (t textual) MarshalText() ([]byte, error) { return []byte(t.text), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (t *onlyRead) UnmarshalJSON([]byte) error { return errors.New("never") }

// JSONSchema implements app.SchemaTeller.
func (told) JSONSchema() string { return `{"type":"string","pattern":"^[A-Z]$"}` }

// Of every kind of type, the schema of what is received and of what is sent.
func TestSchemaOfEveryKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ            reflect.Type
		received, sent string // sent is "" where it is as received
	}{
		{reflect.TypeFor[bool](), `{"type":"boolean"}`, ``},
		{reflect.TypeFor[string](), `{"type":"string"}`, ``},
		{reflect.TypeFor[label](), `{"type":"string"}`, ``},
		{reflect.TypeFor[int](), `{"type":"integer","format":"int64"}`, ``},
		{reflect.TypeFor[int64](), `{"type":"integer","format":"int64"}`, ``},
		{reflect.TypeFor[int32](), `{"type":"integer","format":"int32"}`, ``},
		{reflect.TypeFor[int8](), `{"type":"integer","format":"int32","minimum":-128,"maximum":127}`, ``},
		{reflect.TypeFor[int16](), `{"type":"integer","format":"int32","minimum":-32768,"maximum":32767}`, ``},
		{reflect.TypeFor[uint64](), `{"type":"integer","format":"uint64","minimum":0}`, ``},
		{reflect.TypeFor[uint32](), `{"type":"integer","format":"int64","minimum":0,"maximum":4294967295}`, ``},
		{reflect.TypeFor[tiny](), `{"type":"integer","format":"int32","minimum":0,"maximum":255}`, ``},
		{reflect.TypeFor[float32](), `{"type":"number","format":"float"}`, ``},
		{reflect.TypeFor[float64](), `{"type":"number","format":"double"}`, ``},
		{reflect.TypeFor[*string](), `{"type":["string","null"]}`, ``},
		{reflect.TypeFor[**int32](), `{"type":["integer","null"],"format":"int32"}`, ``},
		{reflect.TypeFor[[]byte](), `{"type":"string","contentEncoding":"base64"}`, ``},
		{reflect.TypeFor[blob](), `{"type":"string","contentEncoding":"base64"}`, ``},
		{reflect.TypeFor[[2]byte](), `{"type":"string","contentEncoding":"base64"}`, ``},
		{reflect.TypeFor[[]tiny](), `{"type":"array","items":{"type":"integer","format":"int32","minimum":0,"maximum":255}}`, ``},
		{reflect.TypeFor[[]*bool](), `{"type":"array","items":{"type":["boolean","null"]}}`, ``},
		{reflect.TypeFor[[3]bool](), `{"type":"array","minItems":3,"maxItems":3,"items":{"type":"boolean"}}`, ``},
		{reflect.TypeFor[map[string]bool](), `{"type":"object","additionalProperties":{"type":"boolean"}}`, ``},
		{reflect.TypeFor[map[int]bool](), `{"type":"object","additionalProperties":{"type":"boolean"},"propertyNames":{"pattern":"^-?(0|[1-9][0-9]*)$"}}`, ``},
		{reflect.TypeFor[map[uint]bool](), `{"type":"object","additionalProperties":{"type":"boolean"},"propertyNames":{"pattern":"^(0|[1-9][0-9]*)$"}}`, ``},
		{reflect.TypeFor[map[app.Date]bool](), `{"type":"object","additionalProperties":{"type":"boolean"},"propertyNames":{"format":"date"}}`, ``},
		{reflect.TypeFor[struct {
			A int `json:"a"`
		}](), `{"type":"object","properties":{"a":{"type":"integer","format":"int64"}}}`, `{"type":"object","properties":{"a":{"type":"integer","format":"int64"}},"required":["a"]}`},
		{reflect.TypeFor[any](), `{"x-rules":[{"rule":"type","says":"has no number beyond the range of 64-bit floats"}]}`, `{}`},
		{reflect.TypeFor[stdjson.RawMessage](), `{}`, ``},
		{reflect.TypeFor[jsontext.Value](), `{}`, ``},
		{reflect.TypeFor[stdjson.Number](), `{"type":"number"}`, ``},
		{reflect.TypeFor[big.Int](), `{"type":"integer"}`, ``},
		{reflect.TypeFor[time.Time](), `{"type":"string","format":"date-time"}`, ``},
		{reflect.TypeFor[*app.Date](), `{"type":["string","null"],"format":"date"}`, ``},
		{reflect.TypeFor[uuid.UUID](), `{"type":"string","format":"uuid"}`, ``},
		{reflect.TypeFor[netip.Addr](), `{"type":"string","x-rules":[{"rule":"type","says":"has a form of its own"}]}`, `{"type":"string"}`},
		{reflect.TypeFor[textual](), `{"type":"string","x-rules":[{"rule":"type","says":"has a form of its own"}]}`, `{"type":"string"}`},
		{reflect.TypeFor[onlyRead](), `{"type":["array","boolean","number","object","string"],"x-rules":[{"rule":"type","says":"has a form of its own"}]}`, `{"$ref":"#/components/schemas/schema_test.onlyRead"}`},
		{reflect.TypeFor[told](), `{"type":"string","pattern":"^[A-Z]$"}`, ``},
		{reflect.TypeFor[app.Optional[bool]](), `{"type":["boolean","null"]}`, ``},
		{reflect.TypeFor[pair](), `{"$ref":"#/components/schemas/schema_test.pair"}`, ``},
		{reflect.TypeFor[*pair](), `{"anyOf":[{"$ref":"#/components/schemas/schema_test.pair"},{"type":"null"}]}`, ``},
	} {
		require.Equal(t, c.received, written(t, c.typ, schema.Use{}), c.typ.String())
		sent := c.sent
		if sent == "" {
			sent = c.received
		}
		require.Equal(t, sent, written(t, c.typ, schema.Use{Answer: true}), c.typ.String())
	}
}

// written is the schema of a type as JSON, without the names of Go.
func written(t *testing.T, typ reflect.Type, use schema.Use) string {
	t.Helper()
	set := schema.NewSet()
	s := set.Of(typ, use)
	set.Components(s)
	return withoutComments(t, s)
}

func withoutComments(t *testing.T, s *manifest.Schema) string {
	t.Helper()
	var forget func(s *manifest.Schema)
	forget = func(s *manifest.Schema) {
		s.Comment = ""
		for _, part := range s.Parts() {
			forget(part)
		}
	}
	forget(s)
	text, err := stdjson.Marshal(s)
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

// Structs are named and described once for each use in which they differ; what is embedded is flat.
func TestStructsAreComponents(t *testing.T) {
	t.Parallel()
	set := schema.NewSet()
	set.Of(reflect.TypeFor[outer](), schema.Use{Answer: true})
	set.Of(reflect.TypeFor[outer](), schema.Use{Strict: true})
	set.Of(reflect.TypeFor[node](), schema.Use{})
	components, conflicts := set.Components()
	require.Empty(t, conflicts)
	found := map[string]string{}
	for name, s := range components {
		found[name] = withoutComments(t, s)
	}
	const members = `"properties":{"a":{"type":"integer","format":"int64"},"b":{"type":"string"},"c":`
	require.Equal(t, map[string]string{
		"schema_test.outer":       `{"type":"object",` + members + `{"type":"integer","format":"int64"},"d":{"type":"boolean"}},"required":["a"]}`,
		"schema_test.outerStrict": `{"type":"object",` + members + `{"type":["integer","null"],"format":"int64"},"d":{"type":"boolean"}},"additionalProperties":false}`,
		"schema_test.node":        `{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/components/schemas/schema_test.node"},{"type":"null"}]}}}`,
	}, found)
}

// ownText is a text with a form of its own, of which the empty one may be a value.
type ownText string

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *ownText) UnmarshalText(text []byte) error {
	*o = ownText(text)
	return nil
}

// Of every rule, what the schema says of it. What it cannot say is listed.
func TestSchemaOfEveryRule(t *testing.T) {
	t.Parallel()
	text, integer, float := reflect.TypeFor[string](), reflect.TypeFor[int](), reflect.TypeFor[float64]()
	list, dict := reflect.TypeFor[[]int](), reflect.TypeFor[map[string]int]()
	const (
		items  = `"items":{"type":"integer","format":"int64"}`
		values = `"additionalProperties":{"type":"integer","format":"int64"}`
	)
	for _, c := range []struct {
		typ      reflect.Type
		rules    string
		want     string
		required bool
	}{
		{text, "", `{"type":"string"}`, false},
		{text, "required", `{"type":"string","minLength":1}`, true},
		{text, "required,min=3", `{"type":"string","minLength":3}`, true},
		{text, "min=0,required", `{"type":"string","minLength":1}`, true},
		{text, "required,max=3", `{"type":"string","minLength":1,"maxLength":3}`, true},
		{text, "gt=3,lt=5", `{"type":"string","minLength":4,"maxLength":4}`, false},
		{text, "len=3", `{"type":"string","minLength":3,"maxLength":3}`, false},
		{text, "oneof=a 'b c'", `{"type":"string","enum":["a","b c"]}`, false},
		{text, "eq=a|eq=b", `{"type":"string","enum":["a","b"]}`, false},
		{text, "eq=a|min=3", `{"type":"string","x-rules":[{"rule":"any_of","says":"eq a or min 3"}]}`, false},
		{text, "ne=a", `{"type":"string","not":{"enum":["a"]}}`, false},
		{text, "email,max=9", `{"type":"string","format":"email","maxLength":9,"x-rules":[{"rule":"email","says":"email"}]}`, false},
		{text, "datetime=2006-01-02", `{"type":"string","format":"date","x-rules":[{"rule":"datetime","says":"datetime 2006-01-02"}]}`, false},
		{text, "startswith=a.,alpha", `{"type":"string","pattern":"^a\\.","allOf":[{"pattern":"^[a-zA-Z]+$"}]}`, false},
		{text, "iso4217", `{"type":"string","x-rules":[{"rule":"iso4217","says":"iso4217"}]}`, false},
		{reflect.TypeFor[ownText](), "required", `{"type":"string","x-rules":[{"rule":"type","says":"has a form of its own"}]}`, true},
		{reflect.TypeFor[*string](), "required", `{"type":"string"}`, true},
		{reflect.TypeFor[*string](), "omitempty,oneof=a", `{"type":["string","null"],"enum":["a",null]}`, false},
		{integer, "required", `{"type":"integer","format":"int64"}`, true},
		{integer, "gt=0,lt=5", `{"type":"integer","format":"int64","minimum":1,"maximum":4}`, false},
		{integer, "min=9007199254740993", `{"type":"integer","format":"int64","minimum":9007199254740993}`, false},
		{integer, "oneof=1 2", `{"type":"integer","format":"int64","enum":[1,2]}`, false},
		{float, "gt=0.1,lte=1e3", `{"type":"number","format":"double","exclusiveMinimum":0.1,"maximum":1e3}`, false},
		{list, "required,min=1,max=3,unique", `{"type":"array","minItems":1,"maxItems":3,"uniqueItems":true,` + items + `}`, true},
		{list, "dive,gt=0", `{"type":"array","items":{"type":"integer","format":"int64","minimum":1}}`, false},
		{dict, "gt=1", `{"type":"object","minProperties":2,` + values + `}`, false},
		{dict, "dive,keys,alpha,endkeys,min=1", `{"type":"object","additionalProperties":{"type":"integer","format":"int64","minimum":1},"propertyNames":{"type":"string","pattern":"^[a-zA-Z]+$"}}`, false},
		{reflect.TypeFor[any](), "min=1", `{"x-rules":[{"rule":"type","says":"has no number beyond the range of 64-bit floats"},{"rule":"min","says":"min 1"},{"rule":"type","says":"is a value that its rules fit"}]}`, false},
		{reflect.TypeFor[time.Time](), "gtefield=Other", `{"type":"string","format":"date-time","x-rules":[{"rule":"gtefield","says":"gtefield other"}]}`, false},
		{reflect.TypeFor[stdjson.Number](), "min=1", `{"type":"number","x-rules":[{"rule":"min","says":"min 1"}]}`, false},
	} {
		typ := reflect.StructOf([]reflect.StructField{
			{Name: "X", Type: c.typ, Tag: reflect.StructTag(`json:"x" binding:"` + c.rules + `"`)},
			{Name: "Other", Type: c.typ, Tag: `json:"other"`},
		})
		s := schema.NewSet().Of(typ, schema.Use{})
		require.Equal(t, c.want, withoutComments(t, s.Properties["x"]), c.rules)
		require.Equal(t, c.required, len(s.Required) > 0, c.rules)
	}
}

// What a plugin checks by itself is listed where its tag says so.
func TestChecksAreListed(t *testing.T) {
	t.Parallel()
	s := schema.NewSet().Of(reflect.TypeFor[struct {
		A string `json:"a" checks:"known=is known here; fresh"`
	}](), schema.Use{})
	require.Equal(t, []manifest.Rule{{Rule: "known", Says: "is known here"}, {Rule: "fresh"}}, s.Properties["a"].Rules)
}

// A pattern says of each text what the validator says of it.
func TestPatternsAreTheRules(t *testing.T) {
	t.Parallel()
	v := validator.New()
	for _, rule := range []string{
		"alpha", "alphanum", "numeric", "number", "hexadecimal", "hexcolor", "e164", "printascii", "startswith=a.b", "endswith=a.b", "contains=a.b",
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			typ := reflect.StructOf([]reflect.StructField{{Name: "X", Type: reflect.TypeFor[string](), Tag: reflect.StructTag(`json:"x" binding:"` + rule + `"`)}})
			text := schema.NewSet().Of(typ, schema.Use{}).Properties["x"].Pattern
			pattern := regexp.MustCompile(text)
			texts := rapid.OneOf(rapid.StringMatching(text), rapid.String(), rapid.StringMatching(`[-+#.]?[0-9a-fA-FxX]{0,9}(\.[0-9]*)?[eEg \n]?`))
			rapid.Check(t, func(t *rapid.T) {
				text := texts.Draw(t, "text")
				if v.Var(text, rule) == nil != pattern.MatchString(text) {
					t.Fatalf("the pattern says %t", pattern.MatchString(text))
				}
			})
		})
	}
}
