package agree

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"pgregory.net/rapid"
)

// deepest is how deep values nest.
const deepest = 4

// draw draws a value that the schema allows, or nearly: where several limits meet, the validator has the last word.
func (d *Document) draw(t *rapid.T, node any, depth int) any {
	s := d.resolve(node)
	if all, ok := s["anyOf"].([]any); ok {
		return d.draw(t, all[rapid.IntRange(0, len(all)-1).Draw(t, "branch")], depth)
	}
	if examples, ok := s["examples"].([]any); ok && rapid.IntRange(0, 3).Draw(t, "example") == 0 {
		return examples[0]
	}
	if all, ok := s["enum"].([]any); ok {
		return all[rapid.IntRange(0, len(all)-1).Draw(t, "choice")]
	}
	switch kind := rapid.SampledFrom(kindsOf(s, depth)).Draw(t, "kind"); kind {
	case "boolean":
		return rapid.Bool().Draw(t, "boolean")
	case "integer":
		return drawInteger(t, s)
	case "number":
		return drawNumber(t, s)
	case "string":
		return drawText(t, s)
	case "array":
		return d.drawList(t, s, depth)
	case "object":
		return d.drawObject(t, s, depth)
	default:
		return nil
	}
}

// kindsOf are the types that a schema allows, all of them where it names none. Deep down they are such as nest no further, where
// there are some.
func kindsOf(s map[string]any, depth int) []string {
	var kinds []string
	switch named := s["type"].(type) {
	case string:
		kinds = []string{named}
	case []any:
		for _, name := range named {
			kinds = append(kinds, text(name))
		}
	case nil:
		kinds = []string{"null", "boolean", "integer", "number", "string", "array", "object"}
	}
	flat := slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool { return kind == "array" || kind == "object" })
	if depth > deepest && len(flat) > 0 {
		return flat
	}
	return kinds
}

// limit returns a limit of a schema as it is written.
func limit(s map[string]any, name string) (text json.Number, ok bool) {
	text, ok = s[name].(json.Number)
	return text, ok
}

// count returns a limit of a length or number, or what holds without one.
func count(s map[string]any, name string, without int) int {
	if text, ok := limit(s, name); ok {
		n, _ := strconv.Atoi(string(text))
		return n
	}
	return without
}

func drawInteger(t *rapid.T, s map[string]any) any {
	low, high := int64(math.MinInt64), int64(math.MaxInt64)
	switch s["format"] {
	case "int32":
		low, high = math.MinInt32, math.MaxInt32
	case "uint64":
		if rapid.Bool().Draw(t, "large") {
			return json.Number(strconv.FormatUint(rapid.Uint64().Draw(t, "unsigned"), 10))
		}
	case nil:
		return json.Number(rapid.StringMatching(`-?[1-9][0-9]{0,30}`).Draw(t, "digits"))
	}
	if text, ok := limit(s, "minimum"); ok {
		low, _ = strconv.ParseInt(string(text), 10, 64)
	}
	if text, ok := limit(s, "maximum"); ok {
		high, _ = strconv.ParseInt(string(text), 10, 64)
	}
	return json.Number(strconv.FormatInt(rapid.Int64Range(low, high).Draw(t, "integer"), 10))
}

func drawNumber(t *rapid.T, s map[string]any) any {
	if s["format"] == nil {
		return json.Number(rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,9})?(e[-+]?[0-9]{1,2})?`).Draw(t, "digits"))
	}
	bits, low, high := 64, -math.MaxFloat64, math.MaxFloat64
	if s["format"] == "float" {
		bits, low, high = 32, -math.MaxFloat32, math.MaxFloat32
	}
	for _, name := range []string{"minimum", "exclusiveMinimum"} {
		if text, ok := limit(s, name); ok {
			low, _ = strconv.ParseFloat(string(text), bits)
		}
	}
	for _, name := range []string{"maximum", "exclusiveMaximum"} {
		if text, ok := limit(s, name); ok {
			high, _ = strconv.ParseFloat(string(text), bits)
		}
	}
	n := rapid.Float64Range(low, high).Draw(t, "number")
	if bits == 32 {
		n = float64(float32(n))
	}
	return json.Number(strconv.FormatFloat(n, 'g', -1, bits))
}

// drawText draws a text of the format or pattern, else one of any characters but NUL.
func drawText(t *rapid.T, s map[string]any) string {
	if format, ok := s["format"].(string); ok {
		if all := textsOf(format); len(all) > 0 {
			return rapid.SampledFrom(all).Draw(t, format)
		}
	}
	if s["contentEncoding"] == "base64" {
		return rapid.SampledFrom([]string{"", "AQ==", "AQI=", "AQID", "+/+/"}).Draw(t, "base64")
	}
	least, most := count(s, "minLength", 0), count(s, "maxLength", -1)
	if pattern, ok := s["pattern"].(string); ok && !strings.Contains(pattern, `\s`) {
		fits := func(text string) bool {
			n := len([]rune(text))
			return n >= least && (most < 0 || n <= most) && !strings.Contains(text, "\x00")
		}
		return rapid.StringMatching(pattern).Filter(fits).Draw(t, "text")
	}
	character := rapid.OneOf(rapid.RuneFrom([]rune("abcxyz019 -_.")), rapid.Rune().Filter(func(c rune) bool { return c != 0 }))
	if most < 0 {
		most = least + 8
	}
	return rapid.StringOfN(character, least, min(most, least+8), -1).Draw(t, "text")
}

// textsOf are texts of a format.
func textsOf(format string) []string {
	switch format {
	case "date":
		return []string{"2026-01-31", "2024-02-29", "0001-01-01", "9999-12-31"}
	case "date-time":
		return []string{"2026-01-31T10:00:00Z", "2024-02-29T23:59:59.999999999+14:00", "1970-01-01T00:00:00-12:00"}
	case "uuid":
		return []string{"6ba7b810-9dad-11d1-80b4-00c04fd430c8", "00000000-0000-0000-0000-000000000000"}
	case "email":
		return []string{"a@example.com"}
	case "ipv4":
		return []string{"127.0.0.1"}
	case "ipv6":
		return []string{"::1"}
	case "hostname":
		return []string{"example.com"}
	case "uri":
		return []string{"https://example.com/a?b=c"}
	case "binary":
		return []string{picture(), picture()[:40], "no picture"}
	default:
		return nil
	}
}

// picture is a PNG of a few pixels.
var picture = sync.OnceValue(func() string {
	var content bytes.Buffer
	if err := png.Encode(&content, image.NewNRGBA(image.Rect(0, 0, 9, 8))); err != nil {
		return err.Error()
	}
	return content.String()
})

func (d *Document) drawList(t *rapid.T, s map[string]any, depth int) any {
	least := count(s, "minItems", 0)
	most := count(s, "maxItems", least+3)
	if depth > deepest {
		most = least
	}
	list := []any{}
	for range rapid.IntRange(least, min(most, least+3)).Draw(t, "items") {
		if item := d.draw(t, s["items"], depth+1); s["uniqueItems"] != true || !has(list, item) {
			list = append(list, item)
		}
	}
	return list
}

func has(list []any, value any) bool {
	return slices.ContainsFunc(list, func(other any) bool { return show(other) == show(value) })
}

func (d *Document) drawObject(t *rapid.T, s map[string]any, depth int) any {
	object := map[string]any{}
	properties, _ := s["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if contains(s["required"], name) || depth <= deepest && rapid.IntRange(0, 3).Draw(t, "given") > 0 {
			object[name] = d.draw(t, properties[name], depth+1)
		}
	}
	values, ok := s["additionalProperties"].(map[string]any)
	if !ok || depth > deepest {
		return object
	}
	least := count(s, "minProperties", 0)
	for range rapid.IntRange(least, min(count(s, "maxProperties", least+2), least+2)).Draw(t, "members") {
		object[d.drawName(t, s)] = d.draw(t, values, depth+1)
	}
	return object
}

// drawName draws the name of a map's member.
func (d *Document) drawName(t *rapid.T, s map[string]any) string {
	names := d.resolve(s["propertyNames"])
	if names["pattern"] != nil || names["format"] != nil {
		return drawText(t, names)
	}
	return rapid.StringMatching(`[a-zäöA-Z0-9 -]{1,4}`).Draw(t, "name")
}
