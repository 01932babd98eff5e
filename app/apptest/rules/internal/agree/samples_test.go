package agree

import (
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/infra/httpserver/testdata/oddshapes"
)

// operation returns an operation by its method and path.
func (d *Document) operation(t *testing.T, method, path string) *endpoint {
	t.Helper()
	i := slices.IndexFunc(d.operations, func(o *endpoint) bool { return o.method == method && o.path == path })
	require.GreaterOrEqual(t, i, 0, path)
	return d.operations[i]
}

// sample is the request of an exchange. Of its headers it keeps those that no parameter describes.
func (o *endpoint) sample(t *testing.T, x oddshapes.Exchange) request {
	t.Helper()
	target, err := url.Parse(x.Target)
	require.NoError(t, err)
	r := request{op: o, texts: map[*parameter][]string{}}
	headers := http.Header{}
	for _, header := range x.Headers {
		name, value, _ := strings.Cut(header, ": ")
		headers.Add(name, value)
	}
	r.media, _, _ = strings.Cut(headers.Get("Content-Type"), ";")
	form := url.Values{}
	switch r.media {
	case "application/json":
		require.NoError(t, decode(x.Body, &r.body))
		r.hasBody = true
	case "application/x-www-form-urlencoded":
		form, err = url.ParseQuery(x.Body)
		require.NoError(t, err)
	case "multipart/form-data":
		form = formOf(t, headers.Get("Content-Type"), x.Body)
	default:
		r.raw = x.Body
	}
	segments, template := strings.Split(target.EscapedPath(), "/"), strings.Split(o.path, "/")
	for _, p := range o.parameters {
		switch p.in {
		case "path":
			at := slices.Index(template, "{"+p.name+"}")
			text, err := url.PathUnescape(segments[at])
			require.NoError(t, err)
			r.give(p, text)
		case "query":
			r.give(p, target.Query()[p.name]...)
		case "form":
			r.give(p, form[p.name]...)
		case "header":
			lines := strings.Join(headers.Values(p.name), ",")
			r.give(p, strings.FieldsFunc(lines, func(c rune) bool { return c == ',' || c == ' ' })...)
			headers.Del(p.name)
		case "cookie":
			if c, err := (&http.Request{Header: headers}).Cookie(p.name); err == nil {
				r.give(p, c.Value)
			}
		}
	}
	for name, values := range headers {
		if name != "Content-Type" && name != "Cookie" {
			r.headers = append(r.headers, name+": "+values[0])
		}
	}
	return r
}

func (r request) give(p *parameter, texts ...string) {
	if len(texts) > 0 {
		r.texts[p] = texts
	}
}

// formOf are the parts of a multipart form by their names.
func formOf(t *testing.T, contentType, body string) url.Values {
	t.Helper()
	_, parameters, err := mime.ParseMediaType(contentType)
	require.NoError(t, err)
	parts, err := multipart.NewReader(strings.NewReader(body), parameters["boundary"]).ReadForm(1 << 20)
	require.NoError(t, err)
	form := url.Values(parts.Value)
	for name, files := range parts.File {
		for range files {
			form.Add(name, "content")
		}
	}
	return form
}
