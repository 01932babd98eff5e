package agree

import (
	"encoding/json"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// near are values at the limits of a schema, one step beside them, and of other types. The validator tells which are allowed.
func (d *Document) near(t *rapid.T, node, value any) []any {
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

func (d *Document) nearLists(t *rapid.T, s map[string]any, value any) []any {
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

func (d *Document) nearObjects(t *rapid.T, s map[string]any, value any) []any {
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
func (d *Document) changes(t *rapid.T, node, value any, place string, put func(any) any) []change {
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
func (d *Document) part(node any, kind string) map[string]any {
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
