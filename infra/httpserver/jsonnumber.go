package httpserver

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// errNotNumber says that a json.Number was met where, or with a text that, is no JSON number.
var errNotNumber = errors.New("not a JSON number")

// isNumber reports whether text is one JSON number and nothing else.
func isNumber(text []byte) bool {
	v := jsontext.Value(text)
	return v.Kind() == '0' && v.IsValid() && len(bytes.TrimSpace(text)) == len(text)
}

// keepNumber decodes a number of a field of the type any that no float64 equals, such as an id beyond 2^53, as a
// json.Number, which has its digits. All other values are decoded as always.
func keepNumber(dec *jsontext.Decoder, value *any) error {
	if dec.PeekKind() != '0' {
		return errors.ErrUnsupported
	}
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	number, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return err
	}
	*value = number
	if isInteger := !bytes.ContainsAny(raw, ".eE"); isInteger && math.Abs(number) >= 1<<53 {
		*value = stdjson.Number(raw)
	}
	return nil
}

// readNumber decodes a json.Number from a number. By itself the JSON library takes it for any other type of strings.
func readNumber(dec *jsontext.Decoder, value *stdjson.Number) error {
	if dec.PeekKind() != '0' {
		return errNotNumber
	}
	raw, err := dec.ReadValue()
	*value = stdjson.Number(raw)
	return err
}

// writeNumber encodes a json.Number as a number, and an empty one as 0, as encoding/json does.
func writeNumber(enc *jsontext.Encoder, value stdjson.Number) error {
	if value == "" {
		value = "0"
	}
	if !isNumber([]byte(value)) {
		return fmt.Errorf("encode json.Number %q: %w", value, errNotNumber)
	}
	return enc.WriteValue(jsontext.Value(value))
}

// withNumbers returns the options for an answer that may hold a json.Number. Only such answers have it: the JSON library looks
// up every type it meets then.
func withNumbers(options json.Options) json.Options {
	return json.JoinOptions(options, json.WithMarshalers(json.MarshalToFunc(writeNumber)))
}
