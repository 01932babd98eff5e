package bind

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// errNotNumber says that a json.Number was met where, or with a text that, is no JSON number.
var errNotNumber = errors.New("not a JSON number")

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
