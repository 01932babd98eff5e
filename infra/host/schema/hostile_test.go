package schema_test

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/host/schema"
)

type (
	endless    []endless
	endlessMap map[string]endlessMap
	holder     struct {
		List endless    `json:"list"`
		Map  endlessMap `json:"map"`
	}
	either  struct{}
	choice  struct{}
	listed  struct{}
	pointed struct{ text *string }
	brought struct{ *pointed }
)

// JSONSchema implements app.SchemaTeller.
func (either) JSONSchema() string { return `{"anyOf":[{"type":"string"},{"type":"integer"}]}` }

// JSONSchema implements app.SchemaTeller.
func (choice) JSONSchema() string { return `{"enum":["a",1]}` }

// JSONSchema implements app.SchemaTeller.
func (listed) JSONSchema() string { return `{"type":"array"}` }

// JSONSchema implements app.SchemaTeller.
func (p *pointed) JSONSchema() string { return *p.text }

// propertyOf is the schema of a member of a type with a tag.
func propertyOf(t *testing.T, typ reflect.Type, tag string, use schema.Use) string {
	t.Helper()
	s := schema.NewSet().Of(reflect.StructOf([]reflect.StructField{{Name: "X", Type: typ, Tag: reflect.StructTag(`json:"x" ` + tag)}}), use)
	return withoutComments(t, s.Properties["x"])
}

// The rules take numbers that JSON does not. A document with one of them could not be written at all, and the stale one was shown.
func TestNumbersThatJSONDoesNotHave(t *testing.T) {
	t.Parallel()
	float, integer, list := reflect.TypeFor[float64](), reflect.TypeFor[int](), reflect.TypeFor[[]string]()
	const ofFloat, ofInteger = `{"type":"number","format":"double"`, `{"type":"integer","format":"int64"`
	for _, c := range []struct {
		typ       reflect.Type
		tag, want string
	}{
		{float, `binding:"omitempty,gt=.5,lte=5."`, ofFloat + `,"exclusiveMinimum":0.5,"maximum":5}`},
		{float, `binding:"lte=Inf"`, ofFloat + `,"x-rules":[{"rule":"lte","says":"lte Inf"}]}`},
		{integer, `binding:"gte=+0,max=010"`, ofInteger + `,"minimum":0,"maximum":8}`},
		{integer, `binding:"lt=0x10"`, ofInteger + `,"maximum":15}`},
		{reflect.TypeFor[uint64](), `binding:"omitempty,gt=18446744073709551613"`, `{"type":"integer","format":"uint64","minimum":18446744073709551614}`},
		{list, `binding:"max=1_0"`, `{"type":"array","maxItems":10,"items":{"type":"string"}}`},
		{integer, `default:"+7" example:"07"`, ofInteger + `,"default":7,"examples":[7]}`},
		{float, `example:"NaN"`, ofFloat + `,"examples":["NaN"]}`},
	} {
		require.JSONEq(t, c.want, propertyOf(t, c.typ, c.tag, schema.Use{}), c.tag)
	}
}

// In tags, 0x2C is a comma and 0x7C a bar. The document asked for these characters themselves.
func TestCommasAndBarsInRules(t *testing.T) {
	t.Parallel()
	text := reflect.TypeFor[string]()
	require.JSONEq(t, `{"type":"string","pattern":","}`, propertyOf(t, text, `binding:"omitempty,contains=0x2C"`, schema.Use{}))
	require.JSONEq(t, `{"type":"string","enum":["a|b","c,d"]}`, propertyOf(t, text, `binding:"omitempty,eq=a0x7Cb|eq=c0x2Cd"`, schema.Use{}))
}

// A pointer to a type that tells its schema by alternatives or values lost its null.
func TestNullBesideAlternatives(t *testing.T) {
	t.Parallel()
	for _, use := range []schema.Use{{}, {Answer: true}} {
		require.JSONEq(t, `{"anyOf":[{"anyOf":[{"type":"string"},{"type":"integer"}]},{"type":"null"}]}`, propertyOf(t, reflect.TypeFor[*either](), ``, use))
		require.JSONEq(t, `{"anyOf":[{"enum":["a",1]},{"type":"null"}]}`, propertyOf(t, reflect.TypeFor[*choice](), ``, use))
	}
	required := propertyOf(t, reflect.TypeFor[*choice](), `binding:"required"`, schema.Use{})
	require.JSONEq(t, `{"enum":["a",1]}`, required)
	require.JSONEq(t, `{"enum":["a",1]}`, propertyOf(t, reflect.TypeFor[app.Optional[choice]](), `binding:"required"`, schema.Use{}))
}

// What a type tells of itself may be little, or a panic: the first look at the document ended in one.
func TestFormsThatTellLittle(t *testing.T) {
	t.Parallel()
	require.JSONEq(t, `{"type":"array"}`, propertyOf(t, reflect.TypeFor[listed](), `enums:"a,b"`, schema.Use{Answer: true}))
	require.JSONEq(t, `{"type":"array","default":["a","b"]}`, propertyOf(t, reflect.TypeFor[listed](), `default:"a,b"`, schema.Use{}))
	require.NotPanics(t, func() { propertyOf(t, reflect.TypeFor[brought](), ``, schema.Use{Answer: true}) })
}

// Events with a list of itself had no schema with an end.
func TestInlineOfTypesWithoutEnd(t *testing.T) {
	t.Parallel()
	s := schema.Inline(reflect.TypeFor[holder]())
	require.JSONEq(t, `{"type":"object","required":["list","map"],"properties":{"list":{"type":"array","items":{"type":"array"}},
		"map":{"type":"object","additionalProperties":{"type":"object"}}}}`, withoutComments(t, s))
}
