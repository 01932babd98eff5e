package clients_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pathValues returns the values of the path's parameters, in their order.
func pathValues(t *testing.T, s oddShape, target *url.URL) []string {
	t.Helper()
	pattern := regexp.MustCompile(`:\w+`).ReplaceAllString(s.Path, `([^/]*)`)
	found := regexp.MustCompile("^" + regexp.MustCompile(`/\*\w+`).ReplaceAllString(pattern, `/(.*)`) + "$").FindStringSubmatch(target.EscapedPath())
	require.NotEmpty(t, found, s.Name)
	var values []string
	for _, escaped := range found[1:] {
		value, err := url.PathUnescape(escaped)
		require.NoError(t, err)
		values = append(values, value)
	}
	return values
}

// given returns the values of the parameters that are in one of the places, as JSON has them.
func given(op operation, x exchange, query url.Values, in ...string) map[string]any {
	values := map[string]any{}
	for _, p := range op.Parameters {
		if !slices.Contains(in, p.In) {
			continue
		}
		var texts []string
		switch p.In {
		case "query":
			texts = query[p.Name]
		case "header":
			texts = x.list(p.Name)
		case "cookie":
			texts = x.cookie(p.Name)
		}
		if len(texts) == 0 {
			continue
		}
		if p.Schema.Type != "array" {
			values[p.Name] = scalar(p.Schema.Type, texts[0])
			continue
		}
		list := []any{}
		for _, text := range texts {
			list = append(list, scalar(p.Schema.Items.Type, text))
		}
		values[p.Name] = list
	}
	return values
}

// scalar is a text as JSON has it in a parameter of the type.
func scalar(typ any, text string) any {
	if slices.Contains([]any{"integer", "number", "boolean"}, typ) && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return text
}

// list returns what headers of the name have, which is lists.
func (x exchange) list(name string) []string {
	var all []string
	for _, h := range x.Headers {
		if value, ok := strings.CutPrefix(h, http.CanonicalHeaderKey(name)+": "); ok {
			for _, part := range strings.Split(value, ",") {
				all = append(all, strings.TrimSpace(part))
			}
		}
	}
	return all
}

func (x exchange) cookie(name string) []string {
	cookies, _ := http.ParseCookie(x.header("Cookie"))
	for _, c := range cookies {
		if c.Name == name {
			return []string{c.Value}
		}
	}
	return nil
}

// unsaid are the headers that documents have no parameters for: callers add them by themselves.
func (x exchange) unsaid() map[string]string {
	headers := map[string]string{}
	for _, name := range []string{"Accept", "Authorization", "If-None-Match"} {
		if value := x.header(name); value != "" {
			headers[name] = value
		}
	}
	return headers
}

// urlForm returns the fields of the form that one shape takes.
func urlForm(t *testing.T, x exchange) map[string]any {
	t.Helper()
	form, err := url.ParseQuery(string(x.Body))
	require.NoError(t, err)
	return map[string]any{"name": form.Get("name"), "tag": form["tag"]}
}
