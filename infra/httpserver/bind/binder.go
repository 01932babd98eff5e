// Package bind fills a request struct from an HTTP request.
//
// At start a [Compiler] compiles each request type into a [Binder]. Its [Binder.Bind] is a function of the request alone: it fills
// the fields from path, headers, cookies, query and body, checks the rules of their binding tags, and returns what is wrong as an
// *[app.Error] for the caller. It knows no server and no router. A Binder is immutable and safe for concurrent use.
package bind

import (
	"bytes"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"plugboard/app"
	"plugboard/infra/httpserver/bind/rules"
)

// Source gives a binder what it cannot see in the head of a request. A binder calls its methods on its own goroutine, and each of
// HasBody and ReadBody once at most, in this order.
type Source interface {
	// Param returns the path parameter of the given name, decoded.
	Param(name string) string
	// HasBody reports whether the request has a body.
	HasBody() bool
	// ReadBody returns the whole body. The binder does not keep it beyond Bind. Bind returns the error of ReadBody as it is.
	ReadBody() ([]byte, error)
}

// Bind fills request, a pointer to the zero value of the binder's type, from r and from, and checks its rules. It returns an
// *[app.Error] for what is wrong with the request. It returns the errors of the source's ReadBody and of the request's own Validate
// method as they are; any other error is a fault of the service. The caller gives found, which is empty, so that it can be part of
// a larger value and costs no allocation. Bind collects violations in it.
func (b *Binder) Bind(r *http.Request, from Source, request any, found *rules.Violations) error {
	into := reflect.ValueOf(request).Elem()
	for i := range b.defaults {
		b.defaults[i].Apply(into.FieldByIndex(b.defaults[i].index))
	}
	pairs, err := parsePairs("query", r.URL.RawQuery)
	if err != nil {
		return err
	}
	b.bindURI(from, into, found)
	b.bindHeader(r.Header, into, found)
	b.bindCookies(r, into, found)
	if err := found.Err(); err != nil && len(r.Header["Expect"]) > 0 {
		return err // before the body is read: the client waits for "100 Continue", and so need not send it
	}
	fromBody, err := b.bindBody(r, from, into, found)
	if err != nil {
		return err
	}
	if !fromBody {
		if err := b.bindForm("query", pairs, into, found); err != nil {
			return err
		}
	}
	return b.validate(request, found)
}

// bindBody fills what comes from the body, and reports whether the form fields came from it.
func (b *Binder) bindBody(r *http.Request, from Source, into reflect.Value, found *rules.Violations) (form bool, err error) {
	if !from.HasBody() {
		if b.json != nil {
			return false, errNoBody()
		}
		return false, nil
	}
	as, err := b.acceptedType(r)
	if err != nil {
		return false, err
	}
	body, err := from.ReadBody()
	if err != nil {
		return false, err
	}
	if b.raw != nil {
		into.FieldByIndex(b.raw).SetBytes(bytes.Clone(body))
	}
	switch {
	case b.json != nil:
		return false, b.json.decode(body, into, found)
	case !b.formBody:
		return false, nil
	}
	return true, b.bindFormBody(body, as, into, found)
}

// acceptedType returns the body's media type when the binder takes it.
func (b *Binder) acceptedType(r *http.Request) (mediaType, error) {
	accepted := b.Accepts()
	if accepted == nil && !b.TakesAnything() {
		return mediaType{}, app.Errorf(app.UnsupportedType, "this endpoint takes no body")
	}
	as, err := readMediaType(r)
	if err != nil {
		return as, err
	}
	if slices.Contains(accepted, as.name) || b.TakesAnything() {
		return as, nil
	}
	return as, app.Errorf(app.UnsupportedType, "the body must be %s", strings.Join(accepted, " or "))
}

// mediaType is the Content-Type of a request, taken apart.
type mediaType struct {
	name     string
	boundary string
}

// readMediaType returns the media type of r's body. A body must say what it is, have no other charset than UTF-8, and must not be
// compressed.
func readMediaType(r *http.Request) (mediaType, error) {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return mediaType{}, app.Errorf(app.UnsupportedType, "the body must not have a content encoding")
	}
	given := r.Header["Content-Type"]
	switch {
	case len(given) == 0 || given[0] == "":
		return mediaType{}, app.Errorf(app.UnsupportedType, "the body needs a Content-Type")
	case len(given) > 1:
		return mediaType{}, app.Errorf(app.UnsupportedType, "the body has more than one Content-Type")
	case given[0] == "application/json":
		return mediaType{name: given[0]}, nil
	}
	name, params, err := mime.ParseMediaType(given[0])
	if err != nil {
		return mediaType{}, app.Errorf(app.UnsupportedType, "the Content-Type is malformed")
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return mediaType{}, app.Errorf(app.UnsupportedType, "the charset must be utf-8")
	}
	return mediaType{name: name, boundary: params["boundary"]}, nil
}

// Accepts returns the media types of the bodies that the binder takes.
func (b *Binder) Accepts() []string {
	switch {
	case b.json != nil && b.patch:
		return []string{"application/json", "application/merge-patch+json"}
	case b.json != nil:
		return []string{"application/json"}
	case len(b.files) > 0:
		return []string{"multipart/form-data"}
	case b.formBody:
		return []string{"application/x-www-form-urlencoded", "multipart/form-data"}
	default:
		return nil
	}
}

// TakesAnything reports whether the binder takes a body of any media type, since nothing but its RawBody field reads it.
func (b *Binder) TakesAnything() bool { return b.raw != nil && b.Accepts() == nil }

// validate applies the rules of request's fields. If they all hold, it calls request's own Validate method. An empty list of violations
// from that is no error.
func (b *Binder) validate(request any, found *rules.Violations) error {
	if b.rules != nil {
		if err := b.rules.Apply(request, found); err != nil {
			return err
		}
	}
	if err := found.Err(); err != nil || !b.custom {
		return err
	}
	custom, ok := request.(app.Validator)
	if !ok {
		return nil
	}
	err := custom.Validate()
	if broken, ok := err.(app.Violations); ok && len(broken) == 0 { //nolint:errorlint // a wrapped list has a message of its own
		return nil
	}
	return err
}

// MemoryFactor returns how many times the size of its body a request takes.
func (b *Binder) MemoryFactor() int64 {
	if b.json != nil {
		return jsonFactor
	}
	return formFactor
}

// How many times the size of its body a request takes. docs/adr/0024 has the figures.
const (
	// jsonFactor is for a JSON body and what is decoded out of it. A list of small numbers takes most.
	jsonFactor = 8
	// formFactor is for every other body: a form and the copies of its parts, or a raw body and its copy.
	formFactor = 2
)

// FormBody reports whether form fields come from the body when there is one.
func (b *Binder) FormBody() bool { return b.formBody }

// Headers returns the names of the headers that fields are filled from.
func (b *Binder) Headers() (names []string) {
	for i := range b.header {
		names = append(names, b.header[i].name)
	}
	return names
}

// Cookies returns the names of the cookies that fields are filled from.
func (b *Binder) Cookies() (names []string) {
	for i := range b.cookies {
		names = append(names, b.cookies[i].name)
	}
	return names
}
