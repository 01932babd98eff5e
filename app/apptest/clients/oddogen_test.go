package clients_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/ogen-go/ogen/middleware" // what a generated client imports
	"github.com/stretchr/testify/require"
)

// ogenLimits are shapes that a client of ogen's cannot send or read.
var ogenLimits = map[string]limit{
	"names":         {"404", "a member whose name has no letter gets no name in Go: ogen stops"},
	"tree":          {"unexpected byte 110 'n'", "of a member of the object's own type that may be null, ogen forgets that it may be"},
	"numbers":       {"value -1 less than 0", "ogen checks unsigned numbers of 64 bits as signed ones"},
	"open_forms":    {"12345678901234567000", "ogen has a number without a format as a float64"},
	"exact_numbers": {"value out of range", "ogen has a number without a format as a float64"},
	"big_integers":  {"value out of range", "ogen has an integer without a format as an int"},
	"times":         {"T10:00:00+02:00", "ogen writes times without fractions of a second"},
	"queries":       {"Exact:0.1000000000", "ogen writes numbers of a query with ten digits behind the point"},
	"strict_query":  {"status 200", "ogen reads no parameters that the document does not have, and so it sends none"},
	"signed":        {`"bytes":12`, "ogen writes the body in its own way, and this shape answers with the length of what came"},
	"raw":           {"404", "OpenAPI has no parameters of a path that have slashes in them"},
}

// A client that ogen generates sends what the service takes and reads what it answers.
func TestAClientOfOgenSpeaksToTheOddShapes(t *testing.T) {
	t.Parallel()
	slow(t)
	odd := startOdd(t)
	dir := generatedModule(t, "ogen")
	generate := func(document string) error {
		_, err := try(t, ".", nil, "go", "tool", "ogen", "--config", "testdata/ogen/ogen.yml", "--target", filepath.Join(dir, "api"),
			"--package", "api", "--clean", document)
		return err
	}
	err := generate(odd.document(t, "openapi-3.0.json", only("names")))
	require.ErrorContains(t, err, `property name: "_"`)
	require.NoError(t, generate(odd.document(t, "openapi-3.0.json", allBut("names"))))
	output(t, dir, nil, "go", "build", "-o", "passing", ".")
	passing := listening(t, filepath.Join(dir, "passing"), odd.address)
	odd.requireLimits(t, ogenLimits, func(s oddShape, i int) outcome { return pass(t, passing, s.Method, s.Exchanges[i]) })
}

// listening runs a program until the test ends, and returns the first line that it prints.
func listening(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Kill())
		require.IsType(t, new(exec.ExitError), cmd.Wait())
	})
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan())
	return lines.Text()
}

// pass plays an exchange through the program in testdata/ogen.
func pass(t *testing.T, address, method string, x exchange) outcome {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address+x.Target, bytes.NewReader(x.Body))
	require.NoError(t, err)
	for _, h := range x.Headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Add(name, value)
	}
	answer, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	const unread = 599
	switch {
	case answer.StatusCode == unread:
		return outcome{Unread: string(text)}
	case strings.Contains(string(text), `"error_message"`): // the generated server's word for what it could not read
		return outcome{Refused: string(text)}
	default:
		return outcome{Status: answer.StatusCode, Answer: text}
	}
}
