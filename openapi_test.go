package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"plugboard/app/apptest"
	"plugboard/docs"
	"plugboard/domains/audit"
	"plugboard/domains/media"
	"plugboard/domains/notifications"
	"plugboard/domains/products"
)

// The generators are for developers; what they need is not in the service.
func TestServiceLinksNoDeveloperTools(t *testing.T) {
	t.Parallel()
	output, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	linked := strings.Fields(string(output))
	require.Contains(t, linked, "plugboard/infra/host")
	for _, tool := range []string{"plugboard/app/plug", "plugboard/app/apptest", "github.com/getkin/", "github.com/swaggo/swag", "golang.org/x/tools", "github.com/stretchr/", "testing"} {
		require.Empty(t, slices.DeleteFunc(slices.Clone(linked), func(pkg string) bool { return !strings.HasPrefix(pkg, tool) }))
	}
}

// For every field of every request, values around each of its limits are held against the description and sent to the
// service: it refuses what the description refuses and nothing else, and answers as is described. A field that may be left out is the exception:
// zero stands for "not given", whatever its limits.
func TestDescriptionAndServiceAgree(t *testing.T) {
	t.Parallel()
	h := apptest.New(t, products.Module, notifications.Module, audit.Module, media.Module)
	problems, allowed, refused := disagreements(t, h, docs.Spec())
	require.Empty(t, problems)
	require.Greater(t, allowed, 50)
	require.Greater(t, refused, 50)
	t.Logf("%d values that the description allows, %d that it refuses", allowed, refused)

	for old, wrong := range map[string]string{
		`"exclusiveMinimum": true,`: ``,
		`"maximum": 1000000000,`:    ``,
		`"maxLength": 200,`:         `"maxLength": 199,`,
		`"minLength": 1,`:           ``,
		`"maximum": 100,`:           `"maximum": 101,`,
		`"-price"`:                  `"+price"`,
		`"type": "number"`:          `"type": "number", "nullable": true`,
		`"required": [`:             `"x-required": [`,
		`"404"`:                     `"410"`,
		`"error",`:                  `"error", "more",`,
	} {
		require.True(t, strings.Contains(docs.Spec(), old), old) //nolint:testifylint // the whole document is no message
		problems, _, _ := disagreements(t, h, strings.ReplaceAll(docs.Spec(), old, wrong))
		require.NotEmpty(t, problems, old)
	}
}

// disagreements are the values that the description and the service see otherwise, and how many they agreed on.
func disagreements(t *testing.T, h *apptest.App, spec string) (problems []string, allowed, refused int) {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData([]byte(spec))
	require.NoError(t, err)
	for path, item := range document.Paths.Map() {
		for method, op := range item.Operations() {
			for _, f := range requestFields(op) {
				for _, value := range f.candidates() {
					ok := f.allows(value)
					problem := f.disagreement(h, method, path, op, value, ok)
					switch {
					case problem != "":
						problems = append(problems, fmt.Sprintf("%s %s: %s %s = %s: %s", method, path, f.in, f.name, show(value), problem))
					case ok:
						allowed++
					default:
						refused++
					}
				}
			}
		}
	}
	return problems, allowed, refused
}

// requestField is a parameter or a member of a JSON body, as it is described.
type requestField struct {
	name, in string
	required bool
	schema   *openapi3.Schema
	example  any
}

// requestFields are the fields of an operation's request. Files are left out: what is in them is no matter of schemas.
func requestFields(op *openapi3.Operation) []requestField {
	var all []requestField
	for _, ref := range op.Parameters {
		p := ref.Value
		if p.Name == "cursor" { // which strings are cursors of a list no schema can say
			continue
		}
		all = append(all, requestField{p.Name, p.In, p.Required, p.Schema.Value, p.Example})
	}
	if op.RequestBody == nil || op.RequestBody.Value.Content.Get("application/json") == nil {
		return all
	}
	body := op.RequestBody.Value.Content.Get("application/json").Schema.Value
	for name, ref := range body.Properties {
		all = append(all, requestField{name, "body", slices.Contains(body.Required, name), ref.Value, ref.Value.Example})
	}
	return all
}

// absent stands for a field that is left out.
type absent struct{}

func show(value any) string {
	text := fmt.Sprintf("%#v", value)
	return text[:min(len(text), 80)]
}

// candidates are values on, just inside and just outside of the limits, and of wrong types.
func (f requestField) candidates() []any {
	all := []any{f.example, absent{}}
	if f.in == "path" {
		all = all[:1]
	}
	if f.in == "body" {
		all = append(all, nil, true, "text", 7.5, []any{}, map[string]any{})
	}
	s := f.schema
	switch {
	case s.Type.Is("integer"):
		all = append(all, around(s, 1)...)
		if f.in == "body" {
			all = append(all, 1.5)
		} else {
			all = append(all, "x", "1.5", "+1", "01", "99999999999999999999")
		}
	case s.Type.Is("number"):
		all = append(all, around(s, 1e-6)...)
	case s.Type.Is("string") && len(s.Enum) > 0:
		all = append(all, append(slices.Clone(s.Enum), "none of them")...)
	case s.Type.Is("string"):
		all = append(all, lengths(s)...)
	}
	return all
}

func around(s *openapi3.Schema, step float64) []any {
	all := []any{0.0, 1e15, -1e15}
	for _, limit := range []*float64{s.Min, s.Max} {
		if limit != nil {
			all = append(all, *limit-step, *limit, *limit+step)
		}
	}
	return all
}

// lengths are texts as long as is allowed, and one character longer or shorter; characters are not bytes.
func lengths(s *openapi3.Schema) []any {
	all := []any{"", "ä", strings.Repeat("ä", 5000)}
	for _, n := range []uint64{s.MinLength, s.MinLength - 1, value(s.MaxLength), value(s.MaxLength) + 1} {
		if n > 0 && n < math.MaxInt32 {
			all = append(all, strings.Repeat("ä", int(n)))
		}
	}
	return all
}

func value(n *uint64) uint64 {
	if n == nil {
		return 0
	}
	return *n
}

// allows reports whether the description takes value.
func (f requestField) allows(value any) bool {
	if value == (absent{}) {
		return !f.required
	}
	if text, ok := value.(string); ok && f.schema.Type.Is("integer") && f.in != "body" {
		return text == "" // of a parameter, not a number
	}
	return f.schema.VisitJSON(value) == nil
}

// disagreement sends a request in which the field has the value, and says where the service sees it otherwise.
func (f requestField) disagreement(h *apptest.App, method, path string, op *openapi3.Operation, value any, described bool) string {
	answer := h.Do(f.request(method, path, op, value))
	var failure struct {
		Details []struct {
			Field, Message string
		} `json:"details"`
	}
	if answer.Code == http.StatusUnprocessableEntity {
		if err := json.Unmarshal([]byte(answer.Body), &failure); err != nil {
			return err.Error()
		}
	}
	for _, d := range failure.Details {
		if d.Field != f.name {
			return "the example of " + d.Field + " " + d.Message
		}
	}
	if problem := undescribed(op, answer); problem != "" {
		return problem
	}
	refused := len(failure.Details) > 0
	zero := value == "" || value == 0.0
	switch {
	case answer.Code >= http.StatusInternalServerError || answer.Code == http.StatusBadRequest:
		return fmt.Sprintf("answered %d: %s", answer.Code, answer.Body)
	case described && refused:
		return "described as allowed, and refused: " + answer.Body
	case !described && !refused && (f.required || !zero):
		return fmt.Sprintf("described as refused, and answered %d", answer.Code)
	}
	return ""
}

// undescribed says what of an answer is not in the description.
func undescribed(op *openapi3.Operation, answer *apptest.Answer) string {
	response := op.Responses.Status(answer.Code)
	if response == nil {
		return fmt.Sprintf("answered %d, which is not described: %s", answer.Code, answer.Body)
	}
	mediaType, _, _ := strings.Cut(answer.Head.Get("Content-Type"), ";")
	content := response.Value.Content.Get(mediaType)
	if content == nil {
		return fmt.Sprintf("answered %d with %q, which is not described", answer.Code, mediaType)
	}
	if mediaType != "application/json" {
		return ""
	}
	var body any
	if err := json.Unmarshal([]byte(answer.Body), &body); err != nil {
		return err.Error()
	}
	if err := content.Schema.Value.VisitJSON(body); err != nil {
		return fmt.Sprintf("the answer is not as described: %s", err)
	}
	return ""
}

// request is one in which every required field has its example, and f has the value.
func (f requestField) request(method, path string, op *openapi3.Operation, value any) *http.Request {
	query, body := url.Values{}, map[string]any{}
	for _, other := range requestFields(op) {
		v := other.example
		if other.name == f.name && other.in == f.in {
			v = value
		} else if !other.required {
			continue
		}
		if v == (absent{}) {
			continue
		}
		switch other.in {
		case "path":
			path = strings.ReplaceAll(path, "{"+other.name+"}", url.PathEscape(text(v)))
		case "query":
			query.Set(other.name, text(v))
		case "body":
			body[other.name] = v
		}
	}
	var content bytes.Buffer
	if op.RequestBody != nil && op.RequestBody.Value.Content.Get("application/json") != nil {
		_ = json.NewEncoder(&content).Encode(body) // of plain values
	}
	r := httptest.NewRequest(method, path+"?"+query.Encode(), &content)
	if content.Len() > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// text is a value as a parameter has it.
func text(value any) string {
	if n, ok := value.(float64); ok {
		encoded, _ := json.Marshal(n)
		return string(encoded)
	}
	return fmt.Sprint(value)
}
