package wire

import (
	"net/textproto"
	"reflect"
	"strings"

	"plugboard/infra/logging"
)

// Source says where a request field is filled from.
type Source string

// The sources, as the tags of fields name them.
const (
	URI    Source = "uri"
	Form   Source = "form"
	Header Source = "header"
	Cookie Source = "cookie"
	JSON   Source = "json"
)

// Sources returns the sources that the tags of f name, with the name and the options in the tag of the first.
func Sources(f reflect.StructField) (sources []Source, name string, options []string) {
	for _, s := range []Source{URI, Form, Header, Cookie, JSON} {
		tag, ok := f.Tag.Lookup(string(s))
		if !ok || tag == "-" {
			continue
		}
		parts := strings.Split(tag, ",")
		if len(sources) == 0 {
			name, options = parts[0], parts[1:]
		}
		sources = append(sources, s)
	}
	return sources, name, options
}

// EmbedMark is the name of an embedded struct. Callers do not see that a struct is embedded, so names leave it out.
const EmbedMark = "\x00"

// Name returns the name by which callers know f; [EmbedMark] for an embedded struct.
func Name(f reflect.StructField) string {
	sources, name, _ := Sources(f)
	switch {
	case len(sources) == 0 && f.Anonymous:
		return EmbedMark
	case len(sources) > 0 && sources[0] == Header:
		return textproto.CanonicalMIMEHeaderKey(name)
	default:
		return name
	}
}

// Clip shortens a text that the caller sent, for use in a message.
func Clip(text string) string { return logging.Clip(strings.ToValidUTF8(text, "�"), 100) }
