package wire

import (
	"bytes"
	"encoding"
	stdjson "encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"plugboard/app"
)

// Parser sets dst from text, or returns what the text should have been.
type Parser func(dst reflect.Value, text string) (message string)

// The messages about values that cannot be read. Messages follow the field's name.
const (
	MessageNUL    = "must not contain NUL characters"
	messageUTF8   = "must be valid UTF-8"
	MessageTiny   = "must not be closer to 0 than a float can say"
	MessageNumber = "must be a number"
	MessageForm   = "has the wrong form"
	MessageDate   = "must be a date such as 2006-01-02"
	MessageTime   = "must be a time such as 2006-01-02T15:04:05Z"
)

// The types that are read in a way of their own.
var (
	NumberType          = reflect.TypeFor[stdjson.Number]()
	DateType            = reflect.TypeFor[app.Date]()
	TimeType            = reflect.TypeFor[time.Time]()
	DurationType        = reflect.TypeFor[time.Duration]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// ParserFor returns the parser for values of typ, or nil when text cannot become one.
func ParserFor(typ reflect.Type) Parser {
	switch {
	case typ == NumberType:
		return parseNumber
	case typ == TimeType:
		return textParser(MessageTime)
	case typ == DurationType:
		return parseDuration
	case typ.Kind() == reflect.Pointer:
		return pointerParser(typ)
	case typ == DateType:
		return textParser(MessageDate)
	case reflect.PointerTo(typ).Implements(textUnmarshalerType):
		return parseText
	}
	switch typ.Kind() {
	case reflect.String:
		return parseString
	case reflect.Bool:
		return parseBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return parseInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return parseUint
	case reflect.Float32, reflect.Float64:
		return parseFloat
	default:
		return nil
	}
}

// pointerParser returns the parser for pointers to scalars.
func pointerParser(typ reflect.Type) Parser {
	parse := ParserFor(typ.Elem())
	if parse == nil || typ.Elem().Kind() == reflect.Pointer {
		return nil
	}
	return func(dst reflect.Value, text string) string {
		dst.Set(reflect.New(typ.Elem()))
		return parse(dst.Elem(), text)
	}
}

func parseString(dst reflect.Value, text string) string {
	if message := CheckText(text); message != "" {
		return message
	}
	dst.SetString(text)
	return ""
}

// CheckText returns what is wrong with a text that a client sent, "" when it is sound.
func CheckText(text string) string {
	switch {
	case strings.IndexByte(text, 0) >= 0:
		return MessageNUL
	case !utf8.ValidString(text):
		return messageUTF8
	default:
		return ""
	}
}

func parseBool(dst reflect.Value, text string) string {
	if text != "true" && text != "false" {
		return "must be true or false"
	}
	dst.SetBool(text == "true")
	return ""
}

// plainDecimal reports whether text is an integer as people write one: no plus, no spaces, no leading zeros.
func plainDecimal(text string, signed bool) bool {
	digits := text
	if signed {
		digits = strings.TrimPrefix(text, "-")
	}
	if digits == "" || (digits[0] == '0' && (len(digits) > 1 || len(text) > 1)) {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}

func parseInt(dst reflect.Value, text string) string {
	if !plainDecimal(text, true) {
		return "must be a whole number"
	}
	n, err := strconv.ParseInt(text, 10, dst.Type().Bits())
	if err != nil {
		return IntegerMessage(dst.Type())
	}
	dst.SetInt(n)
	return ""
}

func parseUint(dst reflect.Value, text string) string {
	if !plainDecimal(text, false) {
		return IntegerMessage(dst.Type())
	}
	n, err := strconv.ParseUint(text, 10, dst.Type().Bits())
	if err != nil {
		return IntegerMessage(dst.Type())
	}
	dst.SetUint(n)
	return ""
}

// IntegerMessage says which integers typ holds.
func IntegerMessage(typ reflect.Type) string {
	bits := typ.Bits()
	switch kind := typ.Kind(); {
	case kind >= reflect.Uint && kind <= reflect.Uint64 && bits == 64:
		return "must be a whole number of 0 or more, of at most 64 bits"
	case bits == 64:
		return "must be a whole number of at most 64 bits"
	case kind >= reflect.Uint && kind <= reflect.Uint64:
		return fmt.Sprintf("must be a whole number from 0 to %d", uint64(math.MaxUint64)>>(64-bits))
	default:
		return fmt.Sprintf("must be a whole number from %d to %d", int64(math.MinInt64)>>(64-bits), int64(math.MaxInt64)>>(64-bits))
	}
}

func parseFloat(dst reflect.Value, text string) string {
	if !IsNumber([]byte(text)) { // written as in JSON: neither .5 nor 01
		return MessageNumber
	}
	n, err := strconv.ParseFloat(text, dst.Type().Bits())
	if err != nil {
		return MessageNumber
	}
	if n == 0 && Underflows(text) {
		return MessageTiny
	}
	dst.SetFloat(n)
	return ""
}

// parseNumber takes a number as JSON writes one, of any size and precision.
func parseNumber(dst reflect.Value, text string) string {
	if !IsNumber([]byte(text)) {
		return MessageNumber
	}
	dst.SetString(text)
	return ""
}

// Underflows reports whether text, a number that a float reads as 0, is not 0 but closer to it than a float can be.
func Underflows(text string) bool {
	digits, _, _ := strings.Cut(strings.ToLower(text), "e")
	return strings.ContainsAny(digits, "123456789")
}

// textParser returns a parser for a type that decodes itself from text, with one message for all that is wrong.
func textParser(message string) Parser {
	return func(dst reflect.Value, text string) string {
		if parseText(dst, text) != "" {
			return message
		}
		return ""
	}
}

func parseDuration(dst reflect.Value, text string) string {
	d, err := time.ParseDuration(text)
	if err != nil {
		return "must be a duration such as 1m30s"
	}
	dst.SetInt(int64(d))
	return ""
}

// parseText reads a value of a type that decodes itself from text.
func parseText(dst reflect.Value, text string) string {
	if message := CheckText(text); message != "" {
		return message
	}
	u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](dst.Addr())
	if !ok || u.UnmarshalText([]byte(text)) != nil {
		return MessageForm
	}
	return ""
}

// IsNumber reports whether text is one JSON number and nothing else.
func IsNumber(text []byte) bool {
	v := jsontext.Value(text)
	return v.Kind() == '0' && v.IsValid() && len(bytes.TrimSpace(text)) == len(text)
}

// RuleOf names the rule a parser's message belongs to.
func RuleOf(message string) string {
	if message == MessageNUL {
		return "nul"
	}
	return "type"
}
