package rules_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver/bind/rules"
)

// broken returns what request, a pointer to a struct, breaks, as "field rule message".
func broken(t *testing.T, request any) (all []string) {
	t.Helper()
	var c rules.Compiler
	set, problems := c.Compile(reflect.TypeOf(request).Elem())
	require.Empty(t, problems)
	var found rules.Violations
	require.NoError(t, set.Apply(request, &found))
	return listed(found.Err())
}

func listed(err error) (all []string) {
	if known, ok := errors.AsType[*app.Error](err); ok {
		for _, v := range known.Details {
			all = append(all, v.Field+" "+v.Rule+" "+v.Message)
		}
	}
	return all
}

func TestViolationsNameTheCallersFieldsInWords(t *testing.T) {
	t.Parallel()
	type part struct {
		Low  int `json:"low"`
		High int `json:"high" binding:"gtfield=Low"`
	}
	type request struct {
		Name  string             `json:"name" binding:"max=3"`
		Page  int                `form:"page" binding:"required,gte=1"`
		Key   string             `header:"x-key" binding:"omitempty,uuid4"`
		State string             `json:"state" binding:"omitempty,oneof=open 'in progress'|eq=none"`
		Parts []part             `json:"parts" binding:"dive"`
		Size  app.Optional[int]  `json:"size" binding:"min=2"`
		Any   any                `json:"any" binding:"omitempty,min=1"`
		Note  *string            `json:"note" binding:"required"`
		Rates map[string]float64 `json:"rates" binding:"dive,keys,len=3,endkeys,lt=2"`
	}
	require.Equal(t, []string{
		"name max must have at most 3 characters",
		"page gte must be at least 1",
		"X-Key uuid4 must be a UUID",
		"state any_of must be one of open, in progress, or must be none",
		"parts.1.high gtfield must be greater than low",
		"size min must be at least 2",
		"note required is required",
		"rates.euro len must have exactly 3 characters",
		"rates.euro lt must be less than 2",
	}, broken(t, &request{
		Name: "four", Key: "k", State: "closed", Parts: []part{{1, 2}, {2, 1}}, Size: app.Optional[int]{Set: true}, Rates: map[string]float64{"euro": 2},
	}))
	note := ""
	require.Empty(t, broken(t, &request{Name: "abc", Page: 1, Note: &note}))
}

// A rule that panics on a value, as min does on a struct in an any, refuses that field and no other.
func TestAFieldWhoseRulePanicsIsRefused(t *testing.T) {
	t.Parallel()
	type request struct {
		Any  any    `json:"any" binding:"min=1"`
		Name string `json:"name" binding:"required,max=3"`
	}
	require.Equal(t, []string{"any type has a value that its rules do not fit", "name max must have at most 3 characters"},
		broken(t, &request{Any: struct{ A int }{}, Name: "four"}))
}

// A field that was given with its zero value is judged by all its rules; one that was not given is not.
func TestAZeroThatWasGiven(t *testing.T) {
	t.Parallel()
	type request struct {
		Count int `json:"count" binding:"omitempty,min=1"`
	}
	var c rules.Compiler
	set, problems := c.Compile(reflect.TypeFor[request]())
	require.Empty(t, problems)
	for given, want := range map[bool][]string{false: nil, true: {"count min must be at least 1"}} {
		var found rules.Violations
		r := &request{}
		if given {
			found.AddZero(rules.ZeroAt(reflect.ValueOf(r).Elem(), []int{0}, ""))
		}
		require.NoError(t, set.Apply(r, &found))
		require.Equal(t, want, listed(found.Err()))
	}
}

func TestRulesThatDoNotFitAreFoundAtStart(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		field any
		tag   string
		want  string
	}{
		{"", "nonsense", `the rule "nonsense" is unknown or does not fit a string`},
		{0, "required,unique", `the rule "unique" is unknown or does not fit a int`},
		{"", "required,file", "looks at the disk or the network"},
		{"", "required,omitempty", "keep one"},
		{0, "gte=1", "refuses the value it has when it is not given"},
		{[]struct {
			A int `json:"a" binding:"required"`
		}{}, "required", `add "dive" to its binding`},
		{[]int{}, "dive,required", "say ne=0 or gt=0 if 0 is refused"},
		{"", "dive", `the rule "dive" does not fit a string`},
	} {
		var c rules.Compiler
		_, problems := c.Compile(reflect.StructOf([]reflect.StructField{{
			Name: "Field", Type: reflect.TypeOf(tc.field), Tag: reflect.StructTag(`json:"field" binding:"` + tc.tag + `"`),
		}}))
		require.Contains(t, strings.Join(problems, "\n"), tc.want)
	}
}

func TestViolationsAreBounded(t *testing.T) {
	t.Parallel()
	var found rules.Violations
	require.NoError(t, found.Err())
	for i := range 200 {
		found.Add(fmt.Sprint("f", i), "max", "is too much")
	}
	require.True(t, found.Full())
	require.Equal(t, 100, found.Len())
	require.EqualError(t, found.Err(), "f0 is too much; f1 is too much; f2 is too much; f3 is too much; f4 is too much; and more")
}

func TestOneViolationCoversAnother(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		known, rule, field string
		covers             bool
	}{
		{"a", "max", "a", true},
		{"a", "max", "a.b", true},
		{"a", "max", "ab", false},
		{"a.b", "type", "a", true}, // what is in a could not be read
		{"a.b", "max", "a", false},
		{"body", "type", "a", true},
	} {
		var found rules.Violations
		found.Add(tc.known, tc.rule, "")
		require.Equal(t, tc.covers, found.Covers(tc.field), "%+v", tc)
	}
}
