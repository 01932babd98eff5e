package oddshapes

import (
	"encoding/json"

	"github.com/go-json-experiment/json/jsontext"

	"plugboard/app"
)

type point struct {
	X int `json:"x"`
	Y int `json:"y"`
}

type word string

type maps struct {
	Texts   map[string]string          `json:"texts"`
	Lists   map[string][]int           `json:"lists"`
	Deep    map[string]map[string]*int `json:"deep"`
	Structs map[string]point           `json:"structs"`
	Named   map[word]bool              `json:"named"`
	Inline  map[string]struct {
		A int `json:"a"`
	} `json:"inline"`
}

type pair[K, V any] struct {
	Key   K `json:"key"`
	Value V `json:"value"`
}

type generics struct {
	First  pair[string, int]                 `json:"first"`
	Second pair[[]string, *pair[bool, word]] `json:"second"`
}

type base struct {
	ID   int    `json:"id"`
	Note string `json:"note"`
}

type middle struct {
	base
	Middle bool `json:"middle"`
}

type embedded struct {
	middle
	point
	Name string `json:"name"`
}

type namedEmbedded struct {
	Base `json:"base"`
	Name string `json:"name"`
}

// Base is embedded under a name of its own.
type Base struct {
	ID int `json:"id"`
}

type tree struct {
	Value int   `json:"value"`
	Left  *tree `json:"left"`
	Right *tree `json:"right"`
}

type forest struct {
	Name  string            `json:"name"`
	Trees []forest          `json:"trees"`
	ByKey map[string]forest `json:"by_key"`
}

type ping struct {
	Pong *pong `json:"pong"`
}

type pong struct {
	Pings []ping `json:"pings"`
}

type (
	alias      = point
	aliasText  = string
	listAlias  = []alias
	pairOfInts = pair[int, int]
)

type aliases struct {
	Point alias      `json:"point"`
	Text  aliasText  `json:"text"`
	List  listAlias  `json:"list"`
	Pair  pairOfInts `json:"pair"`
}

type (
	blob  []byte
	level uint8
	score int16
)

type bytesOf struct {
	Plain  []byte            `json:"plain"`
	Blob   blob              `json:"blob"`
	Levels []level           `json:"levels"`
	Scores []score           `json:"scores"`
	Many   [][]byte          `json:"many"`
	ByName map[string][]byte `json:"by_name"`
}

type numbers struct {
	I8  int8    `json:"i8"`
	I64 int64   `json:"i64"`
	U16 uint16  `json:"u16"`
	U64 uint64  `json:"u64"`
	F32 float32 `json:"f32"`
	F64 float64 `json:"f64"`
}

type omitting struct {
	Empty string         `json:"empty,omitempty"`
	Zero  int            `json:"zero,omitzero"`
	List  []int          `json:"list,omitempty"`
	Map   map[string]int `json:"map,omitzero"`
	Point point          `json:"point,omitzero"`
	Ptr   *int           `json:"ptr,omitempty"`
}

type openForms struct {
	Raw    json.RawMessage `json:"raw"`
	Value  jsontext.Value  `json:"value"`
	Number json.Number     `json:"number"`
}

type exact struct {
	Number json.Number            `json:"number"`
	List   []json.Number          `json:"list"`
	Map    map[string]json.Number `json:"map"`
	Ptr    *json.Number           `json:"ptr"`
}

type anything struct {
	Any  any            `json:"any"`
	List []any          `json:"list"`
	Map  map[string]any `json:"map"`
}

type names struct {
	Umlaut string `json:"größe"`
	Dash   string `json:"a-b"`
	Dot    string `json:"a.b"`
	Dollar string `json:"$ref"`
	Slash  string `json:"a/b"`
	Case   string `json:"URL"`
	Under  string `json:"_"`
}

type nullables struct {
	Text   *string         `json:"text"`
	Double **int           `json:"double"`
	List   *[]int          `json:"list"`
	Map    *map[string]int `json:"map"`
	Items  []*point        `json:"items"`
	Point  *point          `json:"point"`
}

// bodies are shapes of JSON bodies that are sent as they are taken.
func bodies() []Shape {
	return []Shape{
		echo[maps]("maps", list(
			back(`{"texts":{"a":"b"},"lists":{"l":[1,2]},"deep":{"d":{"e":null,"f":1}},"structs":{"s":{"x":1,"y":2}},"named":{"n":true},"inline":{"i":{"a":1}}}`),
			given(`{}`, `{"texts":{},"lists":{},"deep":{},"structs":{},"named":{},"inline":{}}`),
			refused(`{"structs":{"s":{"x":null}}}`, "structs.s.x", "null", "must not be null"))),
		echo[generics]("generics", list(
			back(`{"first":{"key":"a","value":1},"second":{"key":["b"],"value":{"key":true,"value":"w"}}}`),
			given(`{}`, `{"first":{"key":"","value":0},"second":{"key":[],"value":null}}`))),
		echo[embedded]("embedded", list(back(`{"id":1,"note":"n","middle":true,"x":2,"y":3,"name":"e"}`))),
		echo[namedEmbedded]("named_embedded", list(back(`{"base":{"id":1},"name":"e"}`))),
		echo[tree]("tree", list(back(`{"value":1,"left":{"value":2,"left":null,"right":null},"right":null}`))),
		echo[forest]("forest", list(
			back(`{"name":"a","trees":[{"name":"b","trees":[],"by_key":{}}],"by_key":{"k":{"name":"c","trees":[],"by_key":{}}}}`))),
		echo[ping]("mutual", list(back(`{"pong":{"pings":[{"pong":null},{"pong":{"pings":[]}}]}}`))),
		echo[aliases]("aliases", list(back(`{"point":{"x":1,"y":2},"text":"t","list":[{"x":3,"y":4}],"pair":{"key":5,"value":6}}`))),
		echo[bytesOf]("bytes", list(
			back(`{"plain":"AQI=","blob":"Aw==","levels":[1,255],"scores":[-1],"many":["AQ==",""],"by_name":{"a":"AQ=="}}`),
			refused(`{"blob":[3]}`, "blob", "type", "must be base64 text"))),
		echo[numbers]("numbers", list(
			back(`{"i8":-128,"i64":-9223372036854775808,"u16":65535,"u64":18446744073709551615,"f32":1.5,"f64":-2.5}`),
			refused(`{"u64":18446744073709551616}`, "u64", "type", "must be a whole number of 0 or more, of at most 64 bits"),
			refused(`{"i8":128}`, "i8", "type", "must be a whole number from -128 to 127"))),
		echo[omitting]("omitting", list(
			given(`{}`, `{}`), given(`{"empty":"","zero":0,"list":[],"map":{},"point":{"x":0,"y":0},"ptr":null}`, `{"map":{}}`),
			back(`{"empty":"a","zero":1,"list":[0],"map":{"a":0},"point":{"x":0,"y":1},"ptr":0}`))),
		echo[openForms]("open_forms", list(
			back(`{"raw":{"b":1,"a":[null]},"value":"v","number":12345678901234567890.5}`)), app.Open()),
		echo[exact]("exact_numbers", list(
			back(`{"number":1e400,"list":[0.10,-0],"map":{"a":18446744073709551616},"ptr":null}`),
			given(`{"ptr":1}`, `{"number":0,"list":[],"map":{},"ptr":1}`),
			refused(`{"number":"1"}`, "number", "type", "must be a number"),
			refused(`{"list":[true],"ptr":null}`, "list.0", "type", "must be a number"))),
		echo[anything]("anything", list(
			back(`{"any":{"a":[1,2.5,null,true,"x"]},"list":[[],{}],"map":{"k":9007199254740993}}`),
			back(`{"any":null,"list":[],"map":{}}`)), app.Open()),
		echo[names]("names", list(
			back(`{"größe":"1","a-b":"2","a.b":"3","$ref":"4","a/b":"5","URL":"6","_":"7"}`),
			given(`{"url":"6","GRÖSSE":"1"}`, `{"größe":"","a-b":"","a.b":"","$ref":"","a/b":"","URL":"","_":""}`))),
		echo[nullables]("nullables", list(
			back(`{"text":null,"double":null,"list":null,"map":null,"items":[null,{"x":1,"y":2}],"point":null}`),
			back(`{"text":"","double":0,"list":[],"map":{},"items":[],"point":{"x":0,"y":0}}`))),
		echo[struct {
			Inner struct {
				Deep []struct {
					A int `json:"a"`
				} `json:"deep"`
			} `json:"inner"`
		}]("nameless", list(back(`{"inner":{"deep":[{"a":1}]}}`))),
		echo[struct {
			Point point `json:"point"`
		}]("strict_body", list(
			back(`{"point":{"x":1,"y":2}}`), refused(`{"point":{"z":1}}`, "point.z", "unknown", "is not a known field")), app.Strict()),
	}
}
