package oddshapes

import (
	"encoding/json"
	"time"

	"plugboard/app"
)

type keyed struct {
	Ints   map[int]string   `json:"ints"`
	Levels map[level]int    `json:"levels"`
	Big    map[uint64]bool  `json:"big"`
	Days   map[app.Date]int `json:"days"`
	Words  map[word]word    `json:"words"`
}

type texts struct {
	ID     int64   `json:"id,string"`
	Price  float64 `json:"price,string"`
	Ptr    *int    `json:"ptr,string"`
	Ignore string  `json:"-"`
}

type shadow struct {
	base
	ID string `json:"id"`
}

type pointerEmbedded struct {
	*base
	*Base `json:"other"`
	Name  string `json:"name"`
}

type arrays struct {
	Ints  [3]int      `json:"ints"`
	Bytes [2]byte     `json:"bytes"`
	Lists [2][]string `json:"lists"`
}

type listed struct {
	Point point `json:"point"`
	base  `json:",embed"`
}

// answers are shapes of data.
func answers() []Shape {
	five := 5
	return []Shape{
		send("keyed", keyed{map[int]string{-1: "a"}, map[level]int{2: 3}, map[uint64]bool{18446744073709551615: true}, map[app.Date]int{app.NewDate(2026, 1, 31): 4}, map[word]word{"b": "c"}},
			`{"ints":{"-1":"a"},"levels":{"2":3},"big":{"18446744073709551615":true},"days":{"2026-01-31":4},"words":{"b":"c"}}`),
		send("texts", texts{ID: 9007199254740993, Price: 1.5, Ptr: &five}, `{"id":"9007199254740993","price":"1.5","ptr":"5"}`),
		send("shadowed", shadow{base{1, "n"}, "x"}, `{"note":"n","id":"x"}`),
		send("ambiguous", twoNames{base{1, "n"}, &Base2{2}}, `{"note":"n"}`), // as the JSON library has it: neither id is meant
		send("pointer_embedded", pointerEmbedded{&base{1, "n"}, &Base{2}, "p"}, `{"id":1,"note":"n","other":{"id":2},"name":"p"}`),
		send("pointer_embedded_nil", pointerEmbedded{Name: "p"}, `{"other":null,"name":"p"}`),
		send("arrays", arrays{Ints: [3]int{1, 2, 3}, Bytes: [2]byte{1, 2}}, `{"ints":[1,2,3],"bytes":"AQI=","lists":[[],[]]}`),
		send("embed_tag", listed{point{1, 2}, base{3, "n"}}, `{"point":{"x":1,"y":2},"id":3,"note":"n"}`),
		send("top_list", []point{{1, 2}}, `[{"x":1,"y":2}]`),
		send("top_list_nil", []point(nil), `[]`),
		send("top_map", map[string]*point{"a": nil}, `{"a":null}`),
		send("top_text", "a<b>&\u2028", "\"a<b>&\u2028\""),
		send("top_number", 1.5, `1.5`),
		send("top_date", app.NewDate(2026, time.January, 31), `"2026-01-31"`),
		send("top_nil", (*point)(nil), `null`),
		send("top_bytes", []byte{1, 2}, `"AQI="`),
		send("top_any", any(map[string]any{"b": []int(nil), "a": nil}), `{"a":null,"b":[]}`, app.Open()),
		send("raw_json", json.RawMessage(`{"a": [1, 2]}`), `{"a":[1,2]}`, app.Open()),
		send("empty", app.Empty{}, `{}`),
		send("broken_utf8", seen{"a\xffb"}, `{"got":"a�b"}`),
	}
}
