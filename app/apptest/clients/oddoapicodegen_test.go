package clients_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	_ "github.com/oapi-codegen/nullable" // what a generated client imports
	"github.com/oapi-codegen/oapi-codegen/v2/pkg/codegen"
	"github.com/stretchr/testify/require"
)

// codegenLimits are shapes that a client of oapi-codegen's cannot send or read.
var codegenLimits = map[string]limit{
	"names":         {"AB redeclared", "the members a-b, a.b and a/b get one name in Go, which does not compile"},
	"exact_numbers": {"of type float32", "oapi-codegen has a number without a format as a float32"},
	"open_forms":    {"12345679000000000000", "oapi-codegen has a number without a format as a float32"},
	"anything":      {"9007199254740992", "oapi-codegen has what can be anything as an any, whose numbers are float64, and leaves out its null"},
	"big_integers":  {"of type int", "oapi-codegen has an integer without a format as an int"},
	"queries":       {"limit=1&limit=2", "a parameter that is no list is sent once"},
	"strict_query":  {"b=1", "what the document does not have is not sent"},
	"everywhere":    {`sent {"name":"n"}`, "what the document does not have is not sent"},
	"url_form":      {"Tags:[]", "oapi-codegen numbers the values of a list in a form: tag[0]=1"},
	"signed":        {`"bytes":12`, "oapi-codegen writes the body in its own way, and this shape answers with the length of what came"},
}

// A client that oapi-codegen generates sends what the service takes and reads what it answers.
func TestAClientOfOapiCodegenSpeaksToTheOddShapes(t *testing.T) {
	t.Parallel()
	slow(t)
	odd := startOdd(t)
	dir := generatedModule(t, "oapicodegen")
	generateClient(t, odd.document(t, "openapi-3.0.json", only("names")), dir)
	_, err := try(t, dir, nil, "go", "vet", ".")
	require.ErrorContains(t, err, "AB redeclared")

	generateClient(t, odd.document(t, "openapi-3.0.json", allBut("names")), dir)
	output(t, dir, nil, "go", "build", "-o", "play", ".")
	operations := odd.operations(t, "openapi-3.0.json")
	var calls bytes.Buffer
	encoder := json.NewEncoder(&calls)
	for _, s := range odd.shapes {
		for _, x := range s.Exchanges {
			if s.Name != "names" {
				require.NoError(t, encoder.Encode(callOf(t, s, x, operations[s.Name])))
			}
		}
	}
	outcomes := json.NewDecoder(bytes.NewReader(output(t, dir, calls.Bytes(), filepath.Join(dir, "play"), odd.address)))
	odd.requireLimits(t, codegenLimits, func(s oddShape, _ int) (o outcome) {
		if s.Name == "names" {
			return outcome{Unread: "AB redeclared"}
		}
		require.NoError(t, outcomes.Decode(&o))
		return o
	})
}

// generateClient writes client.go of a document into dir.
func generateClient(t *testing.T, document, dir string) {
	t.Helper()
	spec, err := openapi3.NewLoader().LoadFromFile(document)
	require.NoError(t, err)
	source, err := codegen.Generate(spec, codegen.Configuration{
		PackageName: "main", Generate: codegen.GenerateOptions{Client: true, Models: true},
		OutputOptions: codegen.OutputOptions{NullableType: true}, // null is not the same as nothing
	}.UpdateDefaults())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "client.go"), []byte(source), 0o600))
}

// codegenCall is what the program in testdata/oapicodegen plays.
type codegenCall struct {
	Operation   string
	Path        []string
	Given       map[string]any
	ContentType string
	JSON        json.RawMessage
	Raw         []byte
	Headers     map[string]string
}

// callOf takes an exchange apart.
func callOf(t *testing.T, s oddShape, x exchange, op operation) codegenCall {
	t.Helper()
	target, err := url.Parse(x.Target)
	require.NoError(t, err)
	c := codegenCall{Operation: op.OperationID, Path: pathValues(t, s, target), Headers: map[string]string{}, ContentType: x.header("Content-Type")}
	query := target.Query()
	form, _ := url.ParseQuery(string(x.Body))
	switch c.Given = given(op, x, query); {
	case c.ContentType == "application/json":
		c.JSON = x.Body
	case strings.Contains(c.ContentType, "urlencoded"):
		c.JSON, err = json.Marshal(map[string]any{"name": form.Get("name"), "tag": form["tag"]})
		require.NoError(t, err)
	default:
		c.Raw = x.Body
	}
	for _, name := range []string{"Accept", "Authorization", "If-None-Match"} {
		if value := x.header(name); value != "" {
			c.Headers[name] = value
		}
	}
	return c
}

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

// given returns the values of all parameters but the path's, as JSON has them.
func given(op operation, x exchange, query url.Values) map[string]any {
	values := map[string]any{}
	for _, p := range op.Parameters {
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
