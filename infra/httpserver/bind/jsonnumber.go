package bind

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// errNotNumber says that the JSON value for a json.Number is not a number.
var errNotNumber = errors.New("not a JSON number")

// keepNumber decodes a number in a field of the type any. A whole number that a float64 may not hold, such as an id beyond 2^53, becomes
// a json.Number, which keeps its digits. All other values are decoded as always.
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

// readNumber decodes a json.Number from a JSON number. Without it the JSON library would take a json.Number for a string.
func readNumber(dec *jsontext.Decoder, value *stdjson.Number) error {
	if dec.PeekKind() != '0' {
		return errNotNumber
	}
	raw, err := dec.ReadValue()
	*value = stdjson.Number(raw)
	return err
}
