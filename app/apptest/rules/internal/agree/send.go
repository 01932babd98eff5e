package agree

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"
)

// answer is the answer to a request.
type answer struct {
	code int
	head http.Header
	body string
}

// send makes the request.
func (r request) send(s Service) answer {
	call := r.http(s.Header)
	for _, header := range r.headers {
		name, value, _ := strings.Cut(header, ": ")
		call.Header.Add(name, value)
	}
	rec := httptest.NewRecorder()
	s.Handler.ServeHTTP(rec, call)
	return answer{rec.Code, rec.Result().Header, rec.Body.String()}
}

// http is the request as a server gets it, with further headers.
func (r request) http(more http.Header) *http.Request {
	target, query := r.op.path, url.Values{}
	headers, cookies := http.Header{}, []string{}
	for p, texts := range r.texts {
		switch p.in {
		case "path":
			target = strings.ReplaceAll(target, "{"+p.name+"}", escapedPath(texts[0]))
		case "query":
			query[p.name] = texts
		case "header":
			headers.Set(p.name, strings.Join(texts, ", "))
		case "cookie":
			cookies = append(cookies, p.name+"="+texts[0])
		}
	}
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	media, content := r.content()
	call := httptest.NewRequestWithContext(context.Background(), r.op.method, target, strings.NewReader(content))
	call.Header = headers
	call.RemoteAddr = newAddress()
	for name, values := range more {
		call.Header[http.CanonicalHeaderKey(name)] = values
	}
	if media != "" {
		call.Header.Set("Content-Type", media)
	}
	if len(cookies) > 0 {
		call.Header.Set("Cookie", strings.Join(cookies, "; "))
	}
	return call
}

// requests counts those that were made.
var requests atomic.Uint32 //nolint:gochecknoglobals // no two requests have one address, whoever makes them

// newAddress is an address of a client that made no request before, so that limits per client limit none.
func newAddress() string {
	const group = 1 << 16
	n := requests.Add(1)
	return fmt.Sprintf("[2001:db8:%x:%x::1]:40000", n/group, n%group)
}

// escapedPath is a text as a segment of a path. It begins with a slash where that is a whole rest of a path.
func escapedPath(text string) string {
	return strings.ReplaceAll(url.PathEscape(text), ":", "%3A")
}

// content is the body with its media type.
func (r request) content() (media, content string) {
	switch {
	case r.hasBody:
		text, err := json.Marshal(r.body)
		if err != nil {
			return "", err.Error()
		}
		return r.media, string(text)
	case r.media == "application/x-www-form-urlencoded":
		form := url.Values{}
		for p, texts := range r.texts {
			if p.in == "form" {
				form[p.name] = texts
			}
		}
		return r.media, form.Encode()
	case r.media == "multipart/form-data":
		return r.multipart()
	default:
		return r.media, r.raw
	}
}

// multipart is the form as parts, of which files have a name.
func (r request) multipart() (media, content string) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, p := range r.op.parameters {
		for _, text := range r.texts[p] {
			head := textproto.MIMEHeader{}
			disposition := fmt.Sprintf("form-data; name=%q", p.name)
			if p.isFile() {
				disposition += `; filename="file"`
			}
			head.Set("Content-Disposition", disposition)
			part, err := w.CreatePart(head)
			if err == nil && p.in == "form" {
				_, _ = part.Write([]byte(text)) // into memory
			}
		}
	}
	_ = w.Close() // into memory
	return w.FormDataContentType(), body.String()
}
