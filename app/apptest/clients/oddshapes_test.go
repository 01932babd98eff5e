package clients_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// slow skips a test that takes minutes, unless the environment asks for it.
func slow(t *testing.T) {
	t.Helper()
	if os.Getenv("CLIENTS_ALL") == "" {
		t.Skip("it takes minutes: make check/full runs it")
	}
}

// oddService is a running service of the odd shapes, with what it tells of itself.
type oddService struct {
	address string
	dir     string // has openapi.json and openapi-3.0.json
	shapes  []oddShape
}

// oddShape is an endpoint with exchanges that hold.
type oddShape struct {
	Name, Method, Path string
	Exchanges          []exchange
}

type exchange struct {
	Target  string
	Headers []string
	Body    []byte
	Status  int
	Answer  []byte
}

// header returns a header of the request, "" when it has none.
func (x exchange) header(name string) string {
	for _, h := range x.Headers {
		if value, ok := strings.CutPrefix(h, name+": "); ok {
			return value
		}
	}
	return ""
}

// describeOdd builds the service of the odd shapes and has it write its documents.
func describeOdd(t *testing.T) (odd oddService, binary string) {
	t.Helper()
	odd.dir = t.TempDir()
	binary = filepath.Join(t.TempDir(), "oddservice")
	output(t, root, nil, "go", "build", "-o", binary, "./infra/httpserver/testdata/oddservice")
	manifest := output(t, odd.dir, nil, binary, "describe")
	output(t, odd.dir, manifest, binary, "documents", odd.dir)
	text, err := os.ReadFile(filepath.Join(odd.dir, "exchanges.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &odd.shapes))
	return odd, binary
}

// startOdd also runs it until the test ends.
func startOdd(t *testing.T) oddService {
	t.Helper()
	odd, binary := describeOdd(t)
	odd.address = run(t, binary)
	return odd
}

// output runs a program and returns what it prints.
func output(t *testing.T, dir string, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	stdout, err := try(t, dir, stdin, name, args...)
	require.NoError(t, err)
	return stdout
}

// try runs a program; the error has what it says besides.
func try(t *testing.T, dir string, stdin []byte, name string, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
	stderr := new(bytes.Buffer)
	cmd.Stderr = stderr
	stdout, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout, err
}

var wildcard = regexp.MustCompile(`[:*](\w+)`)

// template returns the shape's path as documents have it.
func (s oddShape) template() string { return wildcard.ReplaceAllString(s.Path, "{$1}") }

// document writes the document of the given file with those paths alone that keep tells, and returns the new file's name.
func (odd oddService) document(t *testing.T, file string, keep func(shape string) bool) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(odd.dir, file))
	require.NoError(t, err)
	var document map[string]json.RawMessage
	var paths map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &document))
	require.NoError(t, json.Unmarshal(document["paths"], &paths))
	for _, s := range odd.shapes {
		if !keep(s.Name) {
			delete(paths, s.template())
		}
	}
	document["paths"], err = json.Marshal(paths)
	require.NoError(t, err)
	text, err = json.Marshal(document)
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), file)
	require.NoError(t, os.WriteFile(name, text, 0o600))
	return name
}

// operation is what the drivers need of an endpoint.
type operation struct {
	OperationID string `json:"operationId"`
	Parameters  []parameter
	Responses   map[string]any
}

type parameter struct {
	Name, In string
	Schema   struct {
		Type  any
		Items struct{ Type any }
	}
}

// operations returns the endpoints of a document by the shapes' names.
func (odd oddService) operations(t *testing.T, file string) map[string]operation {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(odd.dir, file))
	require.NoError(t, err)
	var document struct {
		Paths map[string]map[string]operation
	}
	require.NoError(t, json.Unmarshal(text, &document))
	all := map[string]operation{}
	for _, s := range odd.shapes {
		all[s.Name] = document.Paths[s.template()][strings.ToLower(s.Method)]
	}
	return all
}

// outcome is what became of an exchange that a generated client played.
type outcome struct {
	// Refused tells why the client has sent nothing.
	Refused string
	// Unread tells why the client could not read the answer.
	Unread string
	// Sent is the body as the client writes it, nil where that is not known.
	Sent   []byte
	Status int
	Answer []byte
}

// difference tells how the outcome is not as the exchange has it, "" for not at all. What the service would refuse, a client may
// refuse itself, or be unable to write.
func (o outcome) difference(x exchange) string {
	refusal, unable := x.Status >= 400, o.Sent != nil && !same(o.Sent, x.Body)
	switch {
	case refusal && (o.Refused != "" || unable):
		return ""
	case o.Refused != "":
		return "not sent: " + o.Refused
	case unable:
		return fmt.Sprintf("sent %s, want %s", o.Sent, x.Body)
	case o.Unread != "":
		return "not read: " + o.Unread
	case o.Status != x.Status:
		return fmt.Sprintf("status %d, want %d: %s", o.Status, x.Status, o.Answer)
	case !same(o.Answer, x.Answer):
		return fmt.Sprintf("read %s, want %s", o.Answer, x.Answer)
	default:
		return ""
	}
}

// limit is what a generator cannot express.
type limit struct {
	// shows is a part of the difference that it makes.
	shows string
	why   string
}

// requireLimits plays all exchanges and requires that those shapes differ, and only those, that are listed.
func (odd oddService) requireLimits(t *testing.T, limits map[string]limit, play func(s oddShape, i int) outcome) {
	t.Helper()
	differences := map[string]string{}
	for _, s := range odd.shapes {
		for i, x := range s.Exchanges {
			if d := play(s, i).difference(x); d != "" {
				differences[s.Name] += fmt.Sprintf("%s %s %s: %s\n", s.Method, x.Target, x.Body, d)
			}
		}
	}
	for name, d := range differences {
		if limits[name].why == "" {
			t.Errorf("%s: %s", name, d)
		} else if !strings.Contains(d, limits[name].shows) {
			t.Errorf("%s: it is listed to differ by %q: %s", name, limits[name].shows, d)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		if differences[name] == "" {
			t.Errorf("%s: it is listed to differ, and does not", name)
		}
	}
}

// same compares JSON by what it means, and other text by the byte. Numbers are compared in all their digits.
func same(a, b []byte) bool {
	x, okX := meaning(a)
	y, okY := meaning(b)
	if okX && okY {
		return x == y
	}
	return bytes.Equal(a, b)
}

func meaning(text []byte) (string, bool) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil || decoder.More() {
		return "", false
	}
	plain, err := json.Marshal(normal(value))
	return string(plain), err == nil
}

// normal writes numbers as fractions.
func normal(value any) any {
	switch v := value.(type) {
	case json.Number:
		if r, ok := new(big.Rat).SetString(v.String()); ok {
			return map[string]any{"number": r.String()}
		}
	case []any:
		for i := range v {
			v[i] = normal(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = normal(v[name])
		}
	}
	return value
}

// generatedModule makes a folder with this module's go.mod and go.sum and the files of a folder of testdata, for a client that
// is generated.
func generatedModule(t *testing.T, folder string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", folder))))
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	return dir
}

// allBut keeps every shape but those named.
func allBut(names ...string) func(string) bool {
	return func(shape string) bool { return !slices.Contains(names, shape) }
}

// only keeps one shape.
func only(name string) func(string) bool { return func(shape string) bool { return shape == name } }
