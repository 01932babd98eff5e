package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"

	"pgregory.net/rapid"
)

// deepest is how deep values nest.
const deepest = 4

// draw draws a value that the schema allows, or nearly: where several limits meet, the validator has the last word.
func (d *document) draw(t *rapid.T, node any, depth int) any {
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
			kinds = append(kinds, name.(string))
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

func (d *document) drawList(t *rapid.T, s map[string]any, depth int) any {
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

func (d *document) drawObject(t *rapid.T, s map[string]any, depth int) any {
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
func (d *document) drawName(t *rapid.T, s map[string]any) string {
	names := d.resolve(s["propertyNames"])
	if names["pattern"] != nil || names["format"] != nil {
		return drawText(t, names)
	}
	return rapid.StringMatching(`[a-zäöA-Z0-9 -]{1,4}`).Draw(t, "name")
}

// near are values at the limits of a schema, one step beside them, and of other types. The validator tells which are allowed.
func (d *document) near(t *rapid.T, node, value any) []any {
	all := []any{nil, true, json.Number("7"), json.Number("-7.5"), "text", "", []any{}, map[string]any{}}
	var add func(node any)
	add = func(node any) {
		s := d.resolve(node)
		branches, _ := s["anyOf"].([]any)
		for _, branch := range branches {
			add(branch)
		}
		if slices.Contains(kindsOf(s, 0), "number") {
			all = append(all, json.Number("1e400"))
		}
		choices, _ := s["enum"].([]any)
		refused, _ := d.resolve(s["not"])["enum"].([]any)
		all = slices.Concat(all, choices, refused, nearNumbers(s), nearTexts(s, value), nearFormat(s), d.nearLists(t, s, value), d.nearObjects(t, s, value))
	}
	add(node)
	return all
}

// nearNumbers are numbers on and beside limits, those of the formats among them.
func nearNumbers(s map[string]any) []any {
	var all []any
	integer := slices.Contains(kindsOf(s, 0), "integer")
	if !integer && !slices.Contains(kindsOf(s, 0), "number") {
		return nil
	}
	all = append(all, json.Number("0"), json.Number("1000000000000"), json.Number("-1000000000000"))
	for _, name := range []string{"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"} {
		text, ok := limit(s, name)
		switch n, whole := new(big.Int).SetString(string(text), 10); {
		case !ok:
		case integer && whole:
			for step := range int64(3) {
				all = append(all, json.Number(new(big.Int).Add(n, big.NewInt(step-1)).String()))
			}
		default:
			all = append(all, text)
			f, _ := strconv.ParseFloat(string(text), 64)
			for _, next := range []float64{math.Nextafter(f, math.Inf(-1)), math.Nextafter(f, math.Inf(1))} {
				if s["format"] == "float" {
					next = float64(math.Nextafter32(float32(f), float32(math.Copysign(math.MaxFloat32, next-f))))
				}
				all = append(all, json.Number(strconv.FormatFloat(next, 'g', -1, 64)))
			}
		}
	}
	return append(all, map[any][]any{
		"int32":  {json.Number("2147483647"), json.Number("2147483648"), json.Number("-2147483648"), json.Number("-2147483649")},
		"int64":  {json.Number("9223372036854775807"), json.Number("9223372036854775808"), json.Number("-9223372036854775808"), json.Number("-9223372036854775809")},
		"uint64": {json.Number("18446744073709551615"), json.Number("18446744073709551616"), json.Number("0"), json.Number("-1")},
		"float":  {json.Number("3.4e38"), json.Number("3.5e38"), json.Number("-3.5e38")},
		"double": {json.Number("1.7e308"), json.Number("1.8e308"), json.Number("-1.8e308")},
	}[s["format"]]...)
}

// nearTexts are texts of the lengths on and beside limits, of single characters of two bytes and of the value's own; and texts that are nearly
// of the pattern.
func nearTexts(s map[string]any, value any) []any {
	var all []any
	if !slices.Contains(kindsOf(s, 0), "string") {
		return nil
	}
	text, _ := value.(string)
	all = append(all, strings.Repeat("ä", 5000))
	for _, name := range []string{"minLength", "maxLength"} {
		n := count(s, name, -1)
		for length := max(n-1, 0); n >= 0 && length <= n+1; length++ {
			all = append(all, strings.Repeat("ä", length))
			if text != "" {
				all = append(all, string(slices.Repeat([]rune(text), length/len([]rune(text))+1)[:length]))
			}
		}
	}
	if s["pattern"] != nil {
		all = append(all, " ", "\t\v", "\u0085", "\u00a0", "\ufeff", "\u200b", text+" ", text+"\n", "ä"+text, text+"!", "-"+text, "0"+text, text+text)
	}
	return all
}

// nearFormat are texts that are nearly, or quite, of the format.
func nearFormat(s map[string]any) []any {
	if s["contentEncoding"] == "base64" {
		return []any{"A", "AQ", "AQI", "AQ=", "AQI=\n", "AQI*", "AR==", "-_-_"}
	}
	switch s["format"] {
	case "date":
		return []any{"2026-02-29", "2026-1-31", "2026-01-32", "2026-13-01", "26-01-31", "2026-01-31T00:00:00Z", " 2026-01-31", "2024-02-29"}
	case "date-time":
		return []any{
			"2026-01-31", "2026-01-31T10:00:00", "2026-01-31 10:00:00Z", "2026-01-31T24:00:00Z", "2026-02-30T10:00:00Z", "2026-01-31T10:00Z",
			"2026-01-31T10:00:00+02", "2026-01-31T10:00:00.Z", "2026-01-31T10:00:00.123456789Z",
		}
	case "uuid":
		return []any{"6ba7b810-9dad-11d1-80b4-00c04fd430c", "6ba7b810-9dad-11d1-80b4-00c04fd430cg", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"}
	default:
		return nil
	}
}

func (d *document) nearLists(t *rapid.T, s map[string]any, value any) []any {
	var all []any
	list, ok := value.([]any)
	if !ok || s["items"] == nil {
		return nil
	}
	sized := func(n int) []any {
		other := slices.Clone(list[:min(n, len(list))])
		for tries := 0; len(other) < n && tries < n+20; tries++ {
			if item := d.draw(t, s["items"], deepest); s["uniqueItems"] != true || !has(other, item) {
				other = append(other, item)
			}
		}
		return other
	}
	for _, name := range []string{"minItems", "maxItems"} {
		if n := count(s, name, -1); n >= 0 {
			all = append(all, sized(max(n-1, 0)), sized(n), sized(n+1))
		}
	}
	if len(list) > 0 {
		all = append(all, slices.Repeat(list[:1], 120))
	}
	if s["uniqueItems"] == true {
		some := sized(max(len(list), 1))
		all = append(all, append(some, some[0]))
	}
	return all
}

func (d *document) nearObjects(t *rapid.T, s map[string]any, value any) []any {
	var all []any
	object, ok := value.(map[string]any)
	if !ok || s["additionalProperties"] == nil {
		return nil
	}
	values := s["additionalProperties"]
	for _, name := range []string{"minProperties", "maxProperties"} {
		n := count(s, name, -1)
		for size := max(n-1, 0); n >= 0 && size <= n+1; size++ {
			other := map[string]any{}
			for len(other) < size {
				other[d.drawName(t, s)] = d.draw(t, values, deepest)
			}
			all = append(all, other)
		}
	}
	if values != false {
		for _, name := range []string{"a1", "1", "ä b", "007"} {
			other := maps.Clone(object)
			other[name] = d.draw(t, values, deepest)
			all = append(all, other)
		}
	}
	return all
}

// change is a body in which one place has another value.
type change struct {
	place string
	body  any
}

// changes returns the body changed in every place: to what is near, without each member, and with one that is not described.
// Put returns the whole body with another value at the place.
func (d *document) changes(t *rapid.T, node, value any, place string, put func(any) any) []change {
	var all []change
	for _, other := range d.near(t, node, value) {
		all = append(all, change{place, put(other)})
	}
	switch v := value.(type) {
	case []any:
		items := d.part(node, "array")["items"]
		for i := range v {
			all = append(all, d.changes(t, items, v[i], within(place, strconv.Itoa(i)), func(other any) any {
				list := slices.Clone(v)
				list[i] = other
				return put(list)
			})...)
		}
	case map[string]any:
		s := d.part(node, "object")
		for _, name := range slices.Sorted(maps.Keys(v)) {
			with := func(change func(object map[string]any)) any {
				object := maps.Clone(v)
				change(object)
				return put(object)
			}
			all = append(all, change{within(place, name), with(func(object map[string]any) { delete(object, name) })})
			all = append(all, d.changes(t, memberOf(s, name), v[name], within(place, name), func(other any) any {
				return with(func(object map[string]any) { object[name] = other })
			})...)
		}
		if _, described := s["properties"]; described {
			object := maps.Clone(v)
			object["not described"] = json.Number("1")
			all = append(all, change{within(place, "not described"), put(object)})
		}
	}
	return all
}

func within(place, name string) string { return strings.TrimPrefix(place+"."+name, ".") }

// part is the branch of a schema that describes values of a type.
func (d *document) part(node any, kind string) map[string]any {
	s := d.resolve(node)
	branches, _ := s["anyOf"].([]any)
	for _, branch := range branches {
		if part := d.part(branch, kind); slices.Contains(kindsOf(part, 0), kind) {
			return part
		}
	}
	return s
}

// memberOf is the schema of a member of an object.
func memberOf(s map[string]any, name string) any {
	properties, _ := s["properties"].(map[string]any)
	if member, ok := properties[name]; ok {
		return member
	}
	return s["additionalProperties"]
}
