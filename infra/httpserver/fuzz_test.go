package httpserver_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver"
)

// fuzzKit serves the hostile endpoints, less those that fail on purpose.
func fuzzKit(f *testing.F) kit {
	return serve(f, hostileEndpoints, func(p *httpserver.Params) { p.HTTP.BodyLimit = 4096 })
}

// sound holds an answer against what every answer must be, whatever was asked.
func sound(t *testing.T, k kit, w *httptest.ResponseRecorder, input string) {
	t.Helper()
	require.Less(t, w.Code, 500, "%s", w.Body)
	require.Zero(t, k.logs.FilterMessage("request panicked").Len())
	k.logs.TakeAll()
	if w.Body.Len() == 0 {
		return
	}
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &members), "%s", w.Body)
	success := w.Code < 400
	require.Equal(t, map[bool]string{true: "true", false: "false"}[success], string(members["success"]))
	require.Contains(t, members, "data")
	require.Equal(t, success, string(members["error"]) == "null")
	require.Equal(t, success, members["code"] == nil)
	for _, word := range []string{"httpserver", "reflect", "strconv", "jsontext", "struct", "float64", "hostile", "Unmarshal", "interface {}", ".go:"} {
		if !strings.Contains(input, word) {
			require.NotContains(t, w.Body.String(), word)
		}
	}
}

func FuzzBinding(f *testing.F) {
	k := fuzzKit(f)
	targets := []string{
		"POST /products", "GET /products", "PATCH /products/1", "POST /trees", "POST /uploads", "POST /forms", "POST /strict", "GET /strict", "GET /names/a",
	}
	f.Add(uint8(0), "", "application/json", goodProduct, "")
	f.Add(uint8(1), "limit=5&q=a&id=1&active=true&ratio=1.5&from=2024-01-02T03:04:05Z", "", "", "7")
	f.Add(uint8(2), "", "application/merge-patch+json", `{"name":null,"price":2}`, "")
	f.Add(uint8(3), "", "application/json", `{"note":null,"items":[{"price":1,"tags":{"a":1}}]}`, "")
	f.Add(uint8(4), "", "multipart/form-data; boundary=B", multipartBody(titlePart, imagePart), "")
	f.Add(uint8(5), "name=a", "application/x-www-form-urlencoded", "name=a&n=%31", "")
	f.Add(uint8(6), "%", "application/json; charset=utf-8", `{"name":"\u0000","name":1}`, "")
	f.Fuzz(func(t *testing.T, target uint8, query, contentType, body, header string) {
		method, path, _ := strings.Cut(targets[int(target)%len(targets)], " ")
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header["Content-Type"] = []string{contentType}
		r.Header["X-Count"] = []string{header}
		if body == "" {
			r.Body = http.NoBody
		}
		w := httptest.NewRecorder()
		k.Handler().ServeHTTP(w, r)
		sound(t, k, w, query+contentType+body+header)
	})
}

func FuzzRouting(f *testing.F) {
	k := fuzzKit(f)
	for _, line := range []string{
		"GET /products/1", "HEAD /products?x=1", "OPTIONS *", "CONNECT x:1", "BREW //products/../", "GET /names/%ff%00", "PRI *", "DELETE /products/", "GET http://a/livez",
	} {
		f.Add([]byte(request(line, "")))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil || r.URL.Path == "/panic" || r.URL.Path == "/exit" || r.URL.Path == "/readyz" {
			t.Skip()
		}
		w := httptest.NewRecorder()
		k.Handler().ServeHTTP(w, r)
		sound(t, k, w, string(raw))
		_, _ = io.Copy(io.Discard, r.Body)
	})
}

type fuzzRoot struct {
	fuzzTree
	D int `json:"d" default:"5"`
}

type fuzzTree struct {
	S string                  `json:"s" binding:"max=9"`
	I int8                    `json:"i"`
	U uint                    `json:"u"`
	F float32                 `json:"f" binding:"lt=100"`
	B bool                    `json:"b"`
	L []fuzzTree              `json:"l" binding:"dive"`
	M map[string]*fuzzTree    `json:"m" binding:"dive"`
	O app.Optional[[]int16]   `json:"o"`
	A any                     `json:"a"`
	P *string                 `json:"p"`
	X app.Optional[fuzzInner] `json:"x"`
	Y []byte                  `json:"y"`
	Q string                  `json:"q" binding:"omitempty,min=2"`
	Z int                     `json:"z" binding:"omitempty,ne=0"`
}

type fuzzInner struct {
	N int    `json:"n" binding:"required"`
	Q string `json:"q" binding:"omitempty,min=2"`
}

// FuzzBothPathsAgree sends each body as it is and once more with a member that has no meaning and is null, which
// takes the careful path.
func FuzzBothPathsAgree(f *testing.F) {
	k, got := capture[fuzzRoot](f, "POST", "/x")
	for _, body := range []string{
		`"s":"a","i":1,"u":2,"f":3,"b":true`, `"l":[{"s":"b"},{"l":[{}]}],"m":{"k":{"i":-128}}`, `"o":[1,2],"a":{"b":[1,"c",1.5]},"p":"d"`,
		`"s":"\ud83d\ude00","x":{"n":1},"y":"aGk="`, `"i":128,"u":-1,"f":1e39,"b":"x"`,
		`"q":"","l":[{"z":0},{"q":"a"}],"x":{"q":""}`, `"m":{"k":{"z":0},"q":{}},"x":{"n":0},"\u0071":""`, `"f":1e-46,"l":[{"f":0.` + strings.Repeat("0", 50) + `1}]`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, members string) {
		if strings.TrimSpace(members) == "" || strings.Contains(members, "null") || strings.Contains(members, `\u0000`) {
			t.Skip()
		}
		*got = fuzzRoot{}
		fast := k.do("POST", "/x", "{"+members+"}", asJSON)
		first := *got
		*got = fuzzRoot{}
		careful := k.do("POST", "/x", `{"_":null,`+members+"}", asJSON)
		require.Equal(t, fast.Code, careful.Code, "%s against %s", fast.Body, careful.Body)
		require.Equal(t, first, *got)
		if fast.Code == 422 {
			require.Equal(t, fast.Body.String(), careful.Body.String())
		}
		k.logs.TakeAll()
	})
}
