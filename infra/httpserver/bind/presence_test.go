package bind_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"plugboard/infra/httpserver/testdata/hostile"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"plugboard/app"
)

type presentWord string

// presentOwn is a text with a form of its own, of which the empty one may be a value.
type presentOwn string

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *presentOwn) UnmarshalText(text []byte) error {
	*w = presentOwn(text)
	return nil
}

type presentPoint struct {
	X int `json:"x" binding:"required,gte=-5"`
}

// mustGive are fields of every kind that have to be given.
type mustGive struct {
	Bool  bool                  `json:"bool" binding:"required"`
	Int   int                   `json:"int" binding:"required,lte=9"`
	Float float64               `json:"float" binding:"required,gte=1"`
	Text  string                `json:"text" binding:"required,max=5"`
	Word  presentWord           `json:"word" binding:"max=5,required"`
	List  []int                 `json:"list" binding:"required,max=2"`
	Map   map[string]int        `json:"map" binding:"required"`
	Bytes []byte                `json:"bytes" binding:"required"`
	Point presentPoint          `json:"point" binding:"required"`
	Time  time.Time             `json:"time" binding:"required"`
	Day   app.Date              `json:"day" binding:"required"`
	ID    uuid.UUID             `json:"id" binding:"required"`
	Ptr   *int                  `json:"ptr" binding:"required"`
	Opt   app.Optional[string]  `json:"opt" binding:"required"`
	Any   any                   `json:"any" binding:"required"`
	Raw   json.RawMessage       `json:"raw" binding:"required"`
	Own   presentOwn            `json:"own" binding:"required"`
	Items []presentPoint        `json:"items" binding:"required,dive"`
	ByKey map[string]*mustGiveN `json:"by_key" binding:"required,dive"`
}

type mustGiveN struct {
	Deep struct {
		On bool `json:"on" binding:"required"`
	} `json:"deep" binding:"required"`
}

// givenZeros are the members of mustGive, each given with a value that says next to nothing.
var givenZeros = map[string]string{
	"bool": `false`, "int": `0`, "float": `1`, "text": `"a"`, "word": `"a"`, "list": `[]`, "map": `{}`, "bytes": `""`, "point": `{"x":0}`,
	"time": `"0001-01-01T00:00:00Z"`, "day": `"0001-01-01"`, "id": `"00000000-0000-0000-0000-000000000000"`,
	"ptr": `0`, "opt": `""`, "any": `false`, "raw": `0`, "own": `""`, "items": `[{"x":0}]`, "by_key": `{"a":{"deep":{"on":false}}}`,
}

// bodyWith writes givenZeros as a body, with one member changed, or left out for "".
func bodyWith(name, value string) string {
	var members []string
	for member, zero := range givenZeros {
		if member == name {
			zero = value
		}
		if zero != "" {
			members = append(members, `"`+member+`":`+zero)
		}
	}
	slices.Sort(members)
	return "{" + strings.Join(members, ",") + "}"
}

// told sends body, as it is and by the careful way, and returns what is wrong with it as "field rule message".
func told(t testing.TB, k kit, body string) []string {
	t.Helper()
	first := k.do("POST", "/x", body, asJSON)
	careful := k.do("POST", "/x", strings.Replace(`{"~":null,`+body[1:], ",}", "}", 1), asJSON)
	require.Equal(t, first.Body.String(), careful.Body.String(), "%s", body)
	return violationsOf(t, first)
}

// "required" refused false and 0 that were given. A member that is given is not missing, whatever it is, but for an empty text.
func TestRequiredMeansGiven(t *testing.T) {
	t.Parallel()
	k, _ := capture[mustGive](t, "POST", "/x")
	require.Empty(t, told(t, k, bodyWith("", "")))
	for name := range givenZeros {
		require.Equal(t, []string{name + " required is required"}, told(t, k, bodyWith(name, "")), name)
	}
	for _, tc := range []struct{ name, value, want string }{
		{"text", `""`, "text required must not be empty"},
		{"word", `""`, "word required must not be empty"},
		{"int", `10`, "int lte must be at most 9"},
		{"float", `0`, "float gte must be at least 1"},
		{"float", `"0"`, "float type must be a number"},
		{"text", `0`, "text type must be a string"},
		{"text", `null`, "text null must not be null"},
		{"list", `null`, "list null must not be null"},
		{"list", `[0,0,0]`, "list max must have at most 2 items"},
		{"point", `{}`, "point.x required is required"},
		{"point", `{"X":1}`, "point.x required is required"},
		{"point", `{"x":-6}`, "point.x gte must be at least -5"},
		{"ptr", `null`, "ptr required is required"},
		{"opt", `null`, "opt required is required"},
		{"any", `null`, "any required is required"},
		{"raw", `null`, "raw required is required"},
		{"items", `[{"x":1},{}]`, "items.1.x required is required"},
		{"by_key", `{"a":{}}`, "by_key.a.deep required is required"},
		{"by_key", `{"a":{"deep":{}}}`, "by_key.a.deep.on required is required"},
	} {
		require.Equal(t, []string{tc.want}, told(t, k, bodyWith(tc.name, tc.value)), "%s %s", tc.name, tc.value)
	}
	require.Len(t, told(t, k, `{}`), len(givenZeros))
}

// mayGive are fields of every kind whose rules hold when they are given.
type mayGive struct {
	Bool  bool                 `json:"bool" binding:"omitempty,eq=true"`
	Int   int                  `json:"int" binding:"omitzero,gte=1"`
	Float float64              `json:"float" binding:"omitnil,gt=0"`
	Text  string               `json:"text" binding:"omitempty,oneof=a b"`
	Word  presentWord          `json:"word" binding:"omitnil,min=2"`
	List  []int                `json:"list" binding:"omitempty,min=1"`
	Map   map[string]int       `json:"map" binding:"omitzero,min=1"`
	Point presentPoint         `json:"point" binding:"omitempty"`
	Time  time.Time            `json:"time" binding:"omitempty,gt"`
	Ptr   *int                 `json:"ptr" binding:"omitzero,gte=1"`
	Opt   app.Optional[string] `json:"opt" binding:"omitempty,min=1"`
	Any   any                  `json:"any" binding:"min=1"`
	Free  *int                 `json:"free" binding:"gte=1"`
	Def   int                  `json:"def" default:"5" binding:"omitempty,gte=1"`
	Late  time.Time            `json:"late" binding:"omitempty,gtfield=Time"`
	Pair  mayGivePair          `json:"pair" binding:"omitempty"`
	Slash string               `json:"a/b" binding:"omitempty,min=1"`
	Items []mayGiveN           `json:"items" binding:"dive"`
	ByKey map[string]mayGiveN  `json:"by_key" binding:"dive"`
	Words []string             `json:"words" binding:"dive,omitempty,min=2"`
	Ptrs  []*string            `json:"ptrs" binding:"dive,omitempty,min=2"`
	Full  []string             `json:"full" binding:"dive,required"`
}

type mayGiveN struct {
	Kind string `json:"kind" binding:"omitempty,oneof=a b"`
	Same string `json:"same" binding:"omitempty,eqfield=Kind"`
}

type mayGivePair struct {
	A string `json:"a"`
	B string `json:"b" binding:"required_without=A"`
}

// A rule behind "omitempty" did not see "" and 0 that were given: {"kind":""} passed oneof. What is given is judged.
func TestWhatIsGivenIsJudged(t *testing.T) {
	t.Parallel()
	k, _ := capture[mayGive](t, "POST", "/x")
	for _, tc := range []struct{ body, want string }{
		{`{}`, ""},
		{`{"bool":true,"int":1,"float":1,"text":"a","word":"ab","list":[0],"map":{"a":0},"point":{"x":0},"ptr":1,"opt":"a","def":1}`, ""},
		{`{"bool":false}`, "bool eq must be true"},
		{`{"int":0}`, "int gte must be at least 1"},
		{`{"int":-0}`, "int gte must be at least 1"},
		{`{"float":0.0}`, "float gt must be greater than 0"},
		{`{"text":""}`, "text oneof must be one of a, b"},
		{`{"te\u0078t":""}`, "text oneof must be one of a, b"},
		{`{"a\/b":""}`, "a/b min must have at least 1 character"},
		{`{"word":""}`, "word min must have at least 2 characters"},
		{`{"list":[]}`, "list min must have at least 1 item"},
		{`{"map":{}}`, "map min must have at least 1 item"},
		{`{"point":{}}`, "point.x required is required"},
		{`{"point":{"x":0}}`, ""},
		{`{"pair":{}}`, "pair.b required_without is required"},
		{`{"pair":{"a":"x"}}`, ""},
		{`{"time":"0001-01-01T00:00:00Z"}`, "time gt must be after now"},
		{`{"late":"0001-01-01T00:00:00Z"}`, "late gtfield must be greater than time"},
		{`{"ptr":0}`, "ptr gte must be at least 1"},
		{`{"ptr":null}`, ""},
		{`{"opt":""}`, "opt min must have at least 1 character"},
		{`{"opt":null}`, ""},
		{`{"any":0}`, "any min must be at least 1"},
		{`{"any":null,"free":null}`, ""},
		{`{"free":0}`, "free gte must be at least 1"},
		{`{"def":0}`, "def gte must be at least 1"},
		{`{"text":1}`, "text type must be a string"},
		{`{"items":[{"kind":"a"},{},{"kind":""}]}`, "items.2.kind oneof must be one of a, b"},
		{`{"items":[{"kind":"a","same":""}]}`, "items.0.same eqfield must equal kind"},
		{`{"items":[{},{"same":""}]}`, ""},
		{`{"by_key":{"k.l":{"kind":""}}}`, "by_key.k.l.kind oneof must be one of a, b"},
		{`{"words":["ab",""]}`, "words.1 min must have at least 2 characters"},
		{`{"ptrs":[null,"ab"]}`, ""},
		{`{"ptrs":[null,""]}`, "ptrs.1 min must have at least 2 characters"},
		{`{"full":["a",""]}`, "full.1 required must not be empty"},
	} {
		var want []string
		if tc.want != "" {
			want = []string{tc.want}
		}
		require.Equal(t, want, told(t, k, tc.body), "%s", tc.body)
	}
}

// What is filled from text knows as well whether it was given.
func TestParametersThatAreGivenAreNotMissing(t *testing.T) {
	t.Parallel()
	type asked struct {
		ID    int      `uri:"id" binding:"omitempty,min=1"`
		On    bool     `form:"on" binding:"required"`
		N     int      `form:"n" binding:"required,lte=9"`
		Name  string   `form:"name" binding:"required"`
		Q     string   `form:"q" binding:"omitempty,min=2"`
		Size  int      `form:"size" default:"3" binding:"omitempty,gte=1"`
		IDs   []int    `form:"ids" binding:"required,dive,gte=0"`
		Key   string   `header:"x-key" binding:"required,max=3"`
		Lang  string   `header:"X-Lang" binding:"omitempty,len=2"`
		Theme string   `cookie:"theme" binding:"required"`
		Tags  []string `header:"X-Tags" binding:"omitempty,dive,omitempty,min=2"`
	}
	k, _ := capture[asked](t, "GET", "/x/:id")
	good := url.Values{"on": {"false"}, "n": {"0"}, "name": {"a"}, "ids": {"0"}}
	ask := func(path string, change url.Values, headers ...string) []string {
		query := maps.Clone(good)
		maps.Copy(query, change)
		w := k.do("GET", path+"?"+query.Encode(), "", headers...)
		return violationsOf(t, w)
	}
	const key, theme = "X-Key: k", "Cookie: theme=t"
	require.Empty(t, ask("/x/1", nil, key, theme))
	require.Equal(t, []string{"id min must be at least 1"}, ask("/x/0", nil, key, theme))
	require.Equal(t, []string{"X-Key required is required", "theme required is required"}, ask("/x/1", nil))
	require.Equal(t, []string{"X-Key required must not be empty", "theme required must not be empty"}, ask("/x/1", nil, "X-Key: ", "Cookie: theme="))
	require.Equal(t, []string{"X-Key max must have at most 3 characters"}, ask("/x/1", nil, "X-Key: long", theme))
	require.Equal(t, []string{"X-Lang len must have exactly 2 characters"}, ask("/x/1", nil, key, theme, "X-Lang: "))
	require.Equal(t, []string{"on required is required"}, ask("/x/1", url.Values{"on": nil}, key, theme))
	require.Equal(t, []string{"n required is required"}, ask("/x/1", url.Values{"n": nil}, key, theme))
	require.Equal(t, []string{"n type must be a whole number"}, ask("/x/1", url.Values{"n": {""}}, key, theme))
	require.Equal(t, []string{"name required must not be empty"}, ask("/x/1", url.Values{"name": {""}}, key, theme))
	require.Equal(t, []string{"ids required is required"}, ask("/x/1", url.Values{"ids": nil}, key, theme))
	require.Equal(t, []string{"q min must have at least 2 characters"}, ask("/x/1", url.Values{"q": {""}}, key, theme))
	require.Equal(t, []string{"size gte must be at least 1"}, ask("/x/1", url.Values{"size": {"0"}}, key, theme))
}

// A form is like a query. A file where a text is wanted is given, and wrong.
func TestFormFieldsThatAreGivenAreNotMissing(t *testing.T) {
	t.Parallel()
	type form struct {
		Title string      `form:"title" binding:"required"`
		Count int         `form:"count" binding:"required"`
		Note  string      `form:"note" binding:"omitempty,min=2"`
		Image *app.File   `form:"image" binding:"required"`
		More  []*app.File `form:"more" binding:"omitempty,min=2"`
	}
	k, _ := capture[form](t, "POST", "/x")
	part := func(name, file, content string) string {
		if file != "" {
			file = `; filename="` + file + `"`
		}
		return "--B\r\nContent-Disposition: form-data; name=\"" + name + "\"" + file + "\r\n\r\n" + content + "\r\n"
	}
	for _, tc := range []struct {
		parts string
		want  []string
	}{
		{part("title", "", "t") + part("count", "", "0") + part("image", "a", "1"), nil},
		{part("title", "", "") + part("note", "", "") + part("image", "a", "1"), []string{
			"title required must not be empty", "count required is required", "note min must have at least 2 characters",
		}},
		{part("title", "a.txt", "t") + part("count", "", "0") + part("more", "a", "1"), []string{
			"title type must not be a file", "image required is required", "more min must have at least 2 items",
		}},
	} {
		w := k.do("POST", "/x", tc.parts+"--B--\r\n", "Content-Type: multipart/form-data; boundary=B")
		require.Equal(t, tc.want, violationsOf(t, w), "%s", tc.parts)
	}
}

// A missing member says nothing about the list around it, whose own rules are told as well.
func TestMissingMembersHideNothingAround(t *testing.T) {
	t.Parallel()
	k, _ := capture[struct {
		Items []presentPoint `json:"items" binding:"max=1,dive"`
		In    struct {
			Note string       `json:"note" binding:"max=1"`
			At   presentPoint `json:"at" binding:"required"`
		} `json:"in" binding:"omitempty"`
	}](t, "POST", "/x")
	require.Equal(t, []string{"items.0.x required is required", "in.at required is required", "items max must have at most 1 item", "in.note max must have at most 1 character"},
		told(t, k, `{"items":[{},{"x":1}],"in":{"note":"ab"}}`))
}

// The quick way of reading a body and the careful one agree on what is given, whatever is sent.
func TestBothWaysAgreeOnWhatIsGiven(t *testing.T) {
	t.Parallel()
	for _, typ := range []reflect.Type{reflect.TypeFor[mustGive](), reflect.TypeFor[mayGive]()} {
		k := newKit(t, "POST", "/x", typ)
		rapid.Check(t, func(t *rapid.T) {
			body := hostile.JSON(t, typ, 0)
			if !strings.HasPrefix(body, `{"`) {
				return
			}
			first := k.do("POST", "/x", body, asJSON)
			kept := reflect.New(typ).Elem()
			kept.Set(k.kept)
			careful := k.do("POST", "/x", `{"~":null,`+body[1:], asJSON)
			require.Equal(t, first.Code, careful.Code, "%s: %s against %s", body, first.Body, careful.Body)
			if first.Code == http.StatusUnprocessableEntity { // within a map, violations come in any order
				require.ElementsMatch(t, violationsOf(t, first), violationsOf(t, careful), "%s", body)
				return
			}
			require.Equal(t, kept.Interface(), k.kept.Interface(), "%s", body)
		})
	}
}
