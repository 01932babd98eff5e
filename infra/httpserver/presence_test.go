package httpserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"plugboard/app"
	"plugboard/infra/httpserver"
	"plugboard/infra/httpserver/testdata/hostile"
	"plugboard/infra/httpserver/testdata/oddshapes"
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
	return violationsOf(t, first.Code, first.Body.Bytes())
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
		return violationsOf(t, w.Code, w.Body.Bytes())
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
		require.Equal(t, tc.want, violationsOf(t, w.Code, w.Body.Bytes()), "%s", tc.parts)
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

// The fast way of reading a body and the careful one are of one mind about what every odd shape is sent, also with members left
// out, doubled and empty.
func TestBothWaysAgreeOnOddShapes(t *testing.T) {
	t.Parallel()
	k := serve(t, oddshapes.Boot)
	for _, route := range k.Routes() {
		if !slices.Contains(route.Accepts, "application/json") {
			continue
		}
		if _, signed := route.Request.FieldByName("Sent"); signed {
			continue // the answer tells how long the body was
		}
		bothWaysAgree(t, k, route.Method, pathOf(route.Path), route.Request, route.Options.Strict)
	}
	k = serve(t, func(b *app.Boot) {
		b.POST("/must", app.Handle(accept[mustGive]))
		b.POST("/may", app.Handle(accept[mayGive]))
	})
	bothWaysAgree(t, k, "POST", "/must", reflect.TypeFor[mustGive](), false)
	bothWaysAgree(t, k, "POST", "/may", reflect.TypeFor[mayGive](), false)
}

// addresses are where a shape answers with what a pointer is to Go.
var addresses = regexp.MustCompile(`0x[0-9a-f]+`)

func pathOf(route string) string { return strings.ReplaceAll(route, ":id", "7") }

func bothWaysAgree(t *testing.T, k kit, method, path string, typ reflect.Type, strict bool) {
	t.Helper()
	if strict {
		return // the member that has no meaning would be refused
	}
	rapid.Check(t, func(t *rapid.T) {
		body := hostile.JSON(t, typ, 0)
		if !strings.HasPrefix(body, `{"`) {
			return
		}
		first := k.do(method, path, body, asJSON)
		careful := k.do(method, path, `{"~":null,`+body[1:], asJSON)
		require.Equal(t, first.Code, careful.Code, "%s: %s against %s", body, first.Body, careful.Body)
		switch first.Code {
		case http.StatusOK:
			require.Equal(t, addresses.ReplaceAllString(first.Body.String(), "0x"), addresses.ReplaceAllString(careful.Body.String(), "0x"), "%s", body)
		case http.StatusUnprocessableEntity: // what is wrong within a map is told in any order
			var one, other struct{ Details []app.Violation }
			require.NoError(t, json.Unmarshal(first.Body.Bytes(), &one))
			require.NoError(t, json.Unmarshal(careful.Body.Bytes(), &other))
			require.ElementsMatch(t, one.Details, other.Details, "%s", body)
		}
	})
}

// badPresence is a request type that does not start, and why.
func badPresence[T any](why string) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		problems := httpserver.New(httpserver.Params{HTTP: benchSettings()}).Check(endpointsOf(t, "shop.bad", func(b *app.Boot) {
			b.POST("/x/:id", app.Handle(accept[struct {
				ID int `uri:"id" json:"-" binding:"min=1"`
				T  T   `json:"t" binding:"omitempty"`
			}]))
		}))
		if assert.Len(t, problems, 1) {
			assert.ErrorContains(t, problems[0], "plugin shop.bad (")
			assert.ErrorContains(t, problems[0], "presence_test.go:")
			assert.ErrorContains(t, problems[0], "request field "+why)
		}
	}
}

const whatToWrite = ` refuses the value it has when it is not given: add "required" if it must be given, or "omitempty" if it may be left out, or a default, or make it a pointer`

// A field that may be left out, with a rule that its zero value breaks, could not be left out. The start error says what to
// write instead, and so it does for rules that contradict each other or do nothing.
func TestRulesThatZeroBreaksAreRefusedAtStart(t *testing.T) {
	t.Parallel()
	for i, refused := range []func(*testing.T){
		badPresence[struct {
			A int `json:"a" binding:"oneof=1 2"`
		}](`A: its rule "oneof=1 2"` + whatToWrite),
		badPresence[struct {
			A int `json:"a" binding:"min=1"`
		}](`A: its rule "min=1"` + whatToWrite),
		badPresence[struct {
			A float64 `json:"a" binding:"lt=9,gt=0"`
		}](`A: its rule "gt=0"` + whatToWrite),
		badPresence[struct {
			A string `json:"a" binding:"email"`
		}](`A: its rule "email"` + whatToWrite),
		badPresence[struct {
			A string `json:"a" binding:"datetime=2006-01-02"`
		}](`A: its rule "datetime=2006-01-02"` + whatToWrite),
		badPresence[struct {
			A string `json:"a" binding:"notblank"`
		}](`A: its rule "notblank"` + whatToWrite),
		badPresence[struct {
			A bool `json:"a" binding:"eq=true"`
		}](`A: its rule "eq=true"` + whatToWrite),
		badPresence[struct {
			A []int `json:"a" binding:"min=1,dive,gte=0"`
		}](`A: its rule "min=1"` + whatToWrite),
		badPresence[struct {
			A int `json:"a" binding:"eq=1|eq=2"`
		}](`A: its rule "eq=1|eq=2"` + whatToWrite),
		badPresence[struct {
			A string `json:"a"`
			B string `json:"b" binding:"required_with=A,len=4"`
		}](`B: its rule "len=4"` + whatToWrite),
		badPresence[struct {
			A []struct {
				B int `json:"b" binding:"gt=0"`
			} `json:"a" binding:"dive"`
		}](`B: its rule "gt=0"` + whatToWrite),
		badPresence[struct {
			A presentPoint `json:"a"`
		}](`A may be left out, but its field X is "required": add "required" to A if it must be given, or "omitempty" if it may be left out, or make it a pointer`),
		badPresence[struct {
			A struct{ presentPoint } `json:"a"`
		}](`A may be left out, but its field presentPoint.X is "required"`),
		badPresence[struct {
			A int `json:"a" binding:"required,omitempty"`
		}](`A is both "required" and one that may be left out: keep one`),
		badPresence[struct {
			presentPoint `binding:"required"`
		}](`presentPoint is embedded, and not given or missing by itself: put the rules on its fields`),
		badPresence[struct {
			A int `json:"a" default:"1"`
		}](`T.A: only the request's own fields can have a default`),
		badPresence[struct {
			A []int `json:"a" binding:"dive,required"`
		}](`A: the rule "required" behind "dive" does nothing: an element is always given; say ne=0 or gt=0 if 0 is refused`),
		badPresence[struct {
			A []presentPoint `json:"a" binding:"dive,required"`
		}](`A: the rule "required" behind "dive" does nothing`),
		badPresence[struct {
			A []presentOwn `json:"a" binding:"dive,required"`
		}](`A: the rule "required" behind "dive" does nothing`),
		badPresence[struct {
			A [][]int `json:"a" binding:"dive,required"`
		}](`A: the rule "required" behind "dive" does nothing: an element is always given; say min=1 if an empty one is refused`),
		badPresence[struct {
			A []string `json:"a" binding:"dive,required_if=B x"`
			B string   `json:"b"`
		}](`A: the rule "required_if=B x" behind "dive" depends on another field: an element is always given; put it in front of "dive"`),
		badPresence[struct {
			A []*int `json:"a" binding:"unique=X"`
		}](`A: the rule "unique=X" does not fit: the elements have no field X`),
		badPresence[struct {
			A []presentPoint `json:"a" binding:"dive,min=1"`
		}](`A: the rule "min=1" is unknown or does not fit a httpserver_test.presentPoint`),
	} {
		t.Run(fmt.Sprint(i), refused)
	}
}

// A default is judged at start by the rules of its field.
func TestDefaultsKeepTheRulesOfTheirFields(t *testing.T) {
	t.Parallel()
	for want, boot := range map[string]func(*app.Boot){
		`N: its default "0" breaks its rule "min=1"`: func(b *app.Boot) {
			b.GET("/x", app.Handle(accept[struct {
				N int `form:"n" default:"0" binding:"min=1"`
			}]))
		},
		`W: its default "a,bcd" breaks its rule "max=2"`: func(b *app.Boot) {
			b.GET("/x", app.Handle(accept[struct {
				W []string `form:"w" default:"a,bcd" binding:"max=3,dive,max=2"`
			}]))
		},
		`P: its default "x" breaks its rule "oneof=a b"`: func(b *app.Boot) {
			b.GET("/x", app.Handle(accept[struct {
				P *string `form:"p" default:"x" binding:"omitempty,oneof=a b"`
			}]))
		},
		`N is "required" and has a default, which it would never get: keep one`: func(b *app.Boot) {
			b.POST("/x", app.Handle(accept[struct {
				N int `json:"n" default:"2" binding:"required"`
			}]))
		},
	} {
		problems := httpserver.New(httpserver.Params{HTTP: benchSettings()}).Check(endpointsOf(t, "shop.bad", boot))
		require.Len(t, problems, 1, want)
		require.ErrorContains(t, problems[0], "request field "+want)
	}
	serve(t, func(b *app.Boot) {
		b.GET("/x/:id", app.Handle(accept[struct {
			ID int       `uri:"id" binding:"min=1"` // always given
			N  int       `form:"n" default:"1" binding:"min=1"`
			Q  string    `form:"q" default:"" binding:"omitempty,min=2"`
			W  []string  `form:"w" default:"ab,cd" binding:"min=2,dive,len=2"`
			P  *int      `form:"p" binding:"min=1"`
			A  string    `form:"a" binding:"max=2"`
			B  string    `form:"b" binding:"required_with=A"`
			C  time.Time `form:"c" binding:"ltefield=D"`
			D  time.Time `form:"d"`
		}]))
	})
}

type emptied struct {
	Bool bool           `json:"bool,omitempty"`
	Int  int            `json:"int,omitempty"`
	Text string         `json:"text,omitempty"`
	List []int          `json:"list,omitempty"`
	Map  map[string]int `json:"map,omitempty"`
	Ptr  *int           `json:"ptr,omitempty"`
	Full []int          `json:"full,omitempty"`
}

type zeroed struct {
	Bool bool      `json:"bool,omitzero"`
	Int  int       `json:"int,omitzero"`
	Text string    `json:"text,omitzero"`
	List []int     `json:"list,omitzero"`
	Time time.Time `json:"time,omitzero"`
	Full []int     `json:"full,omitzero"`
}

type whole struct {
	Bool bool           `json:"bool"`
	Text string         `json:"text"`
	List []int          `json:"list"`
	Map  map[string]int `json:"map"`
	Ptr  *int           `json:"ptr"`
}

// What "omitempty" and "omitzero" mean in answers is what the guide says of them.
func TestWhatAnswersLeaveOut(t *testing.T) {
	t.Parallel()
	type answer struct {
		Emptied emptied `json:"emptied"`
		Zeroed  zeroed  `json:"zeroed"`
		Whole   whole   `json:"whole"`
	}
	k := serve(t, func(b *app.Boot) {
		b.GET("/x", app.Handle(func(context.Context, app.Empty) (answer, error) {
			return answer{Emptied: emptied{Full: []int{0}}, Zeroed: zeroed{Full: []int{}}}, nil
		}))
	})
	require.Equal(t, `{"success":true,"data":{"emptied":{"bool":false,"int":0,"full":[0]},"zeroed":{"full":[]},`+
		`"whole":{"bool":false,"text":"","list":[],"map":{},"ptr":null}},"error":null}`, k.do("GET", "/x", "").Body.String())
}
