package httpserver

import (
	"bytes"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"plugboard/app"
)

// bodySource gives a binder what it cannot see in the head of a request.
type bodySource interface {
	// Param returns the path parameter of the given name, decoded.
	Param(name string) string
	// HasBody reports whether the request has a body.
	HasBody() bool
	// ReadBody returns the whole body. The binder does not use it after it has returned.
	ReadBody() ([]byte, error)
}

// bind fills request, a pointer to the zero request, from r and validates it. What is wrong is collected in bad, which is empty.
func (p *binder) bind(r *http.Request, from bodySource, request any, bad *violations) error {
	into := reflect.ValueOf(request).Elem()
	for i := range p.defaults {
		p.defaults[i].apply(into.FieldByIndex(p.defaults[i].index))
	}
	pairs, err := parsePairs("query", r.URL.RawQuery)
	if err != nil {
		return err
	}
	p.bindURI(from, into, bad)
	p.bindHeader(r.Header, into, bad)
	p.bindCookies(r, into, bad)
	if err := bad.err(); err != nil && len(r.Header["Expect"]) > 0 {
		return err // whatever the body is: the client waits for "100 Continue" and need not send it
	}
	fromBody, err := p.bindBody(r, from, into, bad)
	if err != nil {
		return err
	}
	if !fromBody {
		if err := p.bindForm("query", pairs, into, bad); err != nil {
			return err
		}
	}
	return p.validate(request, bad)
}

// bindBody fills what comes from the body, and reports whether that included the form fields.
func (p *binder) bindBody(r *http.Request, from bodySource, into reflect.Value, bad *violations) (form bool, err error) {
	if !from.HasBody() {
		if p.json != nil {
			return false, errNoBody()
		}
		return false, nil
	}
	as, err := p.acceptedType(r)
	if err != nil {
		return false, err
	}
	body, err := from.ReadBody()
	if err != nil {
		return false, err
	}
	if p.raw != nil {
		into.FieldByIndex(p.raw).SetBytes(bytes.Clone(body))
	}
	switch {
	case p.json != nil:
		return false, p.json.decode(body, into, bad)
	case !p.formBody:
		return false, nil
	}
	return true, p.bindFormBody(body, as, into, bad)
}

// acceptedType returns the body's media type when the binder takes it.
func (p *binder) acceptedType(r *http.Request) (mediaType, error) {
	accepted := p.accepts()
	if accepted == nil && !p.takesAnything() {
		return mediaType{}, app.Errorf(app.UnsupportedType, "this endpoint takes no body")
	}
	as, err := readMediaType(r)
	if err != nil {
		return as, err
	}
	if slices.Contains(accepted, as.name) || p.takesAnything() {
		return as, nil
	}
	return as, app.Errorf(app.UnsupportedType, "the body must be %s", strings.Join(accepted, " or "))
}

// mediaType is the Content-Type of a request, taken apart.
type mediaType struct {
	name     string
	boundary string
}

// readMediaType returns the media type of the body r has. A body must say what it is, in UTF-8 where that
// matters, and must not be compressed.
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

// accepts returns the media types of the bodies p takes.
func (p *binder) accepts() []string {
	switch {
	case p.json != nil && p.patch:
		return []string{"application/json", "application/merge-patch+json"}
	case p.json != nil:
		return []string{"application/json"}
	case len(p.files) > 0:
		return []string{"multipart/form-data"}
	case p.formBody:
		return []string{"application/x-www-form-urlencoded", "multipart/form-data"}
	default:
		return nil
	}
}

// takesAnything reports whether p takes a body of any media type: one that nothing but its RawBody field reads.
func (p *binder) takesAnything() bool { return p.raw != nil && p.accepts() == nil }
