package codec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// field is a field of an event as JSON knows it.
type field struct {
	name   string
	typ    reflect.Type
	offset uintptr
	// omitempty and omitzero are the options of its JSON tag.
	omitempty, omitzero bool
}

// fieldsOf lists the fields of struct type t that JSON knows, embedded structs flattened, and reports those that JSON
// would refuse or write in another way.
func fieldsOf(t reflect.Type, report func(name, problem string)) []field {
	var out []field
	if t.NumField() > 0 && !anyKnown(t) {
		report("", "has no exported fields, which JSON refuses")
	}
	add := func(f field) {
		if slices.ContainsFunc(out, func(other field) bool { return other.name == f.name }) {
			report(f.name, "has the JSON name of another field")
			return
		}
		out = append(out, f)
	}
	for f := range t.Fields() {
		tag, tagged := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case tag == "-":
			continue
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct && !hasOwnFormat(f.Type):
			for _, e := range fieldsOf(f.Type, report) {
				e.offset += f.Offset
				add(e)
			}
			continue
		case f.Anonymous && name == "":
			report(f.Name, "is embedded and no struct, or one with a JSON form of its own; give it a JSON name")
			continue
		case !f.IsExported() && tagged:
			report(name, "has a JSON name and is not exported")
			continue
		case !f.IsExported():
			continue
		case name == "":
			name = f.Name
		}
		if malformed(tag) {
			report(name, "has a malformed JSON tag")
		}
		for option := range strings.SplitSeq(options, ",") {
			if option != "" && option != "omitempty" && option != "omitzero" {
				report(name, fmt.Sprintf("has the JSON option %q, which events do not support", option))
			}
		}
		list := strings.Split(options, ",")
		add(field{
			name: name, typ: f.Type, offset: f.Offset,
			omitempty: slices.Contains(list, "omitempty"), omitzero: slices.Contains(list, "omitzero"),
		})
	}
	return out
}

// anyKnown reports whether JSON knows of any field of t.
func anyKnown(t reflect.Type) bool {
	for f := range t.Fields() {
		if _, tagged := f.Tag.Lookup("json"); tagged || f.Anonymous || f.IsExported() {
			return true
		}
	}
	return false
}

// malformed reports whether JSON would refuse the tag: it has no names in quotes, and nothing behind a last comma.
func malformed(tag string) bool {
	return strings.ContainsAny(tag, `'"\`) || strings.HasSuffix(tag, ",") || strings.Contains(tag, ",,")
}
