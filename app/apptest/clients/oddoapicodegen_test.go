package clients_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
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
	"cookies":       {"session must not be empty", "a parameter that is required is always sent"},
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
	c := codegenCall{Operation: op.OperationID, Path: pathValues(t, s, target), Headers: x.unsaid(), ContentType: x.header("Content-Type")}
	c.Given = given(op, x, target.Query(), "query", "header", "cookie")
	switch {
	case c.ContentType == "application/json":
		c.JSON = x.Body
	case strings.Contains(c.ContentType, "urlencoded"):
		c.JSON = json.RawMessage(asJSON(t, urlForm(t, x)))
	default:
		c.Raw = x.Body
	}
	return c
}
