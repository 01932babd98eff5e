package schema

import (
	"reflect"
	"strconv"
	"strings"

	"plugboard/infra/host/manifest"
)

// setDefault tells the value that a field has when it is not given.
func setDefault(s *manifest.Schema, f reflect.StructField) {
	if text, ok := f.Tag.Lookup("default"); ok {
		s.Default = valueOf(s, text)
	}
}

// setExample tells the example of a field. One of a list or an object cannot be said in a tag.
func setExample(s *manifest.Schema, f reflect.StructField) {
	text, ok := f.Tag.Lookup("example")
	if main := s.Type.Main(); ok && main != "array" && main != "object" && s.Ref == "" {
		s.Examples = []any{valueOf(s, text)}
	}
}

// setEnum tells the values that a field of an answer has, which the tag enums lists. Of a request the rule oneof tells it.
func setEnum(s *manifest.Schema, f reflect.StructField) {
	text, ok := f.Tag.Lookup("enums")
	if s.Is("array") {
		s = s.Items
	}
	if !ok || s == nil || s.Ref != "" {
		return
	}
	for part := range strings.SplitSeq(text, ",") {
		s.Enum = append(s.Enum, valueOf(s, part))
	}
	if s.Nullable() {
		s.Enum = append(s.Enum, nil)
	}
}

// valueOf is text as a value of the schema's type; the parts of a list have commas between them.
func valueOf(s *manifest.Schema, text string) any {
	switch s.Type.Main() {
	case "array":
		all := []any{}
		for part := range strings.SplitSeq(text, ",") {
			switch {
			case text == "":
			case s.Items == nil: // a form of its own tells nothing of its elements
				all = append(all, part)
			default:
				all = append(all, valueOf(s.Items, part))
			}
		}
		return all
	case "integer", "number":
		if n, ok := numeral(text); ok {
			return n
		}
	case "boolean":
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
	}
	return text
}
