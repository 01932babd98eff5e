package httpserver_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"plugboard/infra/httpserver"
	"plugboard/infra/httpserver/testdata/hostile"
	"plugboard/infra/httpserver/testdata/oddshapes"
)

// strayText are values for what is filled from text.
var strayText = []string{
	"", "1", "-1", "0", "00", "1e3", "1e400", "true", "TRUE", "null", "a", "ä😀", "a b", "a,b", ",", "2026-01-31", "2026-13-31", "2026-01-31T00:00:00Z", "1m30s", "#0a0b0c",
	"6ba7b810-9dad-11d1-80b4-00c04fd430c8", "9223372036854775808", "99999999999999999999", "\x00", "\xff", "\u202e", "{}", "[]", `"`, "'", "%", "+", "../..", strings.Repeat("9", 400),
}

// Whatever is sent to an odd shape, in the form its types have or in any other: it is no fault of the host's, and the answer
// says what is wrong.
func TestOddShapesTakeAnythingWithoutAFault(t *testing.T) {
	t.Parallel()
	k := serve(t, oddshapes.Boot)
	for _, route := range k.Routes() {
		rapid.Check(t, func(t *rapid.T) {
			r := hostileRequest(t, route)
			w := httptest.NewRecorder()
			k.Handler().ServeHTTP(w, r)
			requireTelling(t, w)
			require.Empty(t, k.logs.Filter(func(e loggedEntry) bool { return e.Level >= zap.WarnLevel }).All())
			k.logs.TakeAll()
		})
	}
}

// requireTelling holds that an answer is no fault, and that a refusal is an envelope with a code.
func requireTelling(t *rapid.T, w *httptest.ResponseRecorder) {
	require.Less(t, w.Code, http.StatusInternalServerError, "%s", w.Body)
	if w.Code < http.StatusBadRequest {
		return
	}
	var failed struct {
		Success *bool            `json:"success"`
		Data    *json.RawMessage `json:"data"`
		Error   string           `json:"error"`
		Code    string           `json:"code"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &failed), "%s", w.Body)
	require.True(t, failed.Success != nil && !*failed.Success && failed.Data == nil && failed.Error != "" && failed.Code != "", "%s", w.Body)
}

// hostileRequest draws a request for a route.
func hostileRequest(t *rapid.T, route httpserver.Route) *http.Request {
	text := rapid.SampledFrom(strayText)
	r := httptest.NewRequest(route.Method, "/", nil)
	path := strings.Split(route.Path, "/")
	for i, part := range path {
		if strings.HasPrefix(part, ":") || strings.HasPrefix(part, "*") {
			path[i] = text.Filter(func(s string) bool { return !strings.ContainsAny(s, "/") }).Draw(t, "path")
		}
	}
	r.URL.Path = strings.Join(path, "/")
	var body string
	if route.Request != nil {
		query := hostileFields(t, route.Request, r, text)
		r.URL.RawQuery, body = query, hostileBody(t, route, query)
	}
	if body != "" && len(route.Accepts) > 0 {
		r.Header.Set("Content-Type", strings.Replace(route.Accepts[0], "multipart/form-data", "multipart/form-data; boundary=B", 1))
	}
	if body != "" {
		r.Body, r.ContentLength = http.NoBody, 0
		fresh := httptest.NewRequest(route.Method, "/", strings.NewReader(body))
		r.Body, r.ContentLength = fresh.Body, fresh.ContentLength
	}
	return r
}

// hostileFields draws the query, and adds headers and cookies to r.
func hostileFields(t *rapid.T, typ reflect.Type, r *http.Request, text *rapid.Generator[string]) string {
	var pairs []string
	for _, f := range reflect.VisibleFields(typ) {
		for range rapid.IntRange(0, 2).Draw(t, "times") {
			value := text.Draw(t, "text")
			if name := f.Tag.Get("header"); name != "" {
				r.Header.Add(name, value)
			}
			if name := f.Tag.Get("cookie"); name != "" {
				r.Header.Add("Cookie", name+"="+value)
			}
			if name := f.Tag.Get("form"); name != "" {
				pairs = append(pairs, url.QueryEscape(name)+"="+rapid.SampledFrom([]string{url.QueryEscape(value), value}).Draw(t, "escaped"))
			}
		}
	}
	return strings.Join(pairs, "&")
}

// hostileBody draws a body of the kind that the route takes.
func hostileBody(t *rapid.T, route httpserver.Route, query string) string {
	if len(route.Accepts) == 0 {
		return rapid.SampledFrom([]string{"", "", "x", "{}"}).Draw(t, "body")
	}
	switch route.Accepts[0] {
	case "application/json":
		return hostile.JSON(t, route.Request, 0)
	case "multipart/form-data":
		var parts []string
		for _, f := range reflect.VisibleFields(route.Request) {
			for range rapid.IntRange(0, 3).Draw(t, "parts") {
				file := rapid.SampledFrom([]string{"", `; filename=""`, `; filename="a.png"`, `; filename="..\\.."`, `; filename*=UTF-8''%ff`}).Draw(t, "file")
				parts = append(parts, "--B\r\nContent-Disposition: form-data; name=\""+f.Tag.Get("form")+"\""+file+"\r\n\r\n"+rapid.SampledFrom(strayText).Draw(t, "content")+"\r\n")
			}
		}
		return strings.Join(parts, "") + rapid.SampledFrom([]string{"--B--\r\n", "--B--", ""}).Draw(t, "end")
	default:
		return query
	}
}
