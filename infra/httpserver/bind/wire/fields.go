package wire

import (
	"net/textproto"
	"reflect"
	"strings"
	"unicode/utf8"
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

// Sources returns the sources f is tagged with and the name under the first.
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

// EmbedMark stands for an embedded struct in a validator's namespace. Embedding is nobody's business outside.
const EmbedMark = "\x00"

// Name returns the name a caller knows f by.
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

// Clip shortens text of the caller's for use in a message.
func Clip(text string) string {
	const most = 100
	text = strings.ToValidUTF8(text, "�")
	if len(text) <= most {
		return text
	}
	cut := most
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
