package schema

import (
	"reflect"
	"slices"
	"strings"
)

// member is a member of a struct's JSON object.
type member struct {
	name  string
	field reflect.StructField
	owner reflect.Type // the struct with the field
	omits bool         // it is left out when it is empty
	maybe bool         // it belongs to an embedded pointer, which may be nil
	text  bool         // its number is written as text
	depth int
	named bool // by its tag, and not after the field
}

// members returns the members of the JSON object that a value of typ is written as, in the order of the fields. When several fields
// have the same JSON name, the least deeply embedded one is the member. At the same depth, a field with the name in its tag goes
// before one without. When two remain, the JSON library writes neither.
func members(typ reflect.Type, use Use) []member {
	all := collect(typ, use, 0, false, nil)
	return slices.DeleteFunc(slices.Clone(all), func(m member) bool {
		rivals := 0
		for _, other := range all {
			switch {
			case other.name != m.name:
			case other.depth < m.depth, other.depth == m.depth && other.named && !m.named:
				return true
			case other.depth == m.depth && other.named == m.named:
				rivals++
			}
		}
		return rivals > 1
	})
}

// collect returns all candidates, those of embedded structs with them.
func collect(typ reflect.Type, use Use, depth int, maybe bool, path []reflect.Type) []member {
	if slices.Contains(path, typ) {
		return nil
	}
	path = append(path, typ)
	var all []member
	for f := range typ.Fields() {
		tag, tagged := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		inner, pointer := f.Type, f.Type.Kind() == reflect.Pointer
		if pointer {
			inner = inner.Elem()
		}
		switch {
		case tag == "-" || !f.IsExported() && !f.Anonymous:
		case inner.Kind() == reflect.Struct && (f.Anonymous && !tagged || has(options, "embed") || has(options, "inline")):
			all = append(all, collect(inner, use, depth+1, maybe || pointer, path)...)
		case !f.IsExported():
		case name == "" && !use.Answer:
			// It is filled from elsewhere.
		default:
			m := member{
				name: name, field: f, owner: typ, depth: depth, maybe: maybe, named: name != "",
				omits: has(options, "omitempty") || has(options, "omitzero"), text: has(options, "string"),
			}
			if !m.named {
				m.name = f.Name
			}
			all = append(all, m)
		}
	}
	return all
}

func has(options, name string) bool { return slices.Contains(strings.Split(options, ","), name) }
