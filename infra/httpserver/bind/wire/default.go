package wire

import (
	"reflect"
	"strings"
)

// Default is the value a field has when the request does not give one.
type Default struct {
	texts []string
	parse Parser
	slice bool
}

// NewDefault compiles the default of a field of typ, and reports whether such a field can have one.
func NewDefault(typ reflect.Type, text string) (d Default, ok bool) {
	d = Default{texts: []string{text}, parse: ParserFor(typ)}
	if d.parse == nil && typ.Kind() == reflect.Slice {
		d.slice, d.texts, d.parse = true, strings.Split(text, ","), ParserFor(typ.Elem())
		if text == "" {
			d.texts = nil
		}
	}
	return d, d.parse != nil
}

// Apply sets field to the default and returns what is wrong with it, if anything.
func (d *Default) Apply(field reflect.Value) (message string) {
	if !d.slice {
		return d.parse(field, d.texts[0])
	}
	field.Set(reflect.MakeSlice(field.Type(), len(d.texts), len(d.texts)))
	for i, text := range d.texts {
		if message := d.parse(field.Index(i), text); message != "" {
			return message
		}
	}
	return ""
}
