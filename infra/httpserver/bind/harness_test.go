package bind_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver/bind"
	"plugboard/infra/httpserver/bind/rules"
)

const (
	asJSON      = "Content-Type: application/json"
	asMultipart = "Content-Type: multipart/form-data; boundary=B"
	titlePart   = "Content-Disposition: form-data; name=\"title\"\r\n\r\nhello"
	imagePart   = "Content-Disposition: form-data; name=\"image\"; filename=\"../a.png\"\r\nContent-Type: image/png\r\n\r\nPNG"
)

// multipartBody has the parts as they are, between boundaries.
func multipartBody(parts ...string) string {
	return "--B\r\n" + strings.Join(parts, "\r\n--B\r\n") + "\r\n--B--\r\n"
}

// filePart is the part of a form with a file.
func filePart(field, fileName, content string) string {
	return "Content-Disposition: form-data; name=\"" + field + "\"; filename=\"" + fileName + "\"\r\n\r\n" + content
}

// kit binds requests to a type, and answers as an endpoint does.
type kit struct {
	binder *bind.Binder
	route  string
	kept   reflect.Value // where the last request that was right is kept
}

// newKit compiles the requests of typ.
func newKit(t testing.TB, method, route string, typ reflect.Type) kit {
	t.Helper()
	var params []string
	for segment := range strings.SplitSeq(route, "/") {
		if name, ok := strings.CutPrefix(segment, ":"); ok {
			params = append(params, name)
		}
	}
	var c bind.Compiler
	b, problems := c.Compile(method, params, typ, false)
	require.Empty(t, problems)
	return kit{b, route, reflect.New(typ).Elem()}
}

// capture compiles the requests of type Req, and returns where the last one that was right is kept.
func capture[Req any](t testing.TB, method, route string) (kit, *Req) {
	t.Helper()
	k := newKit(t, method, route, reflect.TypeFor[Req]())
	return k, k.kept.Addr().Interface().(*Req)
}

// source has the parameters of a path and the body.
type source struct {
	route, path []string
	body        string
}

// Param implements bind.Source.
func (s source) Param(name string) string {
	for i, segment := range s.route {
		if segment == ":"+name {
			return s.path[i]
		}
	}
	return ""
}

// HasBody implements bind.Source.
func (s source) HasBody() bool { return s.body != "" }

// ReadBody implements bind.Source.
func (s source) ReadBody() ([]byte, error) { return []byte(s.body), nil }

// do binds one request, and answers with the envelope. Headers are "Name: value".
func (k kit) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, http.NoBody)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	request := reflect.New(k.kept.Type())
	var found rules.Violations
	err := k.binder.Bind(r, source{strings.Split(k.route, "/"), strings.Split(r.URL.Path, "/"), body}, request.Interface(), &found)
	if err == nil {
		k.kept.Set(request.Elem())
		w.Body.WriteString(`{"success":true,"data":{},"error":null}`)
		return w
	}
	failure := failureOf(err)
	w.Code = failure.Code.Status()
	envelope, err := json.Marshal(struct {
		Success bool            `json:"success"`
		Data    any             `json:"data"`
		Error   string          `json:"error"`
		Code    app.Code        `json:"code"`
		Details []app.Violation `json:"details,omitempty"`
	}{Error: failure.Message, Code: failure.Code, Details: failure.Details})
	if err != nil {
		panic(err)
	}
	w.Body.Write(envelope)
	return w
}

// failureOf returns what a caller is told about err.
func failureOf(err error) *app.Error {
	if known, ok := errors.AsType[*app.Error](err); ok {
		return known
	}
	if broken, ok := errors.AsType[app.Violations](err); ok {
		return rules.Failure(broken)
	}
	return &app.Error{Code: app.Internal, Message: "internal error"}
}

// bodyOf returns the way from a JSON body to a checked request of typ, or what is wrong with the type.
func bodyOf(c *bind.Compiler, typ reflect.Type) (take func(body []byte) error, problems []string) {
	b, problems := c.Compile(http.MethodPost, nil, typ, false)
	if len(problems) > 0 {
		return nil, problems
	}
	r := httptest.NewRequest(http.MethodPost, "/x", http.NoBody)
	r.Header.Set("Content-Type", "application/json")
	return func(body []byte) error {
		var found rules.Violations
		return b.Bind(r, source{body: string(body)}, reflect.New(typ).Interface(), &found)
	}, nil
}

// violationsOf returns what an answer lists as wrong, as "field rule message"; nothing for a success.
func violationsOf(t require.TestingT, w *httptest.ResponseRecorder) (all []string) {
	if w.Code < http.StatusBadRequest {
		return nil
	}
	require.Equal(t, http.StatusUnprocessableEntity, w.Code, "%s", w.Body)
	var failure struct {
		Details []app.Violation `json:"details"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &failure))
	for _, v := range failure.Details {
		all = append(all, v.Field+" "+v.Rule+" "+v.Message)
	}
	return all
}
