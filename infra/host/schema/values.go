package schema

import (
	"reflect"
	"strconv"
	"strings"

	"plugboard/infra/host/manifest"
)

// setDefault sets the default of a field from its tag.
func setDefault(s *manifest.Schema, f reflect.StructField) {
	if text, ok := f.Tag.Lookup("default"); ok {
		s.Default = valueOf(s, text)
	}
}

// setExample sets the example of a field from its tag. A tag cannot express a list or an object.
func setExample(s *manifest.Schema, f reflect.StructField) {
	text, ok := f.Tag.Lookup("example")
	if main := s.Type.Main(); ok && main != "array" && main != "object" && s.Ref == "" {
		s.Examples = []any{valueOf(s, text)}
	}
}

// setEnum sets the values of a field of an answer from the tag enums. For a request the rule oneof has them.
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

// valueOf converts text to a value of the schema's type. Commas separate the elements of a list.
func valueOf(s *manifest.Schema, text string) any {
	switch s.Type.Main() {
	case "array":
		all := []any{}
		for part := range strings.SplitSeq(text, ",") {
			switch {
			case text == "":
			case s.Items == nil: // a JSON form of its own: its elements are not known
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
