package clients_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// typescriptLimits are shapes that a client in TypeScript cannot send or read.
var typescriptLimits = map[string]limit{
	"numbers":       {"i64 must be a whole number", "numbers of JavaScript have 53 bits"},
	"anything":      {"9007199254740992", "numbers of JavaScript have 53 bits"},
	"exact_numbers": {"number must not be null", "numbers of JavaScript are float64"},
	"big_integers":  {"has the wrong form", "numbers of JavaScript are float64, and large ones are written with an exponent"},
	"open_forms":    {"12345678901234567000", "numbers of JavaScript are float64"},
	"queries":       {"limit=1&limit=2", "a parameter that is no list is sent once"},
	"strict_query":  {"b=1", "what the document does not have is not sent"},
	"signed":        {`"bytes":12`, "openapi-fetch writes the body in its own way, and this shape answers with the length of what came"},
}

// mistyped are calls that the compiler must refuse, or else the types say nothing.
const mistyped = `
// @ts-expect-error: a number is no text
client.POST("/odd/numbers", { body: { i8: "1" } });
// @ts-expect-error: there is no such path
client.GET("/odd/unknown");
// @ts-expect-error: the cookie is required
client.GET("/odd/cookies", {});
// @ts-expect-error: data is not a text
const answer: Reads<"/odd/numbers", "post", 200> = { success: true, data: "", error: null };
`

// A client that openapi-typescript generates compiles in strict mode, with every body and every answer that the service takes
// and gives; it sends and reads them.
func TestAClientOfTypeScriptSpeaksToTheOddShapes(t *testing.T) {
	t.Parallel()
	slow(t)
	odd := startOdd(t)
	dir := typescriptFolder(t, "odd", filepath.Join(odd.dir, "openapi.json"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "exchanges.ts"), []byte(odd.typescript(t)), 0o600))
	output(t, dir, nil, npm(t), "tsc")
	outcomes := json.NewDecoder(bytes.NewReader(output(t, dir, nil, npm(t), "node", "out/exchanges.js", odd.address)))
	odd.requireLimits(t, typescriptLimits, func(oddShape, int) (o outcome) {
		require.NoError(t, outcomes.Decode(&o))
		return o
	})
}

// typescript returns the program that plays all exchanges, one after the other.
func (odd oddService) typescript(t *testing.T) string {
	t.Helper()
	var program strings.Builder
	program.WriteString(`import { asForm, asItIs, asMultipart, bytes, client, file, play, type Reads } from "./play.js";` + "\n\n")
	operations := odd.operations(t, "openapi.json")
	for _, s := range odd.shapes {
		for _, x := range s.Exchanges {
			op := operations[s.Name]
			fmt.Fprintf(&program, "await play(() => client.%s(%q, { %s }));\n", s.Method, s.template(), typescriptOptions(t, s, x, op))
			if x.enveloped() {
				status := strconv.Itoa(x.Status)
				if op.Responses[status] == nil {
					status = `"default"`
				}
				fmt.Fprintf(&program, "{ const answer: Reads<%q, %q, %s> = %s; }\n", s.template(), strings.ToLower(s.Method), status, x.Answer)
			}
		}
	}
	return program.String() + "function refused() {" + mistyped + "}\n"
}

// typescriptOptions are the options of a call: the values of parameters, the body, and headers.
func typescriptOptions(t *testing.T, s oddShape, x exchange, op operation) string {
	t.Helper()
	target, err := url.Parse(x.Target)
	require.NoError(t, err)
	params := map[string]map[string]any{"path": {}}
	values := pathValues(t, s, target)
	for i, name := range wildcard.FindAllStringSubmatch(s.Path, -1) {
		at := slices.IndexFunc(op.Parameters, func(p parameter) bool { return p.Name == name[1] })
		params["path"][name[1]] = scalar(op.Parameters[at].Schema.Type, values[i])
	}
	for _, in := range []string{"query", "header", "cookie"} {
		params[in] = given(op, x, target.Query(), in)
	}
	maps.DeleteFunc(params, func(_ string, values map[string]any) bool { return len(values) == 0 })
	headers := x.unsaid()
	if cookie := x.header("Cookie"); cookie != "" {
		headers["Cookie"] = cookie
	}
	options := []string{"headers: " + asJSON(t, headers)}
	if len(params) > 0 || x.Status >= 400 {
		options = append(options, "params: "+asJSON(t, params)+unless(x.Status < 400))
	}
	if len(x.Body) > 0 {
		body, serializer := typescriptBody(t, x)
		options = append(options, "body: "+body+unless(x.Status < 400))
		if serializer != "" {
			options = append(options, "bodySerializer: "+serializer)
			options[0] = "headers: " + asJSON(t, x.typed(headers))
		}
	}
	if x.Status < 400 && !x.enveloped() {
		options = append(options, `parseAs: "text"`)
	}
	return strings.Join(options, ", ")
}

// enveloped tells whether the answer is JSON.
func (x exchange) enveloped() bool { return bytes.HasPrefix(x.Answer, []byte(`{"success":`)) }

// unless lets the compiler take what it may refuse, as the service will.
func unless(right bool) string {
	if right {
		return ""
	}
	return " as never"
}

// typed adds the type of a body, where it is not added by what writes the body.
func (x exchange) typed(headers map[string]string) map[string]string {
	if contentType := x.header("Content-Type"); !strings.HasPrefix(contentType, "multipart/") {
		headers["Content-Type"] = contentType
	}
	return headers
}

// typescriptBody returns the body as an expression, and the function that writes it, "" for JSON.
func typescriptBody(t *testing.T, x exchange) (body, serializer string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(x.header("Content-Type"))
	require.NoError(t, err)
	switch kind {
	case "application/json":
		return string(x.Body), ""
	case "application/x-www-form-urlencoded":
		return asJSON(t, urlForm(t, x)), "asForm"
	case "multipart/form-data":
		return typescriptForm(t, multipart.NewReader(bytes.NewReader(x.Body), params["boundary"])), "asMultipart"
	default:
		return fmt.Sprintf("bytes(%q)", base64.StdEncoding.EncodeToString(x.Body)), "asItIs"
	}
}

// typescriptForm writes a form with files as an object.
func typescriptForm(t *testing.T, form *multipart.Reader) string {
	t.Helper()
	fields := map[string][]string{}
	for {
		part, err := form.NextRawPart()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		content, err := io.ReadAll(part)
		require.NoError(t, err)
		value := asJSON(t, string(content))
		if _, disposition, err := mime.ParseMediaType(part.Header.Get("Content-Disposition")); err == nil && disposition["filename"] != "" {
			value = fmt.Sprintf("file(%s, %s)", asJSON(t, disposition["filename"]), value)
		}
		fields[part.FormName()] = append(fields[part.FormName()], value)
	}
	var members []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := fields[name][0]
		if len(fields[name]) > 1 {
			value = "[" + strings.Join(fields[name], ", ") + "]"
		}
		members = append(members, name+": "+value)
	}
	return "{ " + strings.Join(members, ", ") + " }"
}

func asJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return string(text)
}
