package httpserver

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"plugboard/app"
)

// parser sets dst from text, or returns what the text should have been. Messages follow the field's name.
type parser func(dst reflect.Value, text string) (message string)

const (
	messageRequired = "is required"
	messageNUL      = "must not contain NUL characters"
	messageUTF8     = "must be valid UTF-8"
	messageTiny     = "must not be closer to 0 than a 64-bit float can say"
	messageNumber   = "must be a number"
	messageForm     = "has the wrong form"
	messageEmpty    = "must not be empty"
	messageUnfit    = "has a value that its rules do not fit"
	messageDate     = "must be a date such as 2006-01-02"
	messageTime     = "must be a time such as 2006-01-02T15:04:05Z"
)

var (
	numberType          = reflect.TypeFor[json.Number]()
	dateType            = reflect.TypeFor[app.Date]()
	timeType            = reflect.TypeFor[time.Time]()
	durationType        = reflect.TypeFor[time.Duration]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// parserFor returns the parser for values of typ, or nil when text cannot become one.
func parserFor(typ reflect.Type) parser {
	switch {
	case typ == numberType:
		return parseNumber
	case typ == timeType:
		return parseTime
	case typ == durationType:
		return parseDuration
	case typ.Kind() == reflect.Pointer:
		return pointerParser(typ)
	case typ == dateType:
		return parseDate
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

func pointerParser(typ reflect.Type) parser {
	element := parserFor(typ.Elem())
	if element == nil || typ.Elem().Kind() == reflect.Pointer {
		return nil
	}
	return func(dst reflect.Value, text string) string {
		dst.Set(reflect.New(typ.Elem()))
		return element(dst.Elem(), text)
	}
}

func parseString(dst reflect.Value, text string) string {
	if message := checkText(text); message != "" {
		return message
	}
	dst.SetString(text)
	return ""
}

// checkText returns what is wrong with text as text.
func checkText(text string) string {
	switch {
	case strings.IndexByte(text, 0) >= 0:
		return messageNUL
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
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}

func parseInt(dst reflect.Value, text string) string {
	if !plainDecimal(text, true) {
		return "must be a whole number"
	}
	n, err := strconv.ParseInt(text, 10, dst.Type().Bits())
	if err != nil {
		return integerMessage(dst.Type())
	}
	dst.SetInt(n)
	return ""
}

func parseUint(dst reflect.Value, text string) string {
	if !plainDecimal(text, false) {
		return integerMessage(dst.Type())
	}
	n, err := strconv.ParseUint(text, 10, dst.Type().Bits())
	if err != nil {
		return integerMessage(dst.Type())
	}
	dst.SetUint(n)
	return ""
}

// integerMessage says which integers typ holds.
func integerMessage(typ reflect.Type) string {
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
	if !isNumber([]byte(text)) { // written as in JSON: neither .5 nor 01
		return messageNumber
	}
	n, err := strconv.ParseFloat(text, dst.Type().Bits())
	if err != nil {
		return messageNumber
	}
	if n == 0 && underflows(text) {
		return messageTiny
	}
	dst.SetFloat(n)
	return ""
}

// parseNumber takes a number as JSON writes one, of any size and precision.
func parseNumber(dst reflect.Value, text string) string {
	if !isNumber([]byte(text)) {
		return messageNumber
	}
	dst.SetString(text)
	return ""
}

// underflows reports whether text, a number that parses as 0, is another one: closer to 0 than a float can be.
func underflows(text string) bool {
	digits, _, _ := strings.Cut(strings.ToLower(text), "e")
	return strings.ContainsAny(digits, "123456789")
}

func parseTime(dst reflect.Value, text string) string {
	var t time.Time
	if err := t.UnmarshalText([]byte(text)); err != nil {
		return messageTime
	}
	dst.Set(reflect.ValueOf(t))
	return ""
}

func parseDate(dst reflect.Value, text string) string {
	if parseText(dst, text) != "" {
		return messageDate
	}
	return ""
}

func parseDuration(dst reflect.Value, text string) string {
	d, err := time.ParseDuration(text)
	if err != nil {
		return "must be a duration such as 1m30s"
	}
	dst.SetInt(int64(d))
	return ""
}

func parseText(dst reflect.Value, text string) string {
	if message := checkText(text); message != "" {
		return message
	}
	u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](dst.Addr())
	if !ok || u.UnmarshalText([]byte(text)) != nil {
		return messageForm
	}
	return ""
}
