// Package hostile draws JSON that means harm to who decodes it.
package hostile

import (
	"reflect"
	"strconv"
	"strings"

	"pgregory.net/rapid"

	"plugboard/infra/httpserver/bind/wire"
)

// strayJSON are values that fit few fields: of every kind, at the ends of the ranges, in odd spellings.
var strayJSON = []string{
	`null`, `true`, `false`, `0`, `-0`, `1`, `-1`, `1.5`, `255`, `256`, `-129`, `65536`, `2147483648`, `9007199254740993`, `9223372036854775808`, `18446744073709551616`,
	`-9223372036854775809`, `1e400`, `-1e400`, `1e-400`, `1E+2`, `0.1e1`, `1e99999999999`, `123456789012345678901234567890`, `""`, `"x"`, `"0"`, `"1"`, `"true"`, `"null"`,
	`" "`, `"\u0000"`, `"\ud800"`, `"\ud83d\ude00"`, `"ä€😀"`, `"\\\"\/"`, `"2026-01-31"`, `"2026-02-30"`, `"2026-01-31T00:00:00Z"`, `"0000-00-00T00:00:00Z"`, `"AQI="`, `"!"`,
	`"6ba7b810-9dad-11d1-80b4-00c04fd430c8"`, `"1.50"`, `[]`, `[null]`, `[[]]`, `[1,"x",null,{}]`, `[[1],[1]]`, `[{},{}]`, `[1,1]`, `{}`, `{"":0}`, `{"a":null}`, `{"a":1,"a":2}`,
	`{"\u0061":1,"a":2}`, `{"a":{"a":{"a":[]}}}`, `{"\u0000":1}`, `{"set":true,"null":true,"value":1}`, `nan`, `Infinity`, `'x'`, `01`, `[1,]`, `{,}`, `"` + "\x01" + `"`, `"` + "\xff" + `"`,
	`"` + strings.Repeat("a", 300) + `"`, strings.Repeat("[", 99) + strings.Repeat("]", 99), strings.Repeat("[", 200) + strings.Repeat("]", 200),
	strings.Repeat(`{"left":`, 98) + "null" + strings.Repeat("}", 98), `"http://[::1"`, `"a@b.c"`, `"1.2.3.4/33"`, `"99999999999999999999"`, `"-1"`, `"1,5"`, `"%zz"`, `"2026"`,
}

// JSON draws a value for a field of typ: mostly one that fits it, and now and then any other.
func JSON(t *rapid.T, typ reflect.Type, depth int) string {
	if rapid.IntRange(0, 7).Draw(t, "stray") == 0 || depth > 6 {
		return rapid.SampledFrom(strayJSON).Draw(t, "value")
	}
	if wire.IsOptional(typ) {
		value, _ := typ.FieldByName("Value")
		return JSON(t, value.Type, depth+1)
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return JSON(t, typ.Elem(), depth+1)
	case reflect.Struct:
		return object(t, typ, depth)
	case reflect.Slice, reflect.Array:
		return "[" + elements(t, typ.Elem(), depth, "") + "]"
	case reflect.Map:
		return "{" + elements(t, typ.Elem(), depth, `"abc"`) + "}"
	case reflect.String:
		return rapid.SampledFrom([]string{`""`, `"a"`, `"abc"`, `"open"`, `"1.50"`, `"ä😀"`, `"2026-01-31"`, `"A1"`, `"https://example.com/x?y#z"`, `"DE"`, `"10.0.0.1"`}).Draw(t, "text")
	case reflect.Bool:
		return rapid.SampledFrom([]string{"true", "false"}).Draw(t, "bool")
	case reflect.Float32, reflect.Float64:
		return rapid.SampledFrom([]string{"0", "1.5", "-2.5e3", "3.4e38", "3.5e38", "1e-46", "1e308"}).Draw(t, "float")
	case reflect.Interface:
		return rapid.SampledFrom(strayJSON).Draw(t, "any")
	default:
		return strconv.FormatInt(rapid.Int64Range(-3, 300).Draw(t, "integer"), 10)
	}
}

// elements draws up to three elements of a list, or members of an object whose names come from key.
func elements(t *rapid.T, elem reflect.Type, depth int, key string) string {
	all := make([]string, rapid.IntRange(0, 3).Draw(t, "length"))
	for i := range all {
		all[i] = JSON(t, elem, depth+1)
		if key != "" {
			all[i] = `"` + strconv.Itoa(rapid.IntRange(0, 20).Draw(t, "key")) + `":` + all[i]
		}
	}
	return strings.Join(all, ",")
}

// object draws the members of a struct: some are missing, doubled, misspelled or unknown.
func object(t *rapid.T, typ reflect.Type, depth int) string {
	var members []string
	for _, f := range reflect.VisibleFields(typ) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		switch rapid.IntRange(0, 15).Draw(t, "member") {
		case 0:
			continue
		case 1:
			name = strings.ToUpper(name)
		case 2:
			members = append(members, `"extra":`+rapid.SampledFrom(strayJSON).Draw(t, "extra"))
		case 3:
			if rapid.IntRange(0, 9).Draw(t, "twice") == 0 {
				members = append(members, `"`+name+`":null`)
			}
		}
		members = append(members, `"`+name+`":`+JSON(t, f.Type, depth+1))
	}
	return "{" + strings.Join(members, ",") + "}"
}
