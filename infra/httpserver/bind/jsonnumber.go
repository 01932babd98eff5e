package bind

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// errNotNumber is the error for a field of the type json.Number when the JSON value is no number.
var errNotNumber = errors.New("not a JSON number")

// keepNumber decodes a number into a field of the type any. An integer of 2^53 or more, positive or negative, becomes a json.Number:
// a float64 may lose digits of it, and it may be an id. Every other number becomes a float64. For what is no number, keepNumber returns
// [errors.ErrUnsupported], and the JSON library decodes it as always.
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

// readNumber decodes a JSON number into a json.Number. The JSON library alone would expect a string, since that is what the type is made of.
func readNumber(dec *jsontext.Decoder, value *stdjson.Number) error {
	if dec.PeekKind() != '0' {
		return errNotNumber
	}
	raw, err := dec.ReadValue()
	*value = stdjson.Number(raw)
	return err
}
