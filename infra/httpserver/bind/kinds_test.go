package bind_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

// failed is the envelope of a request with one violated rule.
func failed(field, rule, message string) string {
	return `{"success":false,"data":null,"error":"` + field + " " + message + `","code":"invalid","details":[{"field":"` + field +
		`","rule":"` + rule + `","message":"` + message + `"}]}`
}

// Some rules of the validator panic on values that they cannot compare, or go on behind a condition with a missing value. Both
// ended in 500 and a closed connection.
func TestRulesThatCannotJudgeAValueRefuseItOrDoNotApply(t *testing.T) {
	t.Parallel()
	type item struct {
		Flag     bool   `json:"flag"`
		Quantity *int64 `json:"quantity" binding:"required_if=Flag false,gte=2"`
	}
	type body struct {
		item
		Amount app.Optional[int] `json:"amount" binding:"excluded_if=Flag false,gte=3"`
		List   []any             `json:"list" binding:"omitempty,unique"`
		Any    any               `json:"any" binding:"omitempty,min=1"`
		Items  []item            `json:"items" binding:"dive"`
		Name   string            `json:"name" binding:"max=3"`
	}
	k, _ := capture[body](t, "POST", "/x")
	for sent, want := range map[string]string{
		`{"flag":true}`:                                 `{"success":true,"data":{},"error":null}`,
		`{"flag":true,"quantity":null}`:                 `{"success":true,"data":{},"error":null}`,
		`{"flag":true,"quantity":1}`:                    failed("quantity", "gte", "must be at least 2"),
		`{"flag":false}`:                                failed("quantity", "required_if", "is required"),
		`{"flag":true,"amount":2}`:                      failed("amount", "gte", "must be at least 3"),
		`{"flag":true,"items":[{"flag":true}]}`:         `{"success":true,"data":{},"error":null}`,
		`{"flag":true,"items":[{}]}`:                    failed("items.0.quantity", "required_if", "is required"),
		`{"flag":true,"list":[1,2]}`:                    `{"success":true,"data":{},"error":null}`,
		`{"flag":true,"list":[1,1]}`:                    failed("list", "unique", "must not have duplicates"),
		`{"flag":true,"list":[[1]]}`:                    failed("list", "type", "has a value that its rules do not fit"),
		`{"flag":true,"list":[{"a":1}]}`:                failed("list", "type", "has a value that its rules do not fit"),
		`{"flag":true,"any":true}`:                      failed("any", "type", "has a value that its rules do not fit"),
		`{"flag":true,"any":"x"}`:                       `{"success":true,"data":{},"error":null}`,
		`{"flag":true,"list":[[1]],"items":[{}],"x":1}`: `{"success":false,"data":null,"error":"list has a value that its rules do not fit; items.0.quantity is required","code":"invalid","details":[{"field":"list","rule":"type","message":"has a value that its rules do not fit"},{"field":"items.0.quantity","rule":"required_if","message":"is required"}]}`,
		`{"flag":true,"any":true,"name":"long"}`:        `{"success":false,"data":null,"error":"any has a value that its rules do not fit; name must have at most 3 characters","code":"invalid","details":[{"field":"any","rule":"type","message":"has a value that its rules do not fit"},{"field":"name","rule":"max","message":"must have at most 3 characters"}]}`,
	} {
		require.Equal(t, want, k.do("POST", "/x", sent, asJSON).Body.String(), sent)
	}
}

// A list of a named byte type was taken as a list of numbers, and refused as such as soon as another member was null.
func TestAListOfANamedByteTypeIsAListOfNumbers(t *testing.T) {
	t.Parallel()
	type level uint8
	type body struct {
		Levels []level `json:"levels"`
		Key    []byte  `json:"key"`
		Other  *int    `json:"other"`
	}
	k, got := capture[body](t, "POST", "/x")
	for _, rest := range []string{"", `,"other":null`} {
		require.Equal(t, 200, k.do("POST", "/x", `{"levels":[1,255],"key":"AQI="`+rest+`}`, asJSON).Code)
		require.Equal(t, body{Levels: []level{1, 255}, Key: []byte{1, 2}}, *got)
		require.Equal(t, failed("levels", "type", "must be a list"), k.do("POST", "/x", `{"levels":"AQI="`+rest+`}`, asJSON).Body.String())
		require.Equal(t, failed("levels.1", "type", "must be a whole number from 0 to 255"), k.do("POST", "/x", `{"levels":[1,256]`+rest+`}`, asJSON).Body.String())
	}
}

// A list in a header has commas, or several lines, or both (RFC 9110, section 5.3). The first was refused.
func TestAHeaderListIsGivenInOneLineOrSeveral(t *testing.T) {
	t.Parallel()
	type request struct {
		IDs   []int    `header:"X-Ids" binding:"max=4"`
		Names []string `header:"X-Names"`
	}
	k, got := capture[request](t, "GET", "/x")
	for _, lines := range [][]string{{"X-Ids: 1,2,3"}, {"X-Ids: 1", "X-Ids: 2", "X-Ids: 3"}, {"X-Ids: 1 ,,\t2,", "X-Ids: 3"}} {
		require.Equal(t, 200, k.do("GET", "/x", "", lines...).Code)
		require.Equal(t, []int{1, 2, 3}, got.IDs)
	}
	require.Equal(t, 200, k.do("GET", "/x", "", "X-Names: a b, c").Code)
	require.Equal(t, []string{"a b", "c"}, got.Names)
	require.Equal(t, failed("X-Ids.1", "type", "must be a whole number"), k.do("GET", "/x", "", "X-Ids: 1,x").Body.String())
	require.Equal(t, failed("X-Ids", "max", "must have at most 4 items"), k.do("GET", "/x", "", "X-Ids: 1,2,3,4,5").Body.String())
}

func TestCookiesAreASourceOfFields(t *testing.T) {
	t.Parallel()
	type request struct {
		Session string `cookie:"session" binding:"required,max=8"`
		Count   *int   `cookie:"count"`
	}
	k, got := capture[request](t, "GET", "/x")
	three := 3
	require.Equal(t, 200, k.do("GET", "/x?session=q", "", "Cookie: other=1; session=abc; count=3; session=later", "session: header").Code)
	require.Equal(t, request{"abc", &three}, *got)
	require.Equal(t, 200, k.do("GET", "/x", "", `Cookie: session="abc"`).Code)
	require.Equal(t, request{Session: "abc"}, *got)
	require.Equal(t, failed("session", "required", "is required"), k.do("GET", "/x?session=q", "").Body.String())
	require.Equal(t, failed("count", "type", "must be a whole number"), k.do("GET", "/x", "", "Cookie: session=a; count=x").Body.String())
}

// What signs a body signs its bytes: spaces and the order of members count.
func TestRawBodyIsTheBodyAsSent(t *testing.T) {
	t.Parallel()
	type beside struct {
		Sent app.RawBody
		Name string `json:"name" binding:"required"`
	}
	k, got := capture[beside](t, "POST", "/x")
	for _, sent := range []string{`{ "name" :"a", "b":1}`, `{"x":null,"name":"a"}`} {
		require.Equal(t, 200, k.do("POST", "/x", sent, asJSON).Code)
		require.Equal(t, beside{app.RawBody(sent), "a"}, *got)
	}
	require.Equal(t, 400, k.do("POST", "/x", `{"name":"a"} x`, asJSON).Code)
	require.Equal(t, 415, k.do("POST", "/x", `{"name":"a"}`, "Content-Type: text/plain").Code)

	type alone struct {
		Sent app.RawBody `binding:"required"`
		Sign string      `header:"X-Signature"`
	}
	k2, got2 := capture[alone](t, "PUT", "/x")
	require.Equal(t, 200, k2.do("PUT", "/x", "\x00\xff anything", "Content-Type: application/x-thing", "X-Signature: s").Code)
	require.Equal(t, alone{app.RawBody("\x00\xff anything"), "s"}, *got2)
	require.Equal(t, 422, k2.do("PUT", "/x", "").Code)
	require.Equal(t, 415, k2.do("PUT", "/x", "x").Code)
}

func TestDatesAreDates(t *testing.T) {
	t.Parallel()
	type request struct {
		From app.Date               `form:"from"`
		To   *app.Date              `form:"to" default:"2026-12-31"`
		Days []app.Date             `json:"days"`
		Due  app.Optional[app.Date] `json:"due"`
	}
	k, got := capture[request](t, "POST", "/x")
	require.Equal(t, 200, k.do("POST", "/x?from=2026-01-01", `{"days":["2024-02-29"],"due":null}`, asJSON).Code)
	end := app.NewDate(2026, time.December, 31)
	require.Equal(t, request{
		From: app.NewDate(2026, 1, 1), To: &end, Days: []app.Date{app.NewDate(2024, 2, 29)}, Due: app.Optional[app.Date]{Set: true, Null: true},
	}, *got)
	for _, wrong := range []string{"2026-1-1", "2026-02-30", "2026-01-01T00:00:00Z", "today", "20260101", "02026-01-01", "2026-01-01 "} {
		require.Equal(t, failed("from", "type", "must be a date such as 2006-01-02"), k.do("POST", "/x?from="+strings.ReplaceAll(wrong, " ", "%20"), `{}`, asJSON).Body.String(), wrong)
		require.Equal(t, failed("days.0", "type", "must be a date such as 2006-01-02"), k.do("POST", "/x", `{"days":["`+wrong+`"]}`, asJSON).Body.String(), wrong)
	}
}

// A float64 holds whole numbers up to 2^53 exactly. Larger ones lost their last digits silently in fields of the type any.
func TestLargeNumbersKeepTheirDigits(t *testing.T) {
	t.Parallel()
	type body struct {
		Any   any              `json:"any"`
		Map   map[string]any   `json:"map"`
		Big   int64            `json:"big"`
		Other *json.RawMessage `json:"other"`
	}
	k, got := capture[body](t, "POST", "/x")
	for _, rest := range []string{"", `,"other":null`} {
		require.Equal(t, 200, k.do("POST", "/x", `{"any":[9007199254740993,1,2.5,"x",true],"map":{"a":{"b":-9007199254740993}},"big":9007199254740993`+rest+`}`, asJSON).Code)
		require.Equal(t, []any{json.Number("9007199254740993"), 1.0, 2.5, "x", true}, got.Any)
		require.Equal(t, map[string]any{"a": map[string]any{"b": json.Number("-9007199254740993")}}, got.Map)
		require.EqualValues(t, 9007199254740993, got.Big)
	}
}

// 1e-400 is no 0, but a float64 has no other number for it: "price is required" was no help.
func TestNumbersNextToZeroAreRefusedAsSuch(t *testing.T) {
	t.Parallel()
	type body struct {
		Price float64 `json:"price" binding:"required,gt=0"`
		Query float32 `form:"q"`
	}
	k, _ := capture[body](t, "POST", "/x")
	for _, tiny := range []string{"1e-400", "-1E-400", "0.0001e-399", "0.000" + strings.Repeat("0", 400) + "1e-9"} {
		require.Equal(t, failed("price", "type", "must not be closer to 0 than a float can say"), k.do("POST", "/x", `{"price":`+tiny+`}`, asJSON).Body.String(), tiny)
	}
	require.Equal(t, failed("q", "type", "must not be closer to 0 than a float can say"), k.do("POST", "/x?q=1e-400", `{"price":1}`, asJSON).Body.String())
	require.Equal(t, 200, k.do("POST", "/x?q=0e-9", `{"price":1e-300}`, asJSON).Code)
}

func TestRulesAreSentences(t *testing.T) {
	t.Parallel()
	type inner struct {
		Low  int `json:"low"`
		High int `json:"high" binding:"omitempty,gtfield=Low"`
	}
	type body struct {
		Pin    string    `json:"pin"`
		Repeat string    `json:"repeat" binding:"omitempty,eqfield=Pin|eq=none"`
		State  string    `json:"state" binding:"omitempty,oneof=open 'in progress' done"`
		Ranges []inner   `json:"ranges" binding:"dive"`
		Table  [][]inner `json:"table" binding:"dive,dive"`
	}
	k, _ := capture[body](t, "POST", "/x")
	for sent, want := range map[string]string{
		`{"pin":"1","repeat":"2"}`:                failed("repeat", "any_of", "must equal pin, or must be none"),
		`{"state":"closed"}`:                      failed("state", "oneof", "must be one of open, in progress, done"),
		`{"ranges":[{"low":2,"high":1}]}`:         failed("ranges.0.high", "gtfield", "must be greater than low"),
		`{"table":[[],[{"low":2,"high":1}]]}`:     failed("table.1.0.high", "gtfield", "must be greater than low"),
		`{"state":"in progress","pin":"1","x":1}`: `{"success":true,"data":{},"error":null}`,
	} {
		require.Equal(t, want, k.do("POST", "/x", sent, asJSON).Body.String(), sent)
	}
}
