package oddshapes

import (
	"time"

	"plugboard/app"
)

type conditional struct {
	Kind    string   `json:"kind" binding:"omitempty,oneof=card cash 'bank transfer'"`
	Card    *string  `json:"card" binding:"required_if=Kind card,omitempty,len=4"`
	Cash    *float64 `json:"cash" binding:"excluded_if=Kind card,gte=1"`
	Account string   `json:"account" binding:"required_without=Kind"`
}

type comparing struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to" binding:"omitempty,gtefield=From"`
	Pin    string    `json:"pin"`
	Repeat string    `json:"repeat" binding:"omitempty,eqfield=Pin|eq=none"`
}

type diving struct {
	Table  [][]int             `json:"table" binding:"max=2,dive,min=1,dive,gte=0,lte=9"`
	Tags   map[string]string   `json:"tags" binding:"dive,keys,alpha,endkeys,required,max=3"`
	Points map[string]*limited `json:"points" binding:"dive,required"`
	Deep   []map[string][]int  `json:"deep" binding:"dive,dive,dive,ne=0"`
}

type limited struct {
	X int `json:"x" binding:"required,gte=1"`
}

// present has members whose zero values are given as well as missing.
type present struct {
	On     bool               `json:"on" binding:"required"`
	Count  int                `json:"count" binding:"required,lte=9"`
	Name   string             `json:"name" binding:"required,max=5"`
	Tags   []string           `json:"tags" binding:"required,max=2,dive,required"`
	At     *time.Time         `json:"at" binding:"required"`
	Limit  limited            `json:"limit" binding:"omitempty"`
	Kind   string             `json:"kind" binding:"omitempty,oneof=a b"`
	Grade  uint8              `json:"grade" default:"2" binding:"oneof=1 2 3"`
	Rate   float64            `json:"rate" binding:"omitempty,gt=0"`
	Words  []word             `json:"words" binding:"omitempty,min=1,dive,omitempty,min=2"`
	Inner  []presentInner     `json:"inner" binding:"dive"`
	ByName map[string]limited `json:"by_name" binding:"omitempty,min=1,dive"`
}

type presentInner struct {
	Sure bool   `json:"sure" binding:"required"`
	Code string `json:"code" binding:"omitempty,len=2"`
}

type enums struct {
	One  string            `json:"one" binding:"omitempty,oneof=a b"`
	Ptr  *word             `json:"ptr" binding:"omitempty,oneof=a b"`
	List []word            `json:"list" binding:"dive,oneof=a b"`
	Map  map[string]*level `json:"map" binding:"dive,omitempty,oneof=1 2"`
	Int  int               `json:"int" binding:"eq=0|eq=5|gt=10"`
}

type loose struct {
	Any    any   `json:"any" binding:"omitempty,min=1"`
	Unique []any `json:"unique" binding:"omitempty,unique"`
	Points []struct {
		List []int `json:"list"`
	} `json:"points" binding:"omitempty,max=2"`
}

type selfChecking struct {
	Low  int `json:"low"`
	High int `json:"high"`
}

// Validate implements app.Validator.
func (s selfChecking) Validate() error {
	if s.High < s.Low {
		return app.Violations{{Field: "high", Rule: "order", Message: "must not be below low"}}
	}
	return nil
}

type pointerChecking struct {
	selfChecking
	Sum int `json:"sum"`
}

// Validate implements app.Validator.
func (p *pointerChecking) Validate() error {
	if p.Sum != p.Low+p.High {
		return app.Errorf(app.Conflict, "the sum is wrong")
	}
	return nil
}

// rules are shapes with rules.
func rules() []Shape {
	return []Shape{
		echo[conditional]("conditional", list(
			back(`{"kind":"card","card":"1234","cash":null,"account":""}`),
			back(`{"kind":"bank transfer","card":null,"cash":1,"account":""}`),
			refused(`{"kind":"card"}`, "card", "required_if", "is required"),
			refused(`{"kind":"card","card":"1234","cash":5}`, "cash", "excluded_if", "must not be given together with the others"),
			refused(`{}`, "account", "required_without", "is required"),
			refused(`{"kind":"x"}`, "kind", "oneof", "must be one of card, cash, bank transfer"))),
		echo[comparing]("comparing", list(
			back(`{"from":"2026-01-01T00:00:00Z","to":"2026-01-01T00:00:00Z","pin":"1","repeat":"none"}`),
			refused(`{"from":"2026-01-02T00:00:00Z","to":"2026-01-01T00:00:00Z"}`, "to", "gtefield", "must not be less than from"),
			refused(`{"pin":"1","repeat":"2"}`, "repeat", "any_of", "must equal pin, or must be none"))),
		echo[diving]("diving", list(
			back(`{"table":[[1,2],[0]],"tags":{"a":"abc"},"points":{"p":{"x":1}},"deep":[{"a":[1]}]}`),
			refused(`{"table":[[1],[]]}`, "table.1", "min", "must have at least 1 item"),
			refused(`{"table":[[10]]}`, "table.0.0", "lte", "must be at most 9"),
			refused(`{"tags":{"a1":"b"}}`, "tags.a1", "alpha", "must consist of letters a to z"),
			refused(`{"points":{"p":null}}`, "points.p", "required", "is required"),
			refused(`{"points":{"p":{"x":0}}}`, "points.p.x", "gte", "must be at least 1"),
			refused(`{"deep":[{},{"a":[1,0]}]}`, "deep.1.a.1", "ne", "must not be 0"))),
		echo[present]("present", list(
			back(`{"on":false,"count":0,"name":"a","tags":[],"at":"0001-01-01T00:00:00Z","limit":{"x":1},"kind":"a","grade":1,"rate":0.5,"words":["ab"],"inner":[{"sure":false,"code":"ab"}],"by_name":{"a":{"x":1}}}`),
			given(`{"on":false,"count":0,"name":"a","tags":["a"],"at":"2026-01-31T00:00:00Z"}`,
				`{"on":false,"count":0,"name":"a","tags":["a"],"at":"2026-01-31T00:00:00Z","limit":{"x":0},"kind":"","grade":2,"rate":0,"words":[],"inner":[],"by_name":{}}`),
			refused(`{"count":0,"name":"a","tags":[],"at":"2026-01-31T00:00:00Z"}`, "on", "required", "is required"),
			refused(`{"on":true,"name":"a","tags":[],"at":"2026-01-31T00:00:00Z"}`, "count", "required", "is required"),
			refused(`{"on":true,"count":1,"name":"","tags":[],"at":"2026-01-31T00:00:00Z"}`, "name", "required", "must not be empty"),
			refused(`{"on":true,"count":1,"name":"a","at":"2026-01-31T00:00:00Z"}`, "tags", "required", "is required"),
			refused(`{"on":true,"count":1,"name":"a","tags":[""],"at":"2026-01-31T00:00:00Z"}`, "tags.0", "required", "must not be empty"),
			refused(`{"on":true,"count":1,"name":"a","tags":[],"at":null}`, "at", "required", "is required"),
			refused(`{"on":true,"count":1,"name":"a","tags":[],"at":"2026-01-31T00:00:00Z","limit":{}}`, "limit.x", "required", "is required"),
			refused(`{"on":true,"count":1,"name":"a","tags":[],"at":"2026-01-31T00:00:00Z","kind":""}`, "kind", "oneof", "must be one of a, b"),
			refused(`{"on":true,"count":1,"name":"a","tags":[],"at":"2026-01-31T00:00:00Z","grade":0}`, "grade", "oneof", "must be one of 1, 2, 3"),
			refused(`{"on":true,"count":1,"name":"a","tags":[],"at":"2026-01-31T00:00:00Z","rate":0}`, "rate", "gt", "must be greater than 0"),
			refused(`{"on":true,"count":1,"name":"a","tags":[],"at":"2026-01-31T00:00:00Z","words":[]}`, "words", "min", "must have at least 1 item"),
			refused(`{"on":true,"count":1,"name":"a","tags":[],"at":"2026-01-31T00:00:00Z","words":[""]}`, "words.0", "min", "must have at least 2 characters"),
			refused(`{"on":true,"count":1,"name":"a","tags":[],"at":"2026-01-31T00:00:00Z","inner":[{"sure":true,"code":""}]}`, "inner.0.code", "len", "must have exactly 2 characters"),
			refused(`{"on":true,"count":1,"name":"a","tags":[],"at":"2026-01-31T00:00:00Z","inner":[{}]}`, "inner.0.sure", "required", "is required"),
			refused(`{"on":true,"count":1,"name":"a","tags":[],"at":"2026-01-31T00:00:00Z","by_name":{}}`, "by_name", "min", "must have at least 1 item"))),
		echo[enums]("enums", list(
			back(`{"one":"a","ptr":"b","list":["a","b"],"map":{"x":2,"y":null},"int":5}`),
			refused(`{"list":["a","c"]}`, "list.1", "oneof", "must be one of a, b"),
			refused(`{"map":{"x":3}}`, "map.x", "oneof", "must be one of 1, 2"),
			refused(`{"int":7}`, "int", "any_of", "must be 0, or must be 5, or must be greater than 10"))),
		echo[loose]("loose", list(
			back(`{"any":1,"unique":[1,"1",null],"points":[]}`),
			refused(`{"any":true}`, "any", "type", "has a value that its rules do not fit"),
			refused(`{"unique":[[1],[2]]}`, "unique", "type", "has a value that its rules do not fit")), app.Open()),
		echo[selfChecking]("self_checking", list(back(`{"low":1,"high":2}`), refused(`{"low":3,"high":2}`, "high", "order", "must not be below low"))),
		echo[pointerChecking]("pointer_checking", list(
			back(`{"low":1,"high":2,"sum":3}`),
			Exchange{Headers: []string{asJSON}, Body: `{"low":1,"high":2,"sum":4}`, Status: 409, Answer: failure("the sum is wrong", "conflict")})),
	}
}

func failure(message, code string) string {
	return `{"success":false,"data":null,"error":"` + message + `","code":"` + code + `"}`
}
