package schema

import (
	stdjson "encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"plugboard/app"
	"plugboard/infra/host/manifest"
)

// declaredForm returns the schema that a type declares by its method JSONSchema, and nil when that schema cannot be
// read.
func declaredForm(typ reflect.Type) *manifest.Schema {
	text, ok := toldForm(typ)
	s := new(manifest.Schema)
	if !ok || stdjson.Unmarshal([]byte(text), s) != nil {
		return nil
	}
	return s
}

// toldForm calls JSONSchema on a zero value of typ. A method that comes from a nil embedded pointer panics there; ok is false then.
func toldForm(typ reflect.Type) (text string, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	teller, ok := reflect.TypeAssert[app.SchemaTeller](reflect.New(typ))
	if !ok {
		return "", false
	}
	return teller.JSONSchema(), true
}

// declaredFault returns what is wrong with the JSONSchema of a type, and "" when nothing is or the type has none.
func declaredFault(typ reflect.Type) string {
	text, ok := toldForm(typ)
	if !ok {
		return ""
	}
	var told any
	if err := stdjson.Unmarshal([]byte(text), &told); err != nil {
		return fmt.Sprintf("JSONSchema of %s is no JSON: %s", comment(typ, ""), err)
	}
	if why := unknownPart(told); why != "" {
		return fmt.Sprintf("JSONSchema of %s has %s, which the documents cannot pass on; it may have %s", comment(typ, ""), why, strings.Join(keywords(), ", "))
	}
	return ""
}

// keywords are the keywords of JSON Schema that a type may declare: those of [manifest.Schema] but references.
var keywords = sync.OnceValue(func() (names []string) {
	for f := range reflect.TypeFor[manifest.Schema]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "-" && !strings.HasPrefix(name, "$") {
			names = append(names, name)
		}
	}
	return names
})

// unknownPart returns the first part of a declared schema that the documents cannot contain.
func unknownPart(told any) string {
	m, ok := told.(map[string]any)
	if !ok {
		if _, truth := told.(bool); truth {
			return ""
		}
		return "something that is no schema"
	}
	for name, value := range m {
		switch {
		case !slices.Contains(keywords(), name):
			return fmt.Sprintf("%q", name)
		case name == "type":
			if why := unknownType(value); why != "" {
				return why
			}
		default:
			for _, part := range partsOf(name, value) {
				if why := unknownPart(part); why != "" {
					return why
				}
			}
		}
	}
	return ""
}

// partsOf are the schemas below a keyword.
func partsOf(name string, value any) (parts []any) {
	switch name {
	case "items", "additionalProperties", "propertyNames", "not":
		return []any{value}
	case "allOf", "anyOf":
		parts, _ = value.([]any)
	case "properties":
		m, _ := value.(map[string]any)
		for _, part := range m {
			parts = append(parts, part)
		}
	}
	return parts
}

func unknownType(value any) string {
	names, several := value.([]any)
	if !several {
		names = []any{value}
	}
	for _, name := range names {
		if !slices.Contains([]any{"array", "boolean", "integer", "null", "number", "object", "string"}, name) {
			return fmt.Sprintf("the type %v", name)
		}
	}
	return ""
}
