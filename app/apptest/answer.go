package apptest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"plugboard/app"
	"plugboard/infra/host/cli"
)

// Answer is the answer to a request. Its methods check it, fail the test where it differs, and return it, so
// that they can be chained.
type Answer struct {
	t       testing.TB
	request string
	// Code is the HTTP status.
	Code int
	// Head are the headers.
	Head http.Header
	// Body is the whole body, as it was sent.
	Body string
}

func answerOf(t testing.TB, r *http.Request, rec *httptest.ResponseRecorder) *Answer {
	return &Answer{
		t: t, request: r.Method + " " + r.URL.RequestURI(),
		Code: rec.Code, Head: rec.Result().Header, Body: rec.Body.String(),
	}
}

// Status fails the test unless the answer has the status.
func (a *Answer) Status(want int) *Answer {
	a.t.Helper()
	if a.Code != want {
		a.t.Fatalf("%s: status %d, want %d\nbody: %s", a.request, a.Code, want, a.Body)
	}
	return a
}

// Header fails the test unless the answer has the header with exactly this value.
func (a *Answer) Header(name, want string) *Answer {
	a.t.Helper()
	if got := a.Head.Get(name); got != want {
		a.t.Errorf("%s: header %s is %q, want %q", a.request, name, got, want)
	}
	return a
}

// JSON fails the test unless the body is exactly want: the same members in the same order, without space
// between them.
func (a *Answer) JSON(want string) *Answer {
	a.t.Helper()
	if a.Body != want {
		a.t.Errorf("%s: the body differs\n got: %s\nwant: %s", a.request, a.Body, want)
	}
	return a
}

// Fails fails the test unless the answer is a failure with the code, its status, and the message.
func (a *Answer) Fails(code app.Code, message string) *Answer {
	a.t.Helper()
	a.Status(code.Status())
	var failure app.Failure
	a.decode(&failure)
	if failure.Success || failure.Code != code || failure.Error != message {
		a.t.Errorf("%s: the failure differs\n got: %s\nwant: %s: %s", a.request, a.Body, code, message)
	}
	return a
}

// Data returns the data of a successful answer as a T, and fails the test when it has none, or members
// that T does not name.
func Data[T any](a *Answer) T {
	a.t.Helper()
	var envelope app.Response[T]
	a.decode(&envelope)
	if !envelope.Success || envelope.Data == nil {
		a.t.Fatalf("%s: no data; status %d, body: %s", a.request, a.Code, a.Body)
	}
	return *envelope.Data
}

// All follows a list from the page at path to its end, and returns its entries; path may have parameters, such as
// "/products?limit=2". It fails the test when a page is refused, or when there are more than a thousand pages.
func All[T any](h *App, path string) (items []T) {
	h.t.Helper()
	next, err := url.Parse(path)
	if err != nil {
		h.t.Fatalf("follow %s: %v", path, err)
	}
	const most = 1000
	for range most {
		page := Data[app.Page[T]](h.GET(next.String()).Status(http.StatusOK))
		items = append(items, page.Items...)
		if page.Next == nil {
			return items
		}
		query := next.Query()
		query.Set("cursor", *page.Next)
		next.RawQuery = query.Encode()
	}
	h.t.Fatalf("follow %s: the list does not end after %d pages", path, most)
	return nil
}

// Output is what came of a command of a plugin.
type Output struct {
	// Out is what it wrote as its result, Err what it wrote beside that.
	Out, Err string
	// Error is the command's error, or says that it was called wrongly: an unknown flag, a value of the wrong kind.
	Error error
}

// Command calls a command of a plugin by its name, such as "accounts create-admin", with flags and arguments, and an empty
// input; see [App.CommandFrom].
func (a *App) Command(name string, args ...string) Output {
	a.t.Helper()
	return a.CommandFrom("", name, args...)
}

// CommandFrom is [App.Command] with an input for the command to read. The command runs in the test's application, beside its
// requests, events and loops. Its flags are fields of its plugin, so one command is called by one goroutine at a time.
func (a *App) CommandFrom(input, name string, args ...string) Output {
	a.t.Helper()
	var out, errOut strings.Builder
	err := cli.Execute(Context(a.t), a.host, name, args, strings.NewReader(input), &out, &errOut)
	return Output{Out: out.String(), Err: errOut.String(), Error: err}
}

func (a *Answer) decode(to any) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.Body), to, json.RejectUnknownMembers(true)); err != nil {
		a.t.Fatalf("%s: decode body: %v\nbody: %s", a.request, err, a.Body)
	}
}

// reader returns body as the bytes to send, and whether there are any: a string, bytes or a reader as they
// are, anything else as JSON.
func reader(t testing.TB, body any) (io.Reader, bool) {
	t.Helper()
	switch b := body.(type) {
	case nil:
		return http.NoBody, false
	case string:
		return strings.NewReader(b), true
	case []byte:
		return strings.NewReader(string(b)), true
	case io.Reader:
		return b, true
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatalf("encode body: %v", err)
	}
	return strings.NewReader(string(text)), true
}
