package codec

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// field is a field of an event that JSON reads and writes.
type field struct {
	name string
	typ  reflect.Type
	// index is the path to the field, through the embedded structs that contain it; see [reflect.Value.FieldByIndex].
	index []int
	// omitempty and omitzero are true if the JSON tag has these options.
	omitempty, omitzero bool
}

// fieldsOf lists the fields of struct type t that JSON reads and writes, also the fields of embedded structs. It reports the fields
// that JSON would refuse or write in another way.
func fieldsOf(t reflect.Type, report func(name, problem string)) []field {
	var all []field
	if t.NumField() > 0 && !anyKnown(t) {
		report("", "has no exported fields, which JSON refuses")
	}
	for f := range t.Fields() {
		for _, found := range jsonFields(f, report) {
			if slices.ContainsFunc(all, func(other field) bool { return other.name == found.name }) {
				report(found.name, "has the JSON name of another field")
				continue
			}
			all = append(all, found)
		}
	}
	return all
}

// jsonFields returns the JSON fields that come from f: one field, the fields of an embedded struct, or none.
func jsonFields(f reflect.StructField, report func(name, problem string)) []field {
	tag, tagged := f.Tag.Lookup("json")
	name, options, _ := strings.Cut(tag, ",")
	switch {
	case tag == "-":
		return nil
	case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct && !hasOwnFormat(f.Type):
		inner := fieldsOf(f.Type, report)
		for i := range inner {
			inner[i].index = slices.Concat(f.Index, inner[i].index)
		}
		return inner
	case f.Anonymous && name == "":
		report(f.Name, "is embedded and no struct, or one with a JSON form of its own; give it a JSON name")
		return nil
	case !f.IsExported():
		if tagged {
			report(name, "has a JSON name and is not exported")
		}
		return nil
	}
	name = cmp.Or(name, f.Name)
	if malformed(tag) {
		report(name, "has a malformed JSON tag")
	}
	list := strings.Split(options, ",")
	for _, option := range list {
		if option != "" && option != "omitempty" && option != "omitzero" {
			report(name, fmt.Sprintf("has the JSON option %q, which events do not support", option))
		}
	}
	return []field{{
		name: name, typ: f.Type, index: f.Index,
		omitempty: slices.Contains(list, "omitempty"), omitzero: slices.Contains(list, "omitzero"),
	}}
}

// anyKnown reports whether JSON reads and writes any field of t.
func anyKnown(t reflect.Type) bool {
	for f := range t.Fields() {
		if _, tagged := f.Tag.Lookup("json"); tagged || f.Anonymous || f.IsExported() {
			return true
		}
	}
	return false
}

// malformed reports whether JSON would refuse the tag. JSON allows no quotes in names, and no comma without an option after it.
func malformed(tag string) bool {
	return strings.ContainsAny(tag, `'"\`) || strings.HasSuffix(tag, ",") || strings.Contains(tag, ",,")
}
