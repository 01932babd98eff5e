package annotate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"plugboard/infra/host/manifest"
)

// kept holds the parts of an earlier block that stay.
type kept struct {
	summary      string
	descriptions []string
	produce      string
	params       map[string]string   // description by name
	success      map[string][]string // schema and description by status
	headers      [][]string          // in their order: @Header, the statuses, the description
	others       [][]string          // lines this package does not know, such as @Security and @Deprecated
}

var (
	paramLine   = regexp.MustCompile(`^@Param\s+(\S+)\s+\S+\s+\S+\s+\S+\s+"([^"]*)"`)
	successLine = regexp.MustCompile(`^@Success\s+(\d+)\s*(\{\w+\})?\s*([^\s"]+)?\s*("[^"]*")?`)
	headerLine  = regexp.MustCompile(`(?i)^@Header\s+(\S+)\s+(\{\w+\})\s+(\S+)\s*(.*)$`)
	spaces      = regexp.MustCompile(`\s+`)
)

func parseOld(lines []string) kept {
	k := kept{params: map[string]string{}, success: map[string][]string{}}
	for _, line := range lines {
		parts := spaces.Split(line, 2)
		text := ""
		if len(parts) > 1 {
			text = parts[1]
		}
		switch strings.ToLower(parts[0]) {
		case "@summary":
			k.summary = text
		case "@description":
			k.descriptions = append(k.descriptions, text)
		case "@produce":
			k.produce = text
		case "@param":
			if m := paramLine.FindStringSubmatch(line); m != nil {
				k.params[m[1]] = m[2]
			}
		case "@success":
			if m := successLine.FindStringSubmatch(line); m != nil {
				k.success[m[1]] = m[2:]
			}
		case "@header":
			k.headers = append(k.headers, headerRow(line, text))
		case "@id", "@tags", "@accept", "@failure", "@router":
		default:
			k.others = append(k.others, []string{parts[0], text})
		}
	}
	return k
}

// headerRow returns the parts of a line that describes a header, to be aligned with others.
func headerRow(line, text string) []string {
	row := []string{"@Header"}
	m := headerLine.FindStringSubmatch(line)
	if m == nil {
		return append(row, strings.Join(strings.Fields(text), " "))
	}
	return append(row, slices.DeleteFunc(m[1:], func(part string) bool { return part == "" })...)
}

// block is the annotations of one handler.
type block struct {
	manifest.Endpoint

	old               kept
	mark              string // of the texts when the block was generated, or ""
	docs              *fieldDocs
	handler, prose    string
	pkg               string // of the handler
	response, request string
}

// lines returns the block, aligned.
func (b block) lines() []string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 4, 1, '\t', 0)
	for _, row := range b.rows() {
		_, _ = w.Write([]byte(strings.Join(row, "\t") + "\n")) // it writes to memory
	}
	_ = w.Flush()
	lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	for i, line := range lines {
		lines[i] = "//\t" + strings.TrimRight(line, "\t ")
	}
	return lines
}

func (b block) rows() [][]string {
	said := b.said()
	rows := append([][]string{{"@ID", b.ID}}, said.rows()...)
	if len(b.Tags) > 0 {
		rows = append(rows, []string{"@Tags", strings.Join(b.Tags, ",")})
	}
	if len(b.Accepts) > 0 {
		rows = append(rows, []string{"@Accept", strings.Join(mediaTypes(b.Accepts), ",")})
	}
	rows = append(rows, []string{"@Produce", b.produce()})
	rows = append(rows, b.params()...)
	rows = append(rows, b.successes()...)
	rows = append(rows, b.failures())
	rows = append(rows, b.headers(ofAll)...)
	rows = append(rows, b.security()...)
	if b.Deprecated != nil && !slices.ContainsFunc(b.old.others, func(row []string) bool { return strings.EqualFold(row[0], "@Deprecated") }) {
		rows = append(rows, []string{"@Deprecated", ""})
	}
	return append(rows, []string{"@Router", b.Template() + " [" + strings.ToLower(b.Method) + "]"})
}

// words are a summary and its descriptions.
type words struct {
	summary      string
	descriptions []string
}

func (w words) rows() [][]string {
	rows := [][]string{{"@Summary", w.summary}}
	for _, d := range w.descriptions {
		rows = append(rows, []string{"@Description", d})
	}
	return rows
}

// mark returns a checksum of the texts. A block with the mark of its texts was generated, not written by hand.
func (w words) mark() string {
	sum := sha256.Sum256([]byte(strings.Join(append([]string{w.summary}, w.descriptions...), "\n")))
	return hex.EncodeToString(sum[:4])
}

// derived returns the texts of the doc comment.
func (b block) derived() words {
	if b.prose == "" || b.prose == b.placeholder() {
		return words{summary: b.Method + " " + b.Template()}
	}
	first, rest := sentence(b.prose, b.handler)
	w := words{summary: first}
	if rest != "" {
		w.descriptions = []string{rest}
	}
	return w
}

// placeholder is the doc comment that a handler without one is given: gofmt wants a sentence above indented lines.
func (b block) placeholder() string {
	return b.handler + " serves " + b.Method + " " + b.Template() + "."
}

// said returns the summary and the descriptions: those written by hand, otherwise those of the doc comment.
func (b block) said() words {
	old := words{b.old.summary, b.old.descriptions}
	if old.mark() == b.mark || old.summary == "" && len(old.descriptions) == 0 {
		return b.derived()
	}
	old.summary = cmp.Or(old.summary, b.derived().summary)
	return old
}

// security names the security schemes: the declared ones, otherwise those written by hand. They come after all other
// kept lines.
func (b block) security() [][]string {
	if len(b.Security) == 0 {
		return b.old.others
	}
	rows := slices.DeleteFunc(slices.Clone(b.old.others), func(row []string) bool { return strings.EqualFold(row[0], "@Security") })
	for _, scheme := range b.Security {
		rows = append(rows, []string{"@Security", scheme})
	}
	return rows
}

// produce names the media types of all answers. Failures are JSON. A binary endpoint may have types that were written by
// hand.
func (b block) produce() string {
	types := b.Produces
	if b.Binary && len(types) == 0 {
		if b.old.produce != "" {
			return b.old.produce
		}
		types = []string{"application/octet-stream"}
	}
	if !slices.Contains(types, "application/json") {
		types = append(slices.Clone(types), "application/json")
	}
	return strings.Join(mediaTypes(types), ",")
}

// mediaTypes shortens the media types that swag has names for.
func mediaTypes(types []string) []string {
	short := make([]string, len(types))
	for i, t := range types {
		switch t {
		case "application/json":
			t = "json"
		case "multipart/form-data":
			t = "mpfd"
		case "application/x-www-form-urlencoded":
			t = "x-www-form-urlencoded"
		case "application/octet-stream":
			t = "octet-stream"
		}
		short[i] = t
	}
	return short
}

// params describes the parameters of the request. The schema of a JSON body describes its members. Swagger 2.0 cannot
// express cookies.
func (b block) params() [][]string {
	var rows [][]string
	for _, p := range b.Parameters {
		if p.In == "cookie" {
			continue
		}
		one, typ := p.Schema, ""
		if p.Schema.Is("array") {
			one, typ = p.Schema.Items, "[]"
		}
		row := []string{"@Param", p.Name, p.In, typ + typeOf(one), strconv.FormatBool(p.Required), quote(cmp.Or(b.old.params[p.Name], b.describe(p)))}
		rows = append(rows, append(row, attributes(p)...))
	}
	switch {
	case b.Body != nil:
		rows = append(rows, []string{"@Param", "body", "body", b.request, "true", quote(cmp.Or(b.old.params["body"], b.describeBody()))})
	case len(b.Accepts) == 0 && b.BodyRequired:
		rows = append(rows, []string{"@Param", "body", "body", "string", "true", quote(cmp.Or(b.old.params["body"], "The body as it is sent"))})
	}
	return rows
}

// typeOf names a type of a parameter as swag does.
func typeOf(s *manifest.Schema) string {
	if s.Format == "binary" {
		return "file"
	}
	return cmp.Or(s.Type.Main(), "string")
}

// describe returns the comment on a parameter's field.
func (b block) describe(p manifest.Parameter) string {
	pkg, name := Declared(p.Schema.Comment)
	first, _ := sentence(b.docs.of(pkg, name), name[strings.LastIndex(name, ".")+1:])
	return cmp.Or(first, "The "+strings.ReplaceAll(p.Name, "_", " "))
}

// describeBody returns the comment on the request's type.
func (b block) describeBody() string {
	first, _ := sentence(b.docs.of(b.pkg, b.request), b.request)
	return cmp.Or(first, "The request")
}

func quote(text string) string { return `"` + strings.ReplaceAll(text, `"`, "'") + `"` }

// attributes returns the attributes of a parameter for swag. Swagger 2.0 cannot express exclusive limits, nor an example
// of a parameter.
func attributes(p manifest.Parameter) []string {
	var all []string
	add := func(name, value string) {
		if value != "" && !strings.ContainsAny(value, "()\"") {
			all = append(all, name+"("+value+")")
		}
	}
	list, one := p.Schema.Is("array"), p.Schema
	if list {
		one = p.Schema.Items
	}
	add("Enums", joined(one.Enum))
	add("default", defaultOf(p.Schema))
	add("minimum", one.Minimum.String())
	add("maximum", one.Maximum.String())
	add("minlength", one.MinLength.String())
	add("maxlength", one.MaxLength.String())
	if one.Is("string") && one.Format != "binary" {
		add("format", one.Format)
	}
	if list && (p.In == "query" || p.In == "formData") {
		add("collectionFormat", "multi")
	}
	return all
}

func joined(values []any) string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = fmt.Sprint(value)
	}
	return strings.Join(texts, ", ")
}

func defaultOf(s *manifest.Schema) string {
	switch value := s.Default.(type) {
	case nil:
		return ""
	case []any:
		return strings.ReplaceAll(joined(value), ", ", ",")
	default:
		return fmt.Sprint(value)
	}
}

// successes returns the declared statuses. Only a line written by hand can say what a status other than the first
// answers.
func (b block) successes() [][]string {
	var rows [][]string
	for i, n := range b.Statuses {
		status := strconv.Itoa(n)
		row := []string{"@Success", status}
		old := b.old.success[status]
		switch {
		case n == http.StatusNoContent || n >= http.StatusMultipleChoices:
			row = append(row, described(old, http.StatusText(n)))
		case old != nil && old[0] != "" && (i > 0 || b.Binary):
			row = append(row, old[0], old[1])
			if old[2] != "" {
				row = append(row, old[2])
			}
		case b.Binary || b.response == "":
			row = append(row, "{file}", "binary")
		default:
			row = append(row, "{object}", b.response)
			if old != nil && old[2] != "" {
				row = append(row, old[2])
			}
		}
		rows = append(rows, row)
		rows = append(rows, b.headers(i)...)
	}
	return append(rows, b.headers(ofSuccesses)...)
}

// Headers are described by the index of a success, or by one of these.
const (
	ofSuccesses = -1
	ofAll       = -2
)

// headers returns the lines on headers that belong at a place: swag knows a status only below the line that has it.
func (b block) headers(place int) [][]string {
	var rows [][]string
	for _, row := range b.old.headers {
		if b.placeOf(row[1]) == place {
			rows = append(rows, row)
		}
	}
	return rows
}

func (b block) placeOf(statuses string) int {
	if strings.EqualFold(statuses, "all") {
		return ofSuccesses
	}
	place := ofSuccesses
	for status := range strings.SplitSeq(statuses, ",") {
		at := slices.IndexFunc(b.Statuses, func(n int) bool { return strconv.Itoa(n) == status })
		if at < 0 {
			return ofAll
		}
		if status == statuses {
			place = at
		}
	}
	return place
}

func described(old []string, otherwise string) string {
	if old != nil && old[2] != "" {
		return old[2]
	}
	return quote(otherwise)
}

func (b block) failures() []string {
	texts := make([]string, len(b.Failures))
	for i, n := range b.Failures {
		texts[i] = strconv.Itoa(n.Status)
	}
	return []string{"@Failure", strings.Join(texts, ","), "{object}", "app.Failure"}
}
